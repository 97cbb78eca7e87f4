"""Generators, the prompt they read, and the citations of their answers."""

KINDS = {  # of parts in this folder -> what they are
    "generator": "Generators write the answer."
}
