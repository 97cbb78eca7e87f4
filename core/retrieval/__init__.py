"""Retrievers, the pool of candidates, and the fusions that rank it."""

KINDS = {  # of parts in this folder -> what they are
    "retriever": "Retrievers find the candidates of each question among the chunks.",
    "sparse": "Sparse retrievers rank chunks by the words they share with the question.",
    "fusion": "Fusions make one ranking of those of the retrievers.",
}
