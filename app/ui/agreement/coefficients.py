"""The tab Agreement: every coefficient, and the labels used."""

import streamlit as st

from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.results import cannot_of, overview, title
from app.ui.agreement.tables import figure, table
from app.ui.dots import Mark, marks
from core.agreement import coefficients, sources
from core.agreement.views import View
from core.annotation.study import CANNOT
from core.report.table import COUNT, MEAN, Column, Table


def draw(view: View) -> None:
    agreement = overview(view)
    _coefficients(view, agreement)
    if agreement.shares:
        _labels_used(view, agreement)
    _how_to_read(agreement)


def _coefficients(view: View, agreement: coefficients.Overview) -> None:
    """Each with its interval, drawn and as a table."""
    rows = [
        {
            "Coefficient": row.name,
            "Value": row.value,
            "Low": row.low,
            "High": row.high,
            "Word": coefficients.word_of(row),
            "Interval reaches": coefficients.reaches(row),
            view.units.capitalize(): row.items,
            "Resampled": row.drawn or None,
            "Labels": row.labels,
            "Note": row.note,
        }
        for row in agreement.measures
    ]
    heading, drawn = "Coefficients of agreement", sources.drawn(view.source.study, agreement.items)
    caption, command = f"95% intervals, 2,000 resamples of {drawn}", view.command()
    if any(row.value is not None for row in agreement.measures):
        shape = figures.coefficients([row for row in agreement.measures if row.value is not None])
        figure(view, shape, "agreement", data=rows, command=command, title=heading, caption=caption)
    what = sources.drawn(view.source.study, 2).split()[-1]
    drawn_help = f"Each of the 2,000 resamples draws so many {what}, with all that belongs to them."
    columns = (
        Column("Coefficient", width=230),
        Column("Value", "", MEAN),
        Column("Low", "", MEAN),
        Column("High", "", MEAN),
        Column("Word", help="For the value.", width=272),
        Column("Interval reaches", help="The words for both ends of the interval, where it spans several.", width=190),
        Column(view.units.capitalize(), "", COUNT, "Counted by this coefficient."),
        Column("Resampled", "", COUNT, drawn_help),
        Column("Labels", "", COUNT),
        Column("Note", width=160),
    )
    table(Table("coefficients", columns, rows, heading, caption, command))


def _labels_used(view: View, agreement: coefficients.Overview) -> None:
    cannot = sum(map(len, cannot_of(view).values()))
    used = [*agreement.shares, *([(CANNOT, cannot)] if cannot else [])]
    total = sum(n for _, n in used) or 1
    rows = [Mark(title(view, name), n / total, None, None) for name, n in used]
    shape = marks(rows, "Share of labels", span=(-0.02, 1.02))  # names at the left: they fit a narrow figure too
    shape["layout"]["xaxis"]["tickformat"] = ".0%"
    data = [{"label": name, "labels": n, "share": n / total} for name, n in used]
    figure(
        view,
        shape,
        "labels",
        data=data,
        command=view.command(),
        title="Labels used",
        caption=f"{total:,} labels of {agreement.annotators:,} annotators"
        + (f"; {title(view, CANNOT)} enters no coefficient and no share" if cannot else ""),
    )


def _how_to_read(agreement: coefficients.Overview) -> None:
    several = agreement.items < agreement.units
    if agreement.sources[1:]:
        said = [source.split(", ")[0] for source in agreement.sources]
        st.caption(
            f"Words for sizes are conventions: {said[0]} (alpha), {said[1]} (kappas and AC1). They cut differently, so one value "
            "can have two words.",
            help=cards.plain("; ".join(agreement.sources)),
        )
    st.caption(
        ("Sentences of one answer are resampled together, as they depend on each other. " if several else "")
        + "In alpha, percent agreement and Cohen's kappa units with a single label do not count; Fleiss, Conger and Gwet reckon "
        "chance "
        "from them too. An interval says what other items would have given with the same "
        "annotators, not what other annotators would have said."
    )
