"""Documents with their questions: loaders, cards, downloads, and the user's own files."""
