"""What reranking is worth, which words met, and rerankers trained here."""
