"""What ranks the best candidates again, by looking closer."""

KINDS = {"reranker": "Rerankers look closer at the best candidates and rank them again."}
