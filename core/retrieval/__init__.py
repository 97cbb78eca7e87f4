"""Sparse retrieval, the pool of candidates, and the fusions that rank it."""
