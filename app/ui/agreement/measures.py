"""Every machine beside people: scores, verdicts, curves and groups."""

from collections.abc import Iterator

import streamlit as st

from app.ui import cards, charts
from app.ui.agreement import figures
from app.ui.agreement.tables import between, figure, inside, spread, table
from core.agreement import machines, sources
from core.agreement.machines import Against, MachinesJudged
from core.agreement.views import View
from core.report.table import COUNT, MEAN, SIGNED, Column, Table

INTERVALS = "95% intervals"
MEASURE, NOTE = Column("Measure", width=158), Column("Note", width=230)


def measures(view: View, comparison: MachinesJudged, command: str) -> None:
    """Every machine in a row: its scores, its verdicts, and how it stands beside a person."""
    _scores(comparison, command)
    st.markdown("**Verdicts: accepted from a threshold on**")
    _verdicts(comparison, command)
    _footing(view, comparison)


def _columns(name: str, tip: str = "", pattern: str = MEAN) -> Iterator[Column]:
    """The columns of a value and its interval."""
    yield Column(name, "", pattern, tip)
    yield Column(f"{name}, 95%", width=132)


def _scores(comparison: MachinesJudged, command: str) -> None:
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
    columns = (
        MEASURE,
        Column("n", "n", COUNT),
        *_columns("Pearson"),
        *_columns("Spearman"),
        *_columns("AUC", "Area under the ROC curve: 0.5 is chance."),
        *_columns("MAE", "Mean absolute error, on the scale 0 to 1."),
        *_columns("Calibration", "Expected calibration error: 0 is calibrated."),
        *[NOTE] * any(row.get("Note") for row in rows),
    )
    table(Table("machines", columns, rows, "Machines' scores against people", INTERVALS, command))


def _verdicts(comparison: MachinesJudged, command: str) -> None:
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
    rows.append({"Measure": "Majority class", **spread("Accuracy", comparison.baseline)})
    held = "Fitted on one half of the items, reported on the other."
    label = "Labels of one person against the majority of the others, the machine's verdicts against the same."
    columns = (
        MEASURE,
        Column("Threshold", "", MEAN, held),
        *_columns("Accuracy", "Share right, by the consensus. " + held),
        *_columns("Cohen", held),
        Column("Machine", "", MEAN, label),
        Column("Person", "", MEAN, label),
        *_columns("Difference", "Machine - person.", SIGNED),
        *[NOTE] * any(row.get("Note") for row in rows),
    )
    table(Table("verdicts", columns, rows, "Machines' verdicts against people", f"{held[:-1]}; {INTERVALS}", command))


def _footing(view: View, comparison: MachinesJudged) -> None:
    """On what the two stand side by side."""
    several = ": sentences of one answer stay together" if comparison.items < comparison.n else ""
    best = comparison.machines[0].beside_pearson
    st.caption(
        "Threshold, accuracy and kappa: fitted on one half of the items, reported on the other. *Machine* and *Person* are "
        "compared alike: the share of labels that match the majority of the other annotators. "
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
    title, caption = f"{machine.name} by group", "n in brackets, 95% intervals"
    charts.show(figures.groups(machine), "groups", data=data, command=command, title=title, caption=caption)
    numbers = (Column(name, "", MEAN) for name in ("Pearson", "Low", "High", "AUC"))
    columns = (Column("Kind"), Column("Group", width=260), Column("n", "n", COUNT), *numbers, Column("Note"))
    table(Table("groups", columns, data, title, INTERVALS, command))
