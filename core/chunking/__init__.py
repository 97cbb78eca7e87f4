"""Chunkers: one file a part, each turning a text into character spans of that text."""
