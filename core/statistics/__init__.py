"""Intervals and tests. Only numpy and scipy are imported here."""
