"""The entry that is started on Amazon EMR; what it does is in `scripts.dwh_entry`."""
