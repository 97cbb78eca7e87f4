"""Chunkers: one file a part, each turning a text into character spans of that text."""

KINDS = {  # of parts in this folder -> what they are
    "chunker": "Chunkers cut documents into the texts that are searched."
}
