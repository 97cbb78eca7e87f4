"""Runs in TREC's format: read, measured, compared, fused, and written from stored trials."""
