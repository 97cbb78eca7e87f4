"""Every machine beside people: scores, verdicts, curves and groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import cards, charts
from app.ui.agreement import figures
from app.ui.agreement.tables import COUNT, NUMBER, TEXT, THREE, between, figure, inside, spread, table
from core.agreement import sources
from core.agreement.machines import Against, MachinesJudged
from core.agreement.views import View

WIDE = TEXT(width=128)


def measures(view: View, found: MachinesJudged) -> None:
    """Every machine in a row: its scores, its verdicts, and how it stands beside a person."""
    _scores(found)
    st.markdown("**Verdicts: accepted from a threshold on**")
    _verdicts(found)
    _footing(view, found)


def _number(width: int, help: str = "") -> Any:
    return NUMBER(format="%.3f", width=width, help=help or None)


def _by_measure(name: str, rows: Sequence[Mapping], looks: Mapping[str, Any]) -> None:
    """A table with a row a measure; notes only where there are some."""
    first = {"Measure": TEXT(width=158, pinned=True)}
    notes = ("Note",) if any(row.get("Note") for row in rows) else ()
    rows = [{column: row.get(column) for column in (*first, *looks, *notes)} for row in rows]
    table(rows, name, {**first, **looks, "Note": TEXT(width=230)})


def _scores(found: MachinesJudged) -> None:
    rows = [
        {
            "Measure": one.name,
            "n": one.n,
            **spread("Pearson", one.pearson),
            **spread("Spearman", one.spearman),
            **spread("AUC", one.roc.auc),
            **spread("MAE", one.error),
            **spread("Calibration", one.calibration.error),
            "Note": one.roc.auc.note or one.pearson.note,
        }
        for one in found.machines
    ]
    _by_measure(
        "machines",
        rows,
        {
            "n": NUMBER(format="localized", width=46),
            "Pearson": _number(66),
            "Pearson, 95%": WIDE,
            "Spearman": _number(78),
            "Spearman, 95%": WIDE,
            "AUC": _number(56, "Area under the ROC curve: 0.5 is chance."),
            "AUC, 95%": WIDE,
            "MAE": _number(56, "Mean absolute error, on the scale 0 to 1."),
            "MAE, 95%": WIDE,
            "Calibration": _number(84, "Expected calibration error: 0 is calibrated."),
            "Calibration, 95%": WIDE,
        },
    )


def _verdicts(found: MachinesJudged) -> None:
    rows = [
        {
            "Measure": one.name,
            "Threshold": one.threshold.threshold,
            **spread("Accuracy", one.threshold.accuracy),
            **spread("Cohen", one.threshold.kappa),
            "Machine": one.beside.machine.value,
            "Person": one.beside.person.value,
            **spread("Difference", one.beside.difference),
            "Note": one.threshold.note,
        }
        for one in found.machines
    ]
    rows.append({"Measure": "Always the usual", **spread("Accuracy", found.baseline)})
    held = "Fitted on one half of the items, reported on the other."
    label = "Labels of one person against the majority of the others, the machine's verdicts against the same."
    _by_measure(
        "verdicts",
        rows,
        {
            "Threshold": _number(78, held),
            "Accuracy": _number(74, "Share right, by the consensus. " + held),
            "Accuracy, 95%": WIDE,
            "Cohen": _number(60, held),
            "Cohen, 95%": WIDE,
            "Machine": _number(70, label),
            "Person": _number(64, label),
            "Difference": NUMBER(format="%+.3f", width=80, help="Machine - person."),
            "Difference, 95%": WIDE,
        },
    )


def _footing(view: View, found: MachinesJudged) -> None:
    """On what the two stand side by side."""
    several = ": sentences of one answer stay together" if found.items < found.n else ""
    best = found.machines[0].beside_pearson
    st.caption(
        "Threshold, accuracy and kappa: fitted on one half of the items, reported on the other. *Machine* and *Person* are on one "
        "footing: for each label, who says what the majority of the other annotators says. "
        + (
            ""
            if best.person.value is None
            else f"Scores likewise: a person correlates with the mean of the others at "
            f"{best.person.value:.3f}{inside(best.person)}, {cards.plain(found.machines[0].name)} at {best.machine.value:.3f}"
            f"{inside(best.machine)}. "
            if best.machine.value is not None
            else ""
        )
        + f"Intervals are over {sources.drawn(view.source.study, found.items)}{several}."
    )


def curves(view: View, found: MachinesJudged, one: Against, command: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        data = [
            {"measure": one.name, "threshold": float(t), "false positive": float(x), "true positive": float(y)}
            for one in found.machines
            for t, x, y in zip(one.roc.thresholds, one.roc.false_positive, one.roc.true_positive, strict=True)
        ]
        area = one.roc.auc
        figure(
            view,
            figures.roc(one),
            "roc",
            data=data,
            command=command,
            title="ROC",
            caption=f"area {area.mean:.3f} ({between(area)}), {one.n:,} {'answers' if found.whole else view.units}"
            if area.mean is not None
            else "undefined: all are yes, or all are no",
        )
    with right:
        data = [
            {
                "measure": one.name,
                "score": bin.score,
                "share": bin.share.mean,
                "low": bin.share.low,
                "high": bin.share.high,
                "n": bin.share.n,
            }
            for one in found.machines
            for bin in one.calibration.bins
        ]
        figure(
            view,
            figures.calibrated(one),
            "calibration",
            data=data,
            command=command,
            title="Calibration",
            caption=f"{len(one.calibration.bins)} bins, 95% intervals, n beside each",
        )


def by_group(one: Against, command: str) -> None:
    """One machine by system and by dataset, where there are several."""
    if not one.groups:
        return
    data = [
        {
            "Kind": group.kind,
            "Group": group.name,
            "n": group.n,
            "Pearson": group.pearson.value,
            "Low": group.pearson.low,
            "High": group.pearson.high,
            "AUC": group.auc.mean,
            "Note": group.pearson.note,
        }
        for group in one.groups
    ]
    charts.show(
        figures.groups(one),
        "groups",
        data=data,
        command=command,
        title=f"{one.name} by group",
        caption="n in brackets, 95% intervals",
    )
    table(data, "groups", {"Group": TEXT(width=260), "n": COUNT, **dict.fromkeys(("Pearson", "Low", "High", "AUC"), THREE)})
