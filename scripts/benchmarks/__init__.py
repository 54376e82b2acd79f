"""Timings of what users wait for, each printed as a ratio against a named baseline measured in the same run.

They are programs, not tests: machines are shared and noisy, so a slow result fails nothing; a
wrong one does.
"""
