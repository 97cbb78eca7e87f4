"""A paper's items in their order: what each shows, its command, and whether it still holds."""

import textwrap
from collections.abc import Callable

import streamlit as st

from app import session
from app.ui import cards, charts, dots, jobs
from app.ui.papers import desk
from core.errors import WorkbenchError
from core.labs.papers import checking, documents, numbers, prose, sources, words
from core.labs.papers import paper as papers
from core.report import tables
from core.workbench import one_phase

PLACES = {"before": "Ahead of the methods", "results": "In the results", "after": "Behind the results"}
WORDS = {True: "holds", False: "does not hold", None: "not checked"}
TITLE = 44  # characters of a line of an axis title
REMOVED = "paper_removed"  # (paper, item, what it showed, its place) of the one removed last


def draw(paper: papers.Paper) -> None:
    with st.expander("Abstract", icon=":material/subject:", key="paper_abstract", on_change="rerun") as box:
        if box.open:
            _drafted(paper)
        _words(paper, paper.abstract, "Abstract, in Markdown", f"abstract/{paper.id}", _abstracted, paper.id)
    gone = _gone(paper)
    if not paper.items:
        if gone:
            _offer_back()
        why = "The menu of any chart or table adds it from its own page. Numbers, tables and figures can be added here, too."
        cards.empty("No items yet", why, "Add an item", icon=":material/add:", kind="secondary", on_click=_to_add)
        cards.press("Add a text", "notes", "text/0", _write, paper.id, 1, "results", type="tertiary")
        return
    press = jobs.Press("paper check", one_phase(cards.count(len(paper.items), "item") + " computed anew", units=len(paper.items)))
    if jobs.press_button("Check every item", press, icon=":material/fact_check:", key="check_paper"):
        results(jobs.drain(checking.check(session.workbench(), paper.id), "Checking the paper", press))
    for place, item in enumerate(paper.items, 1):
        if place == gone:
            _offer_back()
        with st.container(border=True):
            _item(paper, item, place)
    if gone == len(paper.items) + 1:
        _offer_back()


def _to_add() -> None:
    st.session_state["paper_view"] = "Add"


def results(rows: list[checking.Checked]) -> None:
    """What does not hold, what could not be checked, and what holds."""
    wrong, left = sum(row.holds is False for row in rows), sum(row.holds is None for row in rows)
    if wrong:
        st.error(f"{wrong:,} of {len(rows):,} do not hold.")
    elif left:
        st.warning(f"{len(rows) - left:,} of {len(rows):,} hold. {left:,} could not be checked.")
    else:
        st.success("All items hold.")
    order = (False, None, True)
    ordered = sorted(rows, key=lambda row: order.index(row.holds))
    st.dataframe([{"Item": row.what, "Result": WORDS[row.holds], "Details": row.told} for row in ordered], hide_index=True)


def _gone(paper: papers.Paper) -> int:
    """The place of the item that was removed last, as long as none has its name; 0: there is none."""
    removed = st.session_state.get(REMOVED)
    if not removed or removed[0] != paper.id or removed[1].name in {item.name for item in paper.items}:
        return 0
    return min(removed[3], len(paper.items) + 1)


def _offer_back() -> None:
    """In the place where it stood, which is where one looks."""
    removed = st.session_state[REMOVED]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{removed[1].name} was removed.")
        cards.press("Undo", "undo", "paper_undo", _put_back, *removed)


def _drafted(paper: papers.Paper) -> None:
    """The abstract that stands in the bundle until the authors write one."""
    if paper.abstract:
        return
    workbench = session.workbench()
    try:
        drafted = documents.abstract_html(paper, prose.tellings(workbench, paper, papers.showed(workbench, paper)), {})
    except WorkbenchError:  # which its item says
        return
    if drafted:
        st.caption("Drafted from the results. What you write below replaces it.")
        st.html(f'<div class="gw gw-words">{drafted}</div>')


def _remove(paper: papers.Paper, item: papers.Item, place: int) -> None:
    workbench = session.workbench()

    def change() -> None:
        try:
            showed = papers.showed(workbench, paper)[item.name]
        except WorkbenchError:  # damaged: there is nothing to bring back
            st.session_state.pop(REMOVED, None)
        else:
            st.session_state[REMOVED] = (paper.id, item, showed, place)
        papers.remove(workbench, paper.id, item.name)

    desk.said(change)


def _put_back(paper_id: str, item: papers.Item, showed: papers.Taken, place: int) -> None:
    desk.said(lambda: papers.put_back(session.workbench(), paper_id, item, showed, place))


def _item(paper: papers.Paper, item: papers.Item, place: int) -> None:
    workbench, where = session.workbench(), item.place if item.kind == "text" else "results"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="gw gw-title"><span>{item.name}</span><small>{item.kind}, {cards.count(len(item.trials), "trial")}</small></div>'
        )
        arguments = (workbench, paper.id, item.name)
        if item.command:
            with st.popover("Command", icon=":material/terminal:", type="tertiary"):
                st.code(sources.shown(item.command), language="bash", wrap_lines=True)
        cards.press(
            "Up", "arrow_upward", f"up/{item.name}", papers.move, *arguments, place - 1, disabled=place == 1, type="tertiary"
        )
        last = place == len(paper.items)
        cards.press(
            "Down", "arrow_downward", f"down/{item.name}", papers.move, *arguments, place + 1, disabled=last, type="tertiary"
        )
        cards.press("Text below", "notes", f"text/{place}", _write, paper.id, place + 1, where, type="tertiary")
        cards.press("Remove", "delete", f"remove/{item.name}", _remove, paper, item, place, type="tertiary")
    if item.kind == "text":
        return _text(paper, item)
    try:
        content = papers.taken(*arguments).content
    except WorkbenchError as error:
        cards.problem(error)
        return
    if item.kind == "number":
        st.code(f"{numbers.macro(item.name)}   {numbers.written(item, content)}", language="latex")
    elif item.kind == "table":
        st.html(f'<div class="gw gw-wide">{tables.html_table(content, item.digits)}</div>')
    else:
        drawing = documents.final(paper, content)
        if not item.taken_from_page:
            drawing = wrapped(drawing)
        st.plotly_chart(charts.shaded(drawing) if st.context.theme.type == "dark" else drawing, key=f"figure/{item.name}")
        for words in checking.told_apart(item, content):
            st.caption(cards.plain(words))
    st.text_area(
        "Caption",
        item.caption,
        key=f"caption/{paper.id}/{item.name}",
        on_change=_changed,
        args=(paper.id, item.name, "caption", f"caption/{paper.id}/{item.name}"),
        height=68,
    )


def wrapped(drawing: charts.Figure) -> charts.Figure:
    """What is drawn of a table has names of any length, which would take the marks' room and cut the title of the axis."""
    layout = drawing["layout"]
    whole = layout["yaxis"]["ticktext"]
    broken = dots.broken(whole)
    names = [broken[name] for name in whole]
    title = "<br>".join(textwrap.wrap(layout["xaxis"]["title"]["text"], TITLE, break_long_words=False))
    axes = {"xaxis": {**layout["xaxis"], "title": {"text": title}}, "yaxis": {**layout["yaxis"], "ticktext": names}}
    return {**drawing, "layout": {**layout, **axes, "margin": {"t": 40}}}


def _text(paper: papers.Paper, item: papers.PaperText) -> None:
    key = f"{paper.id}/{item.name}"
    _words(paper, item.text, "Text, in Markdown", f"text/{key}", _changed, paper.id, item.name, "text", f"text/{key}")
    places = list(PLACES)
    arguments = (paper.id, item.name, "place", f"place/{key}")
    st.selectbox(
        "Place", places, places.index(item.place), PLACES.get, f"place/{key}", on_change=_changed, args=arguments, width=220
    )


def _words(paper: papers.Paper, text: str, label: str, key: str, changed: Callable[..., None], *arguments: str) -> None:
    """The words as they will be read, above the Markdown that they are written in."""
    if text.strip():
        showed = papers.showed(session.workbench(), paper)
        try:
            values = {name: showed[name].content for name in papers.named(text) if paper.item(name).kind == "number"}
            st.html(f'<div class="gw gw-words">{words.to_html(paper, text, values)}</div>')
        except WorkbenchError as error:
            cards.problem(error)
    names = ", ".join(f"{{{item.name}}}" for item in paper.items if item.kind != "text")
    about = f"A name in braces stands for a number, or refers to a table or figure: {cards.plain(names) or 'none yet'}."
    st.text_area(label, text, key=key, on_change=changed, args=arguments, height=140, help=about)


def _abstracted(paper_id: str) -> None:
    abstract = st.session_state[f"abstract/{paper_id}"]
    desk.said(lambda: papers.change(session.workbench(), paper_id, abstract=abstract))


def _changed(paper_id: str, name: str, field: str, key: str) -> None:
    value = st.session_state[key]
    desk.said(lambda: papers.change_item(session.workbench(), paper_id, name, **{field: value}))


def _write(paper_id: str, at: int, place: papers.Place) -> None:
    desk.said(lambda: papers.add_text(session.workbench(), paper_id, at=at, place=place))
