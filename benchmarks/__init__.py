"""Measurements behind the numbers in the docs: each module prints one JSON document, `python -m benchmarks` runs all."""
