"""Every machine beside people: scores, verdicts, curves and groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import cards, charts
from app.ui.agreement import figures
from app.ui.agreement.tables import COUNT, NUMBER, TEXT, THREE, between, figure, inside, spread, table
from core.agreement import machines, sources
from core.agreement.machines import Against, MachinesJudged
from core.agreement.views import View

WIDE = TEXT(width=128)


def measures(view: View, comparison: MachinesJudged) -> None:
    """Every machine in a row: its scores, its verdicts, and how it stands beside a person."""
    _scores(comparison)
    st.markdown("**Verdicts: accepted from a threshold on**")
    _verdicts(comparison)
    _footing(view, comparison)


def _number(width: int, tip: str = "") -> Any:
    return NUMBER(format="%.3f", width=width, help=tip or None)


def _by_measure(name: str, rows: Sequence[Mapping], looks: Mapping[str, Any]) -> None:
    """A table with a row a measure; notes only where there are some."""
    first = {"Measure": TEXT(width=158, pinned=True)}
    notes = ("Note",) if any(row.get("Note") for row in rows) else ()
    rows = [{column: row.get(column) for column in (*first, *looks, *notes)} for row in rows]
    table(rows, name, {**first, **looks, "Note": TEXT(width=230)})


def _scores(comparison: MachinesJudged) -> None:
    rows = [
        {
            "Measure": machine.name,
            "n": machine.n,
            **spread("Pearson", machine.pearson),
            **spread("Spearman", machine.spearman),
            **spread("AUC", machine.roc.auc),
            **spread("MAE", machine.error),
            **spread("Calibration", machine.calibration.error),
            "Note": machine.roc.auc.note or machine.pearson.note,
        }
        for machine in comparison.machines
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


def _verdicts(comparison: MachinesJudged) -> None:
    rows = [
        {
            "Measure": machine.name,
            "Threshold": machine.threshold.threshold,
            **spread("Accuracy", machine.threshold.accuracy),
            **spread("Cohen", machine.threshold.kappa),
            "Machine": machine.beside.machine.value,
            "Person": machine.beside.person.value,
            **spread("Difference", machine.beside.difference),
            "Note": machine.threshold.note,
        }
        for machine in comparison.machines
    ]
    rows.append({"Measure": "Always the usual", **spread("Accuracy", comparison.baseline)})
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


def _footing(view: View, comparison: MachinesJudged) -> None:
    """On what the two stand side by side."""
    several = ": sentences of one answer stay together" if comparison.items < comparison.n else ""
    best = comparison.machines[0].beside_pearson
    st.caption(
        "Threshold, accuracy and kappa: fitted on one half of the items, reported on the other. *Machine* and *Person* are on one "
        "footing: for each label, who says what the majority of the other annotators says. "
        + (
            ""
            if best.person.value is None
            else f"Scores likewise: a person correlates with the mean of the others at "
            f"{best.person.value:.3f}{inside(best.person)}, {cards.plain(comparison.machines[0].name)} at {best.machine.value:.3f}"
            f"{inside(best.machine)}. "
            if best.machine.value is not None
            else ""
        )
        + f"Intervals are over {sources.drawn(view.source.study, comparison.items)}{several}."
    )


def curves(view: View, comparison: MachinesJudged, selected: Against, command: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        area = selected.roc.auc
        figure(
            view,
            figures.roc(selected),
            "roc",
            data=machines.roc_rows(comparison.machines),
            command=command,
            title="ROC",
            caption=f"area {area.mean:.3f} ({between(area)}), {selected.n:,} {'answers' if comparison.whole else view.units}"
            if area.mean is not None
            else "undefined: all are yes, or all are no",
        )
    with right:
        figure(
            view,
            figures.calibrated(selected),
            "calibration",
            data=machines.calibration_rows(comparison.machines),
            command=command,
            title="Calibration",
            caption=f"{len(selected.calibration.bins)} bins, 95% intervals, n beside each",
        )


def by_group(machine: Against, command: str) -> None:
    """One machine by system and by dataset, where there are several."""
    if not machine.groups:
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
        for group in machine.groups
    ]
    charts.show(
        figures.groups(machine),
        "groups",
        data=data,
        command=command,
        title=f"{machine.name} by group",
        caption="n in brackets, 95% intervals",
    )
    table(data, "groups", {"Group": TEXT(width=260), "n": COUNT, **dict.fromkeys(("Pearson", "Low", "High", "AUC"), THREE)})
