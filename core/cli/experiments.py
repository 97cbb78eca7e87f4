"""Studies: what is varied over a recipe, run whole, and what it says."""

from core.cli.frame import verb


@verb("study-example", print)
def study_example() -> str:
    """A study as YAML with a word on each line, to begin with."""
    from core.labs.experiments import example

    return example.TEXT.rstrip()
