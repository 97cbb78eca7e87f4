"""Scores against people's labels: which way a label points, how well each measure tells the same, its curves."""

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.agreement import figures
from app.ui.scores.sources import Shown
from core.agreement.machines import calibration_rows, roc_rows
from core.labs.scores import sets
from core.labs.scores.people import AgainstPeople, AtThreshold
from core.report.table import MEAN, Column, Table
from core.statistics.agreement.coefficient import Agreement
from core.statistics.bootstrap import Interval

AUTO = "as in the file"


def draw(shown: Shown) -> None:
    if shown.file is None or all(row.label is None and row.spans is None for row in shown.file.rows):
        return cards.empty(
            "Measures against people",
            'No answer here has a label. A file whose lines have a "label" or "spans" is compared with them; labels of a study are '
            "on the page Agreement.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        means = st.selectbox(
            "A higher label means",
            [AUTO, "faithful", "wrong"],
            key="label_means",
            bind="query-params",
            width=190,
            help="As in the file: wrong if answers with marked wrong words have the higher labels, else faithful.",
        )
        cut = st.number_input(
            "Labels count from",
            value=None,
            key="label_from",
            placeholder="middle",
            width=170,
            help="Labels of at least this value count as what a higher label means; empty: the middle of their range.",
        )
    judged = sets.against_people(session.workbench(), shown.file, shown.answers, None if means == AUTO else means, cut)
    if judged.labels and judged.labels.note:
        st.info(cards.plain(judged.labels.note), icon=":material/info:")
    told = {each.measure.part: (each, judged.against[each.measure.part]) for each in judged.measured}
    told = {name: pair for name, pair in told.items() if pair[1] is not None}
    if not told:
        return st.caption("No available measure can be compared with these labels.")
    extra = [*([] if means == AUTO else ["--label-means", means]), *([] if cut is None else ["--label-from", f"{cut:g}"])]
    command = " ".join([shown.command, *extra])
    table({each.measure.label: against for each, against in told.values()}, command)
    names = list(told)
    part = st.selectbox("Curves of", names, format_func=lambda name: told[name][0].measure.label, key="curves_of", width=300)
    curves(told[part][0].measure.label, told[part][1], command)
    return None


def table(told: dict[str, AgainstPeople], command: str) -> None:
    rows = []
    for label, against in told.items():
        fitted, shipped = _verdict(against.fitted), _verdict(against.shipped)
        rows.append(
            {
                "measure": label,
                "n": against.n,
                "auc": _span(against.roc.auc),
                "pearson": _span(against.pearson),
                "spearman": _span(against.spearman),
                "threshold": against.fitted.value,
                "accuracy": fitted[0],
                "f1": fitted[1],
                "shipped": against.shipped and against.shipped.value,
                "accuracy shipped": shipped[0],
                "f1 shipped": shipped[1],
                "spans": _span(against.spans.f1) if against.spans else None,
                "note": "; ".join(filter(None, (against.note or against.fitted.note, against.shipped and against.shipped.note))),
            }
        )
    columns = (
        Column("measure", width=150),
        Column("n", "n"),
        Column("auc", "AUC", width=165),
        Column("pearson", width=165),
        Column("spearman", width=165),
        Column("threshold", "", MEAN),
        Column("accuracy", "Balanced accuracy", width=165),
        Column("f1", "F1 of wrong", width=165),
        Column("shipped", "Its own threshold", MEAN),
        Column("accuracy shipped", "Balanced accuracy there", width=165),
        Column("f1 shipped", "F1 there", width=165),
        Column("spans", "Span F1", width=165),
        Column("note"),
    )
    tables.draw(Table("against_people", columns, rows, "Measures compared with people's labels", "", command), pinned=True)
    for label, against in told.items():
        if against.shipped and against.shipped.note:
            st.warning(f"{label}: {against.shipped.note}.", icon=":material/tune:")
    st.caption(
        "More is better in every column: scores where less is better are reversed. A threshold is fitted on half of the "
        "groups of answers and reported on the other half; a measure's own threshold is reported on all answers. F1 is that "
        "of wrong answers. 95% intervals over groups."
    )


def _span(value: Interval | Agreement) -> str | None:
    centre = value.mean if isinstance(value, Interval) else value.value
    if centre is None:
        return None
    limits = f" [{value.low:.3f}, {value.high:.3f}]" if value.low is not None else ""
    return f"{centre:.3f}{limits}".replace("-", "\N{MINUS SIGN}")


def _verdict(at: AtThreshold | None) -> tuple[str | None, str | None]:
    return (None, None) if at is None or at.told is None else (_span(at.told.balanced_accuracy), _span(at.told.f1))


def curves(label: str, against: AgainstPeople, command: str) -> None:
    """ROC and reliability diagram, and thresholds of domains."""
    machine = Curves(label, against)
    left, right = st.columns(2, gap="medium")
    area = against.roc.auc
    with left:
        if area.mean is None:
            st.caption(f"No ROC curve: {area.note}.")
        else:
            caption = f"area {_span(area)}, n {against.n:,}"
            charts.show(
                figures.roc(machine), "scores_roc", data=roc_rows([machine]), title="ROC", caption=caption, command=command
            )
    with right:
        if against.calibration is None or not against.n:
            st.caption("No reliability diagram: its values are no shares of 1.")
        else:
            error = _span(against.calibration.error)
            charts.show(
                figures.calibrated(machine),
                "scores_calibration",
                data=calibration_rows([machine]),
                title="Reliability",
                caption=f"calibration error {error}, n beside each",
                command=command,
            )
    if against.domains:
        st.markdown("**Thresholds by domain**")
        tables.wrapped_table(
            [
                {
                    "Domain": name,
                    "Threshold": "–" if at.value is None else f"{at.value:.3f}",
                    "Fitted on": at.fitted_on,
                    "Told of": at.tested_on,
                    "Balanced accuracy": _verdict(at)[0] or at.note,
                    "F1 of wrong": _verdict(at)[1] or "–",
                }
                for name, at in against.domains.items()
            ]
        )


class Curves:
    """As the charts of the page Agreement take a machine."""

    def __init__(self, name: str, against: AgainstPeople) -> None:
        self.name, self.roc, self.calibration = name, against.roc, against.calibration
