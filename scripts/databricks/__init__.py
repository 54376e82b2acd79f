"""The entry that is started on Databricks; what it does is in `scripts.dwh_entry`."""
