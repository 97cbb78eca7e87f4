"""What is asked in a question's place, and how the retrievers are asked it."""

KINDS = {"query": "Query transforms ask the retrievers something else than the question as it stands."}
