"""How the labels are read: part, level, consensus, and what counts as yes."""

import streamlit as st

from app.ui import cards, forms
from app.ui.agreement.choice import ROUNDS
from app.ui.agreement.results import cannot_of, title
from core.agreement import cannot_judge, plan, sources, views
from core.annotation import label_table
from core.annotation.study import CANNOT


def read(source: sources.LabelSource, round_name: str) -> views.View | None:
    """How the labels are read: part, level, consensus, and what counts as yes."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with row:
        part, *others = source.parts
        if others:
            titles = {name: sources.PARTS[name] for name in source.parts}
            part = forms.one_of("What was judged", titles, "part", bind="query-params", label_visibility="collapsed")
    place, below = row.container(width="stretch"), st.container()  # a sentence has no room in the row of a narrow window
    table = sources.table_of(source, part, round_name)
    with row.popover("How labels are read", icon=":material/tune:", type="tertiary"):
        levels = list(sources.levels(table))
        level = one_of(
            "Scale",
            levels,
            "level",
            130,
            format_func=str.capitalize,
            help="Nominal: labels are alike or not. Ordinal: by rank. Interval, ratio: by distance.",
        )
        table = sources.table_of(source, part, round_name, level)
        method = one_of(
            "Consensus",
            views.methods(source, table),
            "consensus",
            190,
            format_func=views.METHODS.get,
            help="How the labels of several annotators are combined, for the tabs Consensus and People against machines.",
        )
        positive = () if part == "preference" else yes(table)
    if not table.items:
        cards.empty("Agreement among annotators", f"There are no labels of this part in the {round_name} round yet.")
        return None
    view = views.View(source, part, round_name, table, method, positive, "" if level == levels[0] else level)
    with place:
        nobody = strip(view)
    if told := counted(view, nobody):
        below.caption(cards.plain(told))
    with row.popover("Reproduce", icon=":material/terminal:", type="tertiary"):
        st.caption("The command that computes the coefficients. The address of this page restores the view.")
        st.code(view.command(), language="bash", wrap_lines=True)
    return view


def one_of(title: str, options: list[str], key: str, width: int, **more) -> str:
    """A choice, where there is one."""
    if len(options) == 1:
        return options[0]
    return st.selectbox(title, options, key=key, width=width, bind="query-params", **more)


def yes(table: label_table.LabelTable) -> tuple[str, ...]:
    """The labels that count as yes; of numbers the least."""
    usual = views.usual_positive(table)
    if not table.categories:
        least = st.number_input(
            "Counts as yes from", None, None, float(usual[0]), 0.5, key="yes_from", bind="query-params", width=160
        )
        return (f"{least:g}",)
    chosen = st.multiselect(
        "Labels that count as yes",
        list(table.categories),
        list(usual),
        key="yes",
        bind="query-params",
        width=320,
        help="A system's share is the share of these. Agreement uses all labels as they are.",
    )
    return tuple(chosen) or usual


def strip(view: views.View) -> int:
    """Returns how many units nobody could judge."""
    table, labels, source = view.table, int((view.table.values == view.table.values).sum()), view.source
    there, facts = len(set(table.item_ids)), []
    if source.study is not None:
        drawn = plan.items_of(source, view.round)
        several = st.session_state.agreement_stored or any(item.round == "pilot" for item in source.study.items)
        facts = [
            *([f"{ROUNDS[view.round]} round"] if several else []),
            cards.count(there, "item") if there == drawn else f"{there:,} of {drawn:,} items",
        ]
    nobody = cannot_judge.judged_by_nobody(table, cannot_of(view))
    units = [] if source.study is not None and view.part != "sentences" else [f"{len(table.items) + nobody:,} {view.units}"]
    units += [f"{nobody:,} {view.units if not units else 'of them'} cannot be judged"] if nobody else []
    cards.status_strip([*facts, *units, cards.count(len(table.annotators), "annotator"), cards.count(labels, "label")])
    return nobody


def counted(view: views.View, nobody: int) -> str:
    """How the numbers of the page follow from one another; "" where everybody judged everything."""
    by = (view.table.values == view.table.values).sum(axis=1)
    cannot, labels, single = sum(map(len, cannot_of(view).values())), int(by.sum()), int((by == 1).sum())
    if not (cannot or single):
        return ""
    both = "both" if len(view.table.annotators) == 2 else "two or more"
    sentence = f"{labels + cannot:,} labels were given, {cannot:,} of them “{title(view, CANNOT)}”. " if cannot else ""
    parts = [
        f"{int((by > 1).sum()):,} judged by {both}",
        *([f"{single:,} by one person"] if single else []),
        *([f"{nobody:,} by nobody"] if nobody else []),
    ]
    return f"{sentence}Of {cards.count(len(by) + nobody, view.units.removesuffix('s'))}, {', '.join(parts[:-1])} and {parts[-1]}."
