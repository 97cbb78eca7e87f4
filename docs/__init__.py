"""The documentation and the scripts that keep it true: `python -m docs.tables`, `docs.numbers`, `docs.screenshots`."""
