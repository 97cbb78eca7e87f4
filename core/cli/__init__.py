"""The command line, a file a subject: each says the verbs of its subject, and `python -m core` collects them."""
