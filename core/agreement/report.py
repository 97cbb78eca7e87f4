"""The page Agreement as one record, for the command line: `python -m core agreement`.

Everything is computed by the other modules of core.agreement; here it is only put together. Curves are left out: a page
draws them.
"""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.agreement import cannot_judge, consensus, disputed_units, headline, preferences, sources, views
from core.agreement.annotators import people
from core.agreement.cannot_judge import judged_by_nobody
from core.agreement.coefficients import growing, overview
from core.agreement.machines import Facing, Machine, containment, facing, judge, read_scores
from core.agreement.systems import rates
from core.annotation import versions
from core.annotation.formats.alone import WITHOUT
from core.annotation.study import StopRule
from core.errors import WorkbenchError
from core.records import Progress
from core.statistics.agreement.words import KRIPPENDORFF
from core.workbench import Workbench


def open_labels(workbench: Workbench, path: Path) -> tuple[sources.LabelSource, bool]:
    """A file or folder of labels, or else the stored study of that name; whether it is one."""
    stored = not path.exists() and str(path) in {one.study.id for one in versions.studies(workbench)}
    return sources.open_study(workbench, str(path)) if stored else sources.open_file(path), stored


def coefficients(view: views.View, resamples: int) -> Generator[Progress, None, dict[str, Any]]:
    """What the page shows at first: every coefficient, and what it is of."""
    found, source = (yield from overview(view.found, resamples)), view.source
    alpha = found.words.get(found.measures[0].name)
    return {
        "labels_of": source.name,
        "part": view.part,
        "round": view.round,
        "level": view.found.level,
        "unit": view.units,
        "units": found.units,
        "annotators": found.annotators,
        "labels": found.labels,
        "categories": list(view.found.categories),
        "shares": dict(found.shares),
        **not_judged(view),
        "resamples": resamples,
        "drawn": sources.drawn(source.study, found.items),
        "measures": found.measures,
        "words": f"alpha: {alpha} ({KRIPPENDORFF})" if alpha else "",
        "paradox": found.paradox.sentence if found.paradox else "",
        "note": note(view),
    }


def not_judged(view: views.View) -> dict[str, int]:
    """Labels "cannot judge", which enter nothing, and units of which nobody said anything else; {} where there are none."""
    said = cannot_judge.cannot_judge(view.source, view.part, view.round)
    if not said:
        return {}
    return {"cannot_judge": sum(map(len, said.values())), "judged_by_nobody": judged_by_nobody(view.found, said)}


def note(view: views.View) -> str:
    """What the reader of a file has to know."""
    study = view.source.study
    if study is None and view.found.level == "interval" and not view.level:
        return "The numbers are read as an interval scale: --level nominal reads them as names of categories, ordinal as ranks."
    return WITHOUT if study is not None and study.question == WITHOUT else ""


def annotators(view: views.View) -> Generator[Progress, None, dict[str, Any]]:
    found = yield from people(view.source, view.part, view.round, view.found)
    pairs = [
        {"a": a, "b": b, "value": float(found.matrix[i, j]), "units": int(found.shared[i, j])}
        for i, a in enumerate(found.names)
        for j, b in enumerate(found.names)
        if i < j and not np.isnan(found.matrix[i, j])
    ]
    rows = sorted(found.rows, key=lambda row: -row.labels)
    return {"annotators": rows, "self_agreement": found.twice, "pairs": {"coefficient": found.coefficient, "of": pairs}}


def disputed(view: views.View) -> dict[str, Any]:
    cannot = cannot_judge.cannot_judge(view.source, view.part, view.round)
    found = disputed_units.most_disputed(view.found, len(view.found.items), cannot)
    return {"units": len(view.found.items), "disputed": len(found), "most": found[: disputed_units.DISPUTED]}


def growth(view: views.View, half_width: float, resamples: int) -> Generator[Progress, None, dict[str, Any]]:
    """half_width 0: the study's own rule, or 0.1."""
    own = view.source.study.stop if view.source.study else StopRule()
    rule = own if own.kind != "all_labelled" and not half_width else StopRule(kind="half_width", value=half_width or 0.1)
    found = yield from growing(view.found, rule, resamples)
    points = [
        {"labels": labels, "alpha": one.value, "low": one.low, "high": one.high, "items": one.drawn}
        for labels, one in found.points
    ]
    return found._asdict() | {"points": points}


def systems(view: views.View) -> dict[str, Any]:
    """By the consensus: rates of systems, or preferences among them."""
    agreed = consensus.consensus(view.source, view.part, view.found, view.method)
    told = {"consensus": view.method, "ties": agreed.ties, "adjudicated": agreed.adjudicated}
    if view.part == "preference":
        found = preferences.preferences(view.source, view.round, view.found, agreed)
        strengths = dict(zip(found.systems, found.strengths.strengths, strict=True))
        return told | {
            "pairs": found.duels,
            "bradley_terry": strengths,
            "bradley_terry_note": found.strengths.note,
            "first_on_screen": found.position,
            "undecided": found.undecided,
        }
    found = rates(view.source, view.part, view.found, agreed, view.positive)
    return told | {
        "yes": list(view.positive),
        "systems": found.systems,
        "differences": found.differences,
        "undecided": found.undecided,
    }


def scored(view: views.View, files: Sequence[Path], rest: headline.Unjudged) -> Generator[Progress, None, list[Machine]]:
    """What is computed here, and judges' scores from files."""
    found = yield from containment(view.source, view.part, view.found)
    for path in files:
        try:
            found.append(read_scores(path.read_text("utf-8"), view.found, path.name, rest.names))
        except (OSError, UnicodeDecodeError) as error:
            raise WorkbenchError(f"The scores cannot be read: {error}.", where=str(path)) from None
    if not found:
        raise WorkbenchError(
            "No machine can be held against these labels.",
            where=view.source.name,
            todo="Give a judge's scores with --scores: a CSV with the columns unit and score.",
        )
    return found


def _facing(view: views.View, scores: Sequence[Machine], whole: bool) -> Facing:
    agreed = consensus.consensus(view.source, view.part, view.found, view.method)
    return facing(view.source, view.part, view.found, agreed, view.positive, scores, whole)


def machines(
    view: views.View, scores: Sequence[Machine], whole: bool, resamples: int
) -> Generator[Progress, None, dict[str, Any]]:
    """Each machine against people."""
    found = yield from judge(_facing(view, scores, whole), whole, resamples)
    whole = whole and view.part == "sentences"
    rows = [
        one._asdict() | {"roc": one.roc.auc, "calibration": {"error": one.calibration.error, "brier": one.calibration.brier}}
        for one in found.machines
    ]
    return {
        "judged_as": "answers" if whole else view.units,
        "n": found.n,
        "drawn": sources.drawn(view.source.study, found.items),
        "consensus": view.method,
        "yes": list(view.positive),
        "machines": rows,
        "ceiling": found.ceiling,
        "ceiling_pearson": found.ceiling_pearson,
        "baseline": found.baseline,
    }


def headlines(view: views.View, scores: Sequence[Machine], n_human: int, rest: headline.Unjudged) -> list[headline.Headline]:
    """By each machine. n_human 0: 100, or half of the judged answers. rest: stored answers that nobody judged."""
    faced, rest = _facing(view, scores, True), headline.with_scores(rest, scores)
    known = {one.name: len(headline.judged_and_scored(faced, one.name)) for one in scores}
    return [headline.headline(faced, name, n_human or headline.usual_human(many), rest) for name, many in known.items()]
