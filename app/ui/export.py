"""The export menu of a chart: figures for a paper with their caption, the data, the recipe and the command."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells
from core.errors import WorkbenchError
from core.labs.papers import shelf
from core.report import caption as captions
from core.report import figures
from core.report.print_style import FONT_POINTS, WIDTHS_MM
from core.report.table import Table

MIME = figures.MIME | {
    "zip": "application/zip",
    "gz": "application/gzip",
    "csv": "text/csv",
    "yaml": "text/yaml",
    "run": "text/plain",
    "html": "text/html",
    "md": "text/markdown",
    "json": "application/json",
    "jsonl": "application/jsonl",
}


def menu(
    chart: dict[str, Any],
    name: str,
    *,
    data: Any = None,
    config: Any = None,
    command: str,
    title: str = "",
    shown: str = "",
    method: str = "",
    key: str = "",
    judged: str = "",
) -> None:
    """Nothing is drawn before its button is pressed."""
    key = f"export/{key}"
    with st.popover("", icon=":material/download:", type="tertiary", help="Export", key=key, width="content"):
        text = captions.caption(title, shown, method, config, command, chart, judged)
        able = figures.find_browser() is not None
        if able:
            wide = st.segmented_control(
                f"Width, type of {FONT_POINTS} points",
                list(WIDTHS_MM),
                default="One column",
                key=f"{key}/width",
                required=True,
                format_func=lambda name: f"{name}, {WIDTHS_MM[name]} mm",
            )
        with st.container(horizontal=True, gap="xsmall"):
            for kind in ("pdf", "svg", "png") if able else ():
                made = partial(figures.export, chart, kind, WIDTHS_MM[wide], title, text)
                download(kind.upper(), made, f"{name}.{kind}", f"{key}/{kind}", icon=None)
            if able:
                made = partial(whole, chart, name, WIDTHS_MM[wide], title, text, data, config)
                about = "The PDF, a figure environment with the caption, the data and the recipe."
                download("LaTeX", made, f"{name}.zip", f"{key}/zip", icon=None, help=about)
            if data is not None:
                download("CSV", partial(cells.to_csv, data), f"{name}.csv", f"{key}/csv", icon=None)
            if config is not None:
                download("Config", partial(recipe, config), f"{name}.yaml", f"{key}/yaml", icon=None)
        if not able:
            st.caption(figures.WITHOUT_BROWSER)
        _into_paper(chart, name, data, command, text, key)
        st.caption("Caption")
        st.code(text, language=None, wrap_lines=True)
        st.caption("The command that prints these numbers")
        st.code(command, language="bash", wrap_lines=True)


def _into_paper(chart: dict[str, Any], name: str, data: Any, command: str, text: str, key: str) -> None:
    def take(paper: str) -> Any:
        from core.labs.papers import paper as papers  # which loads scipy, and a page may do without

        rows = data.to_dict("records") if hasattr(data, "to_dict") else [dict(row) for row in data or ()]
        return papers.add_chart(session.workbench(), paper, name, chart, rows, command, text)

    choose_paper(key, take)


def leaderboard_into_paper(command: str, rows: int, caption: str) -> None:
    """The press that takes a leaderboard into a paper as a table of its first rows."""

    def take(papers: Any, paper: str, first: int) -> Any:
        words = command + f" --first {first}" * (first < rows)
        return papers.add_table(session.workbench(), paper, "leaderboard", words, caption)

    _table_into_paper("export/leaderboard/table", rows, "As a table with intervals and marks.", take)


def table_into_paper(table: Table, key: str) -> None:
    """The press that takes a page's table into a paper."""

    def take(papers: Any, paper: str, first: int) -> Any:
        return papers.add_page_table(session.workbench(), paper, table, first)

    _table_into_paper(f"export/{key}/table", len(table.rows), "The columns as shown, with caption and command.", take)


def _table_into_paper(key: str, rows: int, about: str, take: Callable[[Any, str, int], Any]) -> None:
    with st.popover("Add to paper", icon=":material/article:", type="tertiary", help=about):
        first = st.number_input("Rows", 1, rows, min(rows, 12), key=f"{key}/rows")

        def taken(paper: str) -> Any:
            from core.labs.papers import paper as papers

            return take(papers, paper, first)

        choose_paper(key, taken)


def choose_paper(key: str, take: Callable[[str], Any]) -> None:
    """The choice of a paper, or a title for a new one, and the button that takes something into it. The one used last is chosen."""
    names, last = shelf.names(session.workbench()), shelf.last(session.workbench())
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Paper",
            names,
            key=f"{key}/paper",
            index=names.index(last) if last in names else None,
            accept_new_options=True,
            placeholder="A paper, or the title of a new one",
            label_visibility="collapsed",
        )
        if st.button("Add to paper", key=f"{key}/add", disabled=not chosen):
            try:
                item = take(chosen)
                st.toast(f"Added to the paper as {item.name}: see *Write a paper*.", icon=":material/check:")
            except WorkbenchError as error:
                cards.problem(error)


def download(label: str, data: Any, file: str, key: str | None = None, **look: Any) -> None:
    """A button that hands over a file, without another run of the page. data: what is in it, or a function that makes it at the press;
    look: as st.download_button takes it."""
    mime = MIME[file.rpartition(".")[2]]
    st.download_button(label, data, file, mime, key=key, on_click="ignore", **{"icon": ":material/download:"} | look)


def whole(chart: dict[str, Any], name: str, width_mm: float, title: str, text: str, data: Any, config: Any) -> bytes:
    """All that a paper needs of one figure, as a zip."""
    files: dict[str, bytes | str] = {
        f"{name}.pdf": figures.export(chart, "pdf", width_mm, title, text),
        f"{name}.tex": captions.latex(name, width_mm, text),
        f"{name}.txt": f"{text}\n",
    }
    if data is not None:
        files[f"{name}.csv"] = cells.to_csv(data)
    if config is not None:
        files[f"{name}.yaml"] = recipe(config)
    return captions.bundle(files)


def recipe(config: Any) -> str:
    import yaml

    mapping = config.model_dump(mode="json") if hasattr(config, "model_dump") else config
    return yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)
