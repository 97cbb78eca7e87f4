"""Dense search: exact, and approximate through Chroma."""
