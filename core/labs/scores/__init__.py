"""Scores of answers: read from a file or from what is stored, kept by content, held against people's labels."""
