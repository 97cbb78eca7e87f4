"""Encoders, the transform of their vectors, and the store of vectors by text."""

KINDS = {  # of parts in this folder -> what they are
    "encoder": "Encoders turn texts into vectors."
}
