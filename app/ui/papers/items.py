"""A paper's items in their order: what each shows, its command, and whether it still holds."""

import streamlit as st

from app import session
from app.ui import cards, charts, jobs
from app.ui.papers import desk
from core.errors import WorkbenchError
from core.labs.papers import checking, documents, numbers, sources
from core.labs.papers import paper as papers
from core.report import tables

WORDS = {True: "holds", False: "does not hold", None: "note"}


def draw(paper: papers.Paper) -> None:
    if not paper.items:
        st.caption("Nothing yet: the tab Add takes tables, figures and numbers; the export menu of any chart takes the chart.")
        return
    if st.button("Check every item", icon=":material/fact_check:", key="check_paper"):
        results(jobs.drain(checking.check(session.workbench(), paper.id), "Checking the paper"))
    for place, item in enumerate(paper.items, 1):
        with st.container(border=True):
            _item(paper, item, place)


def results(rows: list[checking.Checked]) -> None:
    """What holds and what does not, the latter first."""
    wrong = sum(row.holds is False for row in rows)
    (st.error if wrong else st.success)(
        f"{wrong:,} of {len(rows):,} do not hold." if wrong else f"All {len(rows):,} hold, or are notes."
    )
    ordered = sorted(rows, key=lambda row: row.holds is not False)
    st.dataframe([{"What": row.what, "Result": WORDS[row.holds], "Told": row.told} for row in ordered], hide_index=True)


def _item(paper: papers.Paper, item: papers.Item, place: int) -> None:
    workbench = session.workbench()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="gw gw-title"><span>{item.name}</span><small>{item.kind}, {cards.count(len(item.trials), "trial")}</small></div>'
        )
        arguments = (workbench, paper.id, item.name)
        st.button(
            "Up",
            key=f"up/{item.name}",
            icon=":material/arrow_upward:",
            disabled=place == 1,
            on_click=papers.move,
            args=(*arguments, place - 1),
        )
        st.button("Remove", key=f"remove/{item.name}", icon=":material/delete:", on_click=papers.remove, args=arguments)
    try:
        content = papers.taken(*arguments).content
    except WorkbenchError as error:
        cards.problem(error)
        return
    if item.kind == "number":
        st.code(f"{numbers.macro(item.name)}   {numbers.written(item, content)}", language="latex")
    elif item.kind == "table":
        st.html(f'<div class="gw">{tables.html_table(content, item.digits)}</div>')
    else:
        drawing = documents.final(paper, content)
        st.plotly_chart(charts.shaded(drawing) if st.context.theme.type == "dark" else drawing, key=f"figure/{item.name}")
        for row in checking.told_apart(item, content):
            st.caption(cards.plain(row.told))
    st.text_area(
        "Caption",
        item.caption,
        key=f"caption/{paper.id}/{item.name}",
        on_change=_captioned,
        args=(paper.id, item.name),
        height=68,
    )
    if item.command:
        st.code(sources.shown(item.command), language="bash", wrap_lines=True)


def _captioned(paper_id: str, name: str) -> None:
    caption = st.session_state[f"caption/{paper_id}/{name}"]
    desk.said(lambda: papers.change_item(session.workbench(), paper_id, name, caption=caption))
