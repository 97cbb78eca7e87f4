"""The path from a question to the paper: which steps are done follows from what is stored."""
