"""Systems by people's consensus, and pairs of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import cards, cells
from app.ui.agreement import figures
from app.ui.agreement.results import compute_once, title
from app.ui.agreement.tables import between, figure, span, table
from core.agreement import plan, systems
from core.agreement.consensus import AgreedLabels
from core.agreement.sources import PARTS
from core.agreement.views import View
from core.report.table import COUNT, MEAN, P_VALUE, SIGNED, Column, Table

WIDEST_PX = 270  # of a system's name


def rates(view: View, labels: AgreedLabels) -> None:
    shares = compute_once(
        view,
        "rates",
        lambda: systems.rates(view.source, view.part, view.table, labels, view.positive),
        view.method,
        view.positive,
    )
    named = figures.named(system.name for system in shares.systems)
    command = view.command("--systems")
    _shares(view, shares, named, command)
    _labels(view, shares, named, command)
    if len(shares.systems) < 2:
        return
    if not shares.differences:
        return st.caption("Without the study it is unknown which answers belong to one question, so systems are not compared.")
    _pairs(shares, named, command)
    st.caption(two_tests(view, shares))


def _shares(view: View, rates: systems.Rates, named: dict[str, str], command: str) -> None:
    """Each system's share of yes, or mean, drawn and as a table."""
    yes = " or ".join(title(view, name).lower() for name in view.positive)
    word = f"Mean of {PARTS[view.part].lower()}" if rates.by_mean else f"Share of {view.units}: {yes}"
    value = "Mean" if rates.by_mean else "Share"
    data = [
        {"system": system.name, value.lower(): system.share.mean, **span(system.share), "units": system.share.n}
        for system in rates.systems
    ]
    heading = "Systems by people's consensus"
    caption = f"95% intervals{'' if rates.by_mean else ' of Wilson'}; what belongs to one answer stays together"
    figure(view, figures.system_rates(rates, word), "systems", data=data, command=command, title=heading, caption=caption)
    st.caption(weighed(view))
    tied = any(system.share.total > system.share.n for system in rates.systems)
    rows = [{"System": named[system.name], **_share_row(view, system, value, tied)} for system in rates.systems]
    columns = (
        system_column(named),
        Column(value, "", MEAN),
        Column("95% interval", width=132),
        Column("With ties", help="The share if all ties counted as no, and if all counted as yes.", width=132),
        *(Column(name, "", COUNT) for name in dict.fromkeys((view.units.capitalize(), "Tied", "Answers"))),
    )
    table(Table("systems", _filled(columns, rows), rows, heading, f"{word}; {caption}", command))


def system_column(named: dict[str, str]) -> Column:
    """As wide as the longest name, so that the columns beside it are seen in a narrow window."""
    return Column("System", width=min(WIDEST_PX, cells.room(["System", *named.values()])))


def _filled(columns: Iterable[Column], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Those of which there is something in the rows."""
    return [column for column in columns if any(column.key in row for row in rows)]


def _share_row(view: View, system: systems.System, value: str, tied: bool) -> dict[str, Any]:
    row = {value: system.share.mean, "95% interval": between(system.share)}
    if tied and system.bounds is not None:
        row["With ties"] = "{:.3f} to {:.3f}".format(*system.bounds)
    row[view.units.capitalize()] = system.share.n
    if tied:
        row["Tied"] = system.share.total - system.share.n
    return row | {"Answers": system.answers}


def _labels(view: View, rates: systems.Rates, named: dict[str, str], command: str) -> None:
    """The shares of all labels, and of whole answers, where there are some."""
    undecided = any(system.whole and system.whole.total > system.whole.n for system in rates.systems)
    rows = [{"System": named[system.name], **_label_row(view, system, undecided)} for system in rates.systems]
    if not any(len(row) > 1 for row in rows):
        return
    whole = "Share of answers all of whose sentences count as yes, Wilson's interval."
    without = "Answers with a sentence that is tied or that nobody judged. They are left out of the share of whole answers."
    columns = (
        system_column(named),
        *(Column(label, label, "%.1f%%") for label in (title(view, name) for name in view.table.categories)),
        Column("Whole answers", "", MEAN, whole),
        Column("Interval of these", width=132),
        Column("Without a verdict", "", COUNT, without),
    )
    said = "Labels and whole answers" if rates.systems[0].whole else "Labels"
    st.markdown(f"**{said}**")
    table(Table("system_labels", _filled(columns, rows), rows, f"{said} by people's consensus", command=command))


def _label_row(view: View, system: systems.System, undecided: bool) -> dict[str, Any]:
    row = {title(view, name): 100 * share for name, share in system.shares.items()}
    if system.whole:
        row |= {"Whole answers": system.whole.mean, "Interval of these": between(system.whole)}
        if undecided:  # a sentence is tied, or nobody judged it
            row["Without a verdict"] = system.whole.total - system.whole.n
    return row


def _pairs(rates: systems.Rates, named: dict[str, str], command: str) -> None:
    """Each pair of systems, tested on the questions that both answered."""
    rows = [
        {
            "A": named[pair.a],
            "B": named[pair.b],
            "A − B": pair.paired.difference,
            "95% interval": between(pair.paired, sign=True),
            "p": pair.paired.p,
            "p (Holm)": pair.p_holm,
            "A better": pair.paired.wins,
            "B better": pair.paired.losses,
            "Same": pair.paired.ties,
            "Questions": pair.paired.n,
            "Note": pair.paired.note,
        }
        for pair in rates.differences
    ]
    what = f"differences of the {'means' if rates.by_mean else 'shares'}"
    st.markdown(f"**Pairs of systems: {what} above**")
    test = "Two-sided randomisation test: the two answers of each question exchange their systems."
    columns = (
        Column("A", width=240),
        Column("B", width=240),
        Column("A − B", "", SIGNED),
        Column("95% interval", width=140),
        *(Column(name, name, P_VALUE, test) for name in ("p", "p (Holm)")[: len(rows)]),
        *(Column(name, "", COUNT) for name in ("A better", "B better", "Same")),
        Column("Questions", "", COUNT, "Questions that both answered; p, better and same refer to these."),
        *[Column("Note")] * any(row["Note"] for row in rows),
    )
    table(Table("differences", columns, rows, f"Pairs of systems, {what}", test, command))


def weighed(view: View) -> str:
    """What is averaged, and over what."""
    if view.part != "sentences":
        return "Each answer counts the same."
    return f"Each of the {view.units} counts the same, so a long answer counts more. Differences are between these shares."


def two_tests(view: View, rates: systems.Rates) -> str:
    """Interval and p are two tests of one difference: which of them decides, and where they do not say the same."""
    text = (
        "The interval resamples questions with all their answers; p comes from exchanging the two answers of a question. "
        "These are two tests of one difference. "
    )
    decides = plan.decides_by_interval(view.source.study)
    text += "The plan decides by the interval." if decides else "State beforehand which of them decides."
    for pair in rates.differences:
        low, high, p = pair.paired.low, pair.paired.high, pair.paired.p
        if None not in (low, high, p) and (low > 0 or high < 0) != (p < 0.05):
            text += (
                f" Here they fall on different sides of 5%: the interval {'leaves out' if p >= 0.05 else 'holds'} 0, and p is "
                f"{p:.3f}. Take the result as borderline, and report both."
            )
            break
    return cards.plain(text)
