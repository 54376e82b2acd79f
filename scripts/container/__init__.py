"""The entry that is started in a container, or on any machine; what it does is in `scripts.dwh_entry`."""
