"""Judges: answers through the editor's gate, and what order and length are worth to a judge."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, Positive, RecipeOptions
from core.cli.tables import between, show_table
from core.config import PartConfig, TrialConfig

Judges = Annotated[
    tuple[str, ...],
    Parameter(
        help='"ENGINE KNOB=VALUE …", as `list generator` names them; repeatable, several are a panel (default: the recipe\'s).'
    ),
]
Runs = Annotated[Positive, Parameter(help="Times that each is judged, by other draws.")]
Temperature = Annotated[float, Parameter(help="Of the judges, where their engines have one.")]


def read_judges(texts: tuple[str, ...], config: TrialConfig) -> list[PartConfig]:
    """Engines from "openai_compatible base_url=http://127.0.0.1:8000/v1 model=m"."""
    from core.labs.scores.judges import judge_of

    return list(map(judge_of, texts)) or [config.generation]


def show_review(record: dict[str, Any]) -> None:
    for note in record["notes"]:
        print(f"note: {note}")
    names = ("verdict", "question", "answer", "reasons", "revisions")
    show_table([{name: each[name] for name in names} | each["means"] for each in record["decisions"]])
    print(", ".join(f"{count} {verdict}" for verdict, count in record["verdicts"].items() if count))
    if record["agreement"]:
        print("\nAgreement of the judges (Krippendorff's alpha)")
        show_table(
            [{"dimension": name, "alpha": between(told), "note": told["note"]} for name, told in record["agreement"].items()]
        )


def show_bias(record: dict[str, Any]) -> None:
    for note in record["notes"]:
        print(f"note: {note}")
    print(f"pairs: {record['pairs']}. Bias of position: above 0 the answer that stands first wins; of length: the longer one.")

    def told(interval: dict[str, Any]) -> Any:
        return between(interval | {"value": interval["mean"]})

    rows = []
    for row in record["judges"]:
        why = "; ".join(f"{why}: {n}" for why, n in row["unmeasured"].items())
        means = {name: told(row[name]) for name in ("position", "length", "consistent", "right")}
        counts = {"spread": row["spread"], "measured": f"{row['measured']} of {row['asked']}", "why not": why}
        rows.append({"judge": row["judge"]} | means | counts)
    show_table(rows)
    if record["agreement"]:
        print(f"agreement of the judges (Krippendorff's alpha): {between(record['agreement'])}")


def without_decisions(record: dict[str, Any]) -> dict[str, Any]:
    """What a job keeps: each decision is in the store."""
    return {name: value for name, value in record.items() if name != "decisions"}


@verb("review", show_review, job_keeps=without_decisions)
def review(
    workbench: Any,
    file: Path,
    /,
    *,
    judge: Judges = (),
    runs: Runs = 3,
    temperature: Temperature = 0.3,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answers rated in four dimensions and put through the editor's gate: accept, revise or reject, each decision kept."""
    from core.labs.scores import judges

    config = recipe.read()
    return (yield from judges.review(workbench, config, file, read_judges(judge, config), runs, temperature))


@verb("judge-bias", show_bias, job_keeps=dict)
def judge_bias(
    workbench: Any,
    file: Path,
    /,
    *,
    judge: Judges = (),
    runs: Runs = 3,
    temperature: Temperature = 0.3,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Two answers a line, judged in both orders: what order and length are worth to a judge, its noise, a panel's verdict."""
    from core.labs.scores import judges

    config = recipe.read()
    return (yield from judges.judge_bias(workbench, config, file, read_judges(judge, config), runs, temperature))
