"""The faithfulness model, trained here."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Training, read_settings
from core.cli.tables import show_table

Data = Annotated[Path | None, Parameter(help="Folder with the data sets (default: GROUNDWORK_DATASETS).")]


@verb("train-faithfulness")
def train_faithfulness(workbench: Any, name: str, /, *, data: Data = None, train: Training = ()) -> Any:
    """A model of faithfulness: does a claim follow from its evidence, and which of its words are wrong."""
    from core.labs.scores.faithfulness_models import train_faithfulness

    return train_faithfulness(workbench, name, data, read_settings(train))


def show_fit(record: dict[str, Any]) -> None:
    """The numbers of both, then a line for each kind and number of claims, and for each kind of text."""
    for name in ("shipped", "fitted"):
        print(f"{name}: threshold of doubt {record[name]['threshold']:.3f}, by claims {record[name]['by_claims']:.2f}")
    print("\nMade answers of the third part: share called hallucinated")
    show_table(record["rows"])
    print("\nSecond parts: AUC of each measure by kind of text, and the best")
    show_table([{"kind": kind} | row for kind, row in record["trusted"].items()])


@verb("fit-faithfulness", show_fit)
def fit_faithfulness(workbench: Any, *, data: Data = None) -> Any:
    """From which doubt an answer of so many claims counts as hallucinated: fitted on made answers, beside what is shipped.
    And which measure to trust for each kind of text."""
    from core.labs.scores.faithfulness_models import fit_answers

    return fit_answers(data)
