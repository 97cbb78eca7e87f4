"""Studies: what is varied over a recipe, run whole, and what it says."""

from pathlib import Path
from typing import Any

from core.cli.frame import verb
from core.cli.tables import show_table


@verb("study-example", print)
def study_example() -> str:
    """A study as YAML with a word on each line, to begin with."""
    from core.labs.experiments import example

    return example.TEXT.rstrip()


@verb("study-points", show_table)
def study_points(file: Path, /) -> list[dict[str, Any]]:
    """The points of a study in a file, each with its repeats, and those that are left out with the reason; nothing is measured."""
    from core.labs.experiments import designs, experiment

    made = designs.points(experiment.read_file(file))
    told = [(settings, "") for settings in made.settings] + made.left_out
    return [
        {
            "point": ", ".join(f"{name} = {value}" for name, value in settings.items()) or "the base recipe",
            "left out": why,
            "settings": settings,
        }
        for settings, why in told
    ]
