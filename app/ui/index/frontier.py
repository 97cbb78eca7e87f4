"""The tab Frontier: kept points, recall against what it costs, and sweeps that add to them."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs, tables
from app.ui.index import figures
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.index import grids, measuring, points
from core.labs.index.glance import Glance
from core.labs.index.points import AXES, IndexPoint
from core.records import Corpus
from core.workbench import command_line, one_phase

AXES_SHOWN = ("single_qps", "p95_us", "batch_qps", "memory_per_vector", "disk_per_vector", "build_s")


def frontier(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    latest = points.latest(jobs.drain(points.stored(workbench, config)))
    good = [point for point in latest if point.status == "ok"]
    st.session_state.shown_points = {point.id: point for point in good}
    axes = {name: f"Recall against {AXES[name][0][0].lower()}{AXES[name][0][1:]}" for name in AXES_SHOWN}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        axis = forms.one_of_many("Recall against", axes, "axis", width=360, label_visibility="collapsed")
        head = st.container(width="stretch", key="frontier_head")
    others = sum(not point.here for point in good)
    nothing = "nothing kept yet" + ": start a sweep" * (config.index.part != "exact")  # which has nothing to sweep
    caption = f"{cards.count(len(good), 'kept point')}; click one to load it" if good else nothing
    caption += f"; open diamonds: {others:,} of another machine or version" if others else ""
    command = workbench.command(config, "index-points")
    charts.show(
        figures.points(good, axis, here.point),
        "frontier",
        data=points.rows(latest),
        config=config,
        command=command,
        title=f"Recall and {AXES[axis][0].lower()}",
        caption=caption,
        on_select=load_clicked,
        head=head,
    )
    keep(config)
    sweep_form(here)
    if good:
        point_table(good, command)
    if failed := [point for point in latest if point.status != "ok"]:
        with st.expander(f"{cards.count(len(failed), 'setting')} failed"):
            tables.wrapped_table([{"Setting": p.label, "Why": p.reason} for p in failed])


def keep(config: TrialConfig) -> None:
    """Adds the setting in use to the kept points."""
    press = jobs.Press("index-point", one_phase("1,000 single questions and three batches", units=1, like=config.index.part))
    if jobs.press_button("Measure and keep this setting", press, icon=":material/save:", key="keep", help="Stores the point."):
        jobs.drain(measuring.measure_point(session.workbench(), config), "Measuring", press)
        st.rerun()


def load_clicked() -> None:
    chosen = st.session_state["chart/frontier"]["selection"]["points"]
    ids = [point["customdata"] for point in chosen if point.get("customdata")]
    if ids:
        load(ids[0][0] if isinstance(ids[0], list) else ids[0])


def load(point_id: str) -> None:
    """Makes a kept point's index the recipe's."""
    if point := st.session_state.shown_points.get(point_id):
        try:
            session.change({"index": point.config["index"], "transform": point.config["transform"]})
        except WorkbenchError as error:  # of a part that has changed since
            session.tell([error.what])


def point_table(good: Sequence[IndexPoint], command: str) -> None:
    ordered = sorted(good, key=lambda point: (point.built, point.recall or 0))
    st.session_state.listed_points = [point.id for point in ordered]
    made = points.table(ordered, command)
    tables.draw(made, rows=6, on_select=load_row, selection_mode="single-cell")


def load_row() -> None:
    chosen, listed = st.session_state["points_table"]["selection"]["cells"], st.session_state.listed_points
    if chosen and chosen[0][0] < len(listed):
        load(listed[chosen[0][0]])


def exact_note() -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            "Exact search loses nothing: it is what every other index is compared with, and has nothing to sweep.",
            width="content",
        )
        hnsw = {"index.part": "faiss_hnsw"}
        st.button("Try HNSW", icon=":material/account_tree:", key="try", on_click=session.change, args=(hnsw,))


def sweep_form(here: Glance) -> None:
    """A grid of settings as a job; the command is shown before it starts."""
    workbench, config = session.workbench(), here.cost.config
    if config.index.part == "exact":
        return exact_note()
    with st.expander("Sweep of settings", icon=":material/grid_on:", key="sweep"):
        grid = grids.default_grid(config.index, here.point.n, here.point.dim)
        columns, texts = st.columns(len(grid)), {}
        for column, (name, values) in zip(columns, grid.items(), strict=True):
            title = next((knob.label for knob in forms.knobs(type(config.index)) if knob.name == name), name)
            text = column.text_input(
                title, ",".join(map(str, values)), key=f"grid/{config.index.part}.{name}", help="Values with commas between them."
            )
            if text.strip():
                texts[f"index.{name}"] = text.replace(" ", "")
        if not texts:
            return st.caption("Give values for one setting or more.")
        try:
            configs = grids.grid_configs(config, grids.grid_of(texts))
        except WorkbenchError as error:
            return st.warning(cards.plain(error.what), icon=":material/error:")
        # what is swept is no part of the recipe: the job is found again while a slider moves
        usual = type(config.index).model_fields
        swept = config.index.model_copy(update={name: usual[name].default for name in grid})
        arguments = ["index-sweep", *workbench.arguments(config.model_copy(update={"index": swept}))]
        arguments += [word for path, text in texts.items() for word in ("--grid", f"{path}={text}")]
        st.caption("Kept points are not measured again.")
        st.code(command_line(*arguments), language="bash", wrap_lines=True)
        takes = one_phase(cards.count(len(configs), "setting"), units=len(configs), like=config.index.part)
        jobs.start_button("Start the sweep", arguments, f"Sweeping {points.title(config.index.part)}", takes)
