"""The page Agreement as one record, for the command line: `python -m core annotate agreement`.

Everything is computed by the other modules of core.agreement; here it is only put together.
"""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from core.agreement import cannot_judge, consensus, disputed_units, headline, plan, preferences, sources, views
from core.agreement.annotators import pair_rows, people, third_rows
from core.agreement.cannot_judge import judged_by_nobody
from core.agreement.coefficients import growing, overview
from core.agreement.machines import Facing, Machine, calibration_rows, containment, facing, judge, read_scores, roc_rows
from core.agreement.systems import rates
from core.annotation import versions
from core.annotation.formats.alone import WITHOUT
from core.annotation.study import StopRule
from core.errors import WorkbenchError
from core.files import read_text
from core.records import Progress
from core.statistics.agreement.words import KRIPPENDORFF
from core.workbench import Workbench


def open_labels(workbench: Workbench, path: Path) -> tuple[sources.LabelSource, bool]:
    """A file or folder of labels, or else the stored study of that name; whether it is one."""
    stored = not path.exists() and str(path) in {version.study.id for version in versions.studies(workbench)}
    return sources.open_study(workbench, str(path)) if stored else sources.open_file(path), stored


def coefficients(view: views.View, resamples: int) -> Generator[Progress, None, dict[str, Any]]:
    """What the page shows at first: every coefficient, and what it is of."""
    summary, source = (yield from overview(view.table, resamples)), view.source
    alpha = summary.words.get(summary.measures[0].name)
    return {
        "labels_of": source.name,
        "part": view.part,
        "round": view.round,
        "level": view.table.level,
        "unit": view.units,
        "units": summary.units,
        "annotators": summary.annotators,
        "labels": summary.labels,
        "categories": list(view.table.categories),
        "shares": dict(summary.shares),
        **not_judged(view),
        "resamples": resamples,
        "drawn": sources.drawn(source.study, summary.items),
        "measures": summary.measures,
        "words": f"alpha: {alpha} ({KRIPPENDORFF})" if alpha else "",
        "paradox": summary.paradox.sentence if summary.paradox else "",
        "note": note(view),
    }


def verdict(view: views.View) -> dict[str, Any]:
    """What the labels say to the study's frozen plan, and who labelled attention items carelessly; {} without a plan."""
    said = plan.verdict(view.source, view.round)
    if said is None:
        return {}
    rest = {name: value for name, value in said._asdict().items() if name != "agreed"}
    return {**rest, "careless": plan.careless(view.source, view.round)}


def not_judged(view: views.View) -> dict[str, int]:
    """Labels "cannot judge", which enter nothing, and units of which nobody said anything else; {} where there are none."""
    said = cannot_judge.cannot_judge(view.source, view.part, view.round)
    if not said:
        return {}
    return {"cannot_judge": sum(map(len, said.values())), "judged_by_nobody": judged_by_nobody(view.table, said)}


def note(view: views.View) -> str:
    """What the reader of a file has to know."""
    study = view.source.study
    if study is None and view.table.level == "interval" and not view.level:
        return "The numbers are read as an interval scale: --level nominal reads them as names of categories, ordinal as ranks."
    return WITHOUT if study is not None and study.question == WITHOUT else ""


def annotators(view: views.View) -> Generator[Progress, None, dict[str, Any]]:
    persons = yield from people(view.source, view.part, view.round, view.table)
    rows = sorted(persons.rows, key=lambda row: -row.labels)
    return {
        "annotators": rows,
        "self_agreement": persons.twice,
        "pairs": {"coefficient": persons.coefficient, "of": pair_rows(persons)},
        "thirds": third_rows(rows),
    }


def disputed(view: views.View) -> dict[str, Any]:
    cannot = cannot_judge.cannot_judge(view.source, view.part, view.round)
    units = disputed_units.most_disputed(view.table, len(view.table.items), cannot)
    return {"units": len(view.table.items), "disputed": len(units), "most": units[: disputed_units.DISPUTED]}


def growth(view: views.View, half_width: float, resamples: int) -> Generator[Progress, None, dict[str, Any]]:
    """half_width 0: the study's own rule, or 0.1."""
    own = view.source.study.stop if view.source.study else StopRule()
    rule = own if own.kind != "all_labelled" and not half_width else StopRule(kind="half_width", value=half_width or 0.1)
    curve = yield from growing(view.table, rule, resamples)
    points = [
        {"labels": labels, "alpha": alpha.value, "low": alpha.low, "high": alpha.high, "items": alpha.drawn}
        for labels, alpha in curve.points
    ]
    return curve._asdict() | {"points": points}


def systems(view: views.View) -> dict[str, Any]:
    """By the consensus: rates of systems, or preferences among them."""
    agreed = consensus.consensus(view.source, view.part, view.table, view.method)
    told = {"consensus": view.method, "ties": agreed.ties, "adjudicated": agreed.adjudicated}
    if view.part == "preference":
        choices = preferences.preferences(view.source, view.round, view.table, agreed)
        strengths = dict(zip(choices.systems, choices.strengths.strengths, strict=True))
        return told | {
            "pairs": choices.duels,
            "bradley_terry": strengths,
            "bradley_terry_note": choices.strengths.note,
            "first_on_screen": choices.position,
            "undecided": choices.undecided,
        }
    shares = rates(view.source, view.part, view.table, agreed, view.positive)
    return told | {
        "yes": list(view.positive),
        "systems": shares.systems,
        "differences": shares.differences,
        "undecided": shares.undecided,
    }


def scored(view: views.View, files: Sequence[Path], rest: headline.Unjudged) -> Generator[Progress, None, list[Machine]]:
    """What is computed here, and judges' scores from files."""
    measures = yield from containment(view.source, view.part, view.table)
    for path in files:
        text = read_text(path, "The file of scores", todo="Give a CSV with the columns unit and score.")
        measures.append(read_scores(text, view.table, path.name, rest.names))
    if not measures:
        raise WorkbenchError(
            "No machine can be compared with these labels.",
            where=view.source.name,
            todo="Give a judge's scores with --scores: a CSV with the columns unit and score.",
        )
    return measures


def _facing(view: views.View, scores: Sequence[Machine], whole: bool) -> Facing:
    agreed = consensus.consensus(view.source, view.part, view.table, view.method)
    return facing(view.source, view.part, view.table, agreed, view.positive, scores, whole)


def machines(
    view: views.View, scores: Sequence[Machine], whole: bool, resamples: int, curves: bool = False
) -> Generator[Progress, None, dict[str, Any]]:
    """Each machine against people."""
    judged = yield from judge(_facing(view, scores, whole), whole, resamples)
    whole = whole and view.part == "sentences"
    rows = [
        row._asdict() | {"roc": row.roc.auc, "calibration": {"error": row.calibration.error, "brier": row.calibration.brier}}
        for row in judged.machines
    ]
    return {
        "judged_as": "answers" if whole else view.units,
        "n": judged.n,
        "drawn": sources.drawn(view.source.study, judged.items),
        "consensus": view.method,
        "yes": list(view.positive),
        "machines": rows,
        "ceiling": judged.ceiling,
        "ceiling_pearson": judged.ceiling_pearson,
        "baseline": judged.baseline,
        **({"roc": roc_rows(judged.machines), "calibration": calibration_rows(judged.machines)} if curves else {}),
    }


def headlines(view: views.View, scores: Sequence[Machine], n_human: int, rest: headline.Unjudged) -> list[headline.Headline]:
    """By each machine. n_human 0: 100, or half of the judged answers. rest: stored answers that nobody judged."""
    faced, rest = _facing(view, scores, True), headline.with_scores(rest, scores)
    judged = {machine.name: len(headline.judged_and_scored(faced, machine.name)) for machine in scores}
    return [headline.headline(faced, name, n_human or headline.usual_human(many), rest) for name, many in judged.items()]
