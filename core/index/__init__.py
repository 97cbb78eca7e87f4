"""Dense search: exact, and approximate through Chroma."""

KINDS = {  # of parts in this folder -> what they are
    "index": "Indexes rank chunks by their vectors."
}
