"""Alpha, which is the one to report, with few beside it; and the tab Agreement: every coefficient, and the labels used."""

import streamlit as st

from app.ui import cards, tables
from app.ui.agreement import figures
from app.ui.agreement.results import cannot_of, overview, title
from app.ui.agreement.tables import figure, table
from app.ui.dots import Mark, marks
from core.agreement import coefficients, sources
from core.agreement.views import View
from core.annotation.study import CANNOT
from core.report.table import COUNT, MEAN, Column, Table
from core.statistics.agreement.coefficient import Agreement

SHOWN = ("Krippendorff", "Percent", "Gwet's AC1", "ICC(2,1)", "ICC(2,k)")  # beginnings of names
STYLE = "<style>.gw-first .gw-card:first-child { border-color: var(--gw-accent); box-shadow: inset 0 0 0 1px var(--gw-accent); }</style>"


def headline_cards(view: View) -> None:
    """Alpha, which is the one to report, and few beside it; next to a paradox, what it means."""
    agreement = overview(view)
    first = (*SHOWN, "Cohen's kappa" if agreement.annotators == 2 else "Fleiss")
    rows = [row for start in first if (row := next((each for each in agreement.measures if each.name.startswith(start)), None))]
    notes = [judged_by(view, row) for row in rows]
    alike = notes[0] if len(set(notes)) == 1 < len(notes) and agreement.measures[0].name in agreement.words else ""
    shown = [
        cards.Card(
            row.name.split(", ")[0],
            row.value,
            None if row.low is None else (row.low, row.high),
            direction=0,
            note="" if alike else note,
            help=f"{row.name}: 95% interval, 2,000 resamples of {sources.drawn(view.source.study, row.drawn)}",
        )
        for row, note in zip(rows, notes, strict=True)
    ]
    st.html(f'{STYLE}<div class="gw gw-cards gw-first">{"".join(map(cards.card_html, shown))}</div>')
    if agreement.measures and agreement.measures[0].name in agreement.words:
        st.caption(
            cards.plain(
                f"Report alpha with its interval: {agreement.words[agreement.measures[0].name]} "
                f"({agreement.sources[0].split(', ')[0]}). The others are for comparison with papers."
                f"{f' All are of {alike}.' * bool(alike)}"
            ),
            help=cards.plain(agreement.sources[0]),
        )
    if agreement.paradox:
        st.warning(cards.plain(f"Kappa paradox. {tables.minus(agreement.paradox.sentence)}"), icon=":material/balance:")
    undefined = [row for row in agreement.measures if row.value is None]
    if undefined and agreement.shares and sum(n > 0 for _, n in agreement.shares) == 1:
        st.info(
            "All labels are the same, so chance would agree as well: coefficients that correct for chance are undefined. More, and "
            "more different, items are needed; percent agreement alone says little here.",
            icon=":material/info:",
        )


def judged_by(view: View, row: Agreement) -> str:
    """What a coefficient is of, in words; of an undefined one why."""
    if row.value is None:
        return row.note
    labelled, note = view.table.values == view.table.values, f"; {row.note}" if row.note else ""
    if row.items != (labelled.sum(axis=1) > 1).sum():  # some coefficients reckon chance from units with one label too
        return f"{row.items:,} {view.units}{note}"
    return f"{row.items:,} {view.units} judged by {'both' if labelled.shape[1] == 2 else 'two or more'}{note}"


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
    drawn_help = f"Each of the 2,000 resamples draws this number of {what}, each with all its labels."
    columns = (
        Column("Coefficient", width=230),
        Column("Value", "", MEAN),
        Column("Low", "", MEAN),
        Column("High", "", MEAN),
        Column("Word", "In words", help="Of the value.", width=272),
        Column(
            "Interval reaches",
            "Interval in words",
            help="Verbal labels of both ends of the interval, where they differ.",
            width=190,
        ),
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
        + (f"; {title(view, CANNOT)} enters no coefficient" if cannot else ""),
    )


def _how_to_read(agreement: coefficients.Overview) -> None:
    several = agreement.items < agreement.units
    if agreement.sources[1:]:
        said = [source.split(", ")[0] for source in agreement.sources]
        st.caption(
            f"Words for sizes are conventions: {said[0]} (alpha), {said[1]} (kappas and AC1). Their limits differ, so one "
            "value can have two labels.",
            help=cards.plain("; ".join(agreement.sources)),
        )
    st.caption(
        ("Sentences of one answer are resampled together, as they depend on each other. " if several else "")
        + "In alpha, percent agreement and Cohen's kappa units with a single label do not count; Fleiss, Conger and Gwet use "
        "them for chance agreement. The interval covers other items labelled by the same annotators, not other "
        "annotators."
    )
