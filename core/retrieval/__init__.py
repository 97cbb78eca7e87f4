"""Sparse retrieval, the pool of candidates, and the fusions that rank it."""

KINDS = {  # of parts in this folder -> what they are
    "sparse": "Sparse retrievers rank chunks by the words they share with the question.",
    "fusion": "Fusions make one ranking of the sparse and the dense one.",
}
