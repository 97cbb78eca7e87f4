"""Generators, the prompt they read, and the citations of their answers."""
