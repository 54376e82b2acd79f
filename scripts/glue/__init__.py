"""The entry that is started on AWS Glue; what it does is in `scripts.dwh_entry`."""
