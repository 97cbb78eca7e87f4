"""Load: what the service bears, from requests that do not wait for its answers."""

import streamlit as st

from app import session
from app.ui import cards, charts, jobs, tables
from app.ui.serving import service
from core.errors import WorkbenchError
from core.serving import load, planning
from core.workbench import Forecast, command_line

RATES = "1, 2, 5, 10"


def draw() -> None:
    dataset = session.config().corpus.dataset
    with st.container(horizontal=True, vertical_alignment="bottom"):
        url = st.text_input("Address of the service", service.address(), key="load_url")
        path = st.selectbox("Requests", ["/search", "/answer"], key="load_path", width=130)
        sent = f"The questions of {dataset} are sent at random moments (Poisson) without waiting for answers; latency counts from them."
        rates = st.text_input("Requests a second", RATES, key="load_rates", help=f"One rate after the other. {sent}")
        seconds = st.number_input("Seconds each", 5, 600, 30, key="load_seconds", width=130)
        slo = st.number_input("Within (ms)", 1, 60_000, 500, key="load_slo", width=130, help="Latency limit of the service.")
    arguments = ["serving", "load", "--questions", dataset, "--url", url, "--path", path, "--rate", rates.replace(" ", "")]
    arguments += ["--seconds", str(seconds), "--slo-ms", str(slo)]
    takes, lacking = Forecast(()), ""
    try:
        takes = load.cost(load.rates_of(rates), float(seconds))
    except WorkbenchError as error:
        lacking = f"{cards.plain(error.what)} Write rates as 1, 2, 5 or as 1:10:1."
    look = {"icon": ":material/speed:", "place": "load", "lacking": lacking}
    jobs.start_button("Measure load", arguments, f"Load on {url}", takes, **look)
    runs = load.runs(session.workbench())
    if not runs:
        cards.empty(
            "No load was measured yet", "Start a service, and press Measure load: latencies and capacity by rate appear here."
        )
        return
    run = st.selectbox("Load test", list(runs), format_func=runs.get, key="load_run", label_visibility="collapsed")
    shown(run)


def shown(run: str) -> None:
    points = planning.points_of(session.workbench(), run)
    measured = [point for point in points if not point["limit"]]
    first, *others = load.sentences(points, points[0]["slo_ms"], points[0]["slo_share"])
    if measured:
        st.markdown(cards.plain(first))
        curve(run, measured)
    else:
        st.warning(cards.plain(first), icon=":material/warning:")
    tables.sentences(others)
    tables.draw(load.table(points))
    st.caption("Latencies in ms, with 95% intervals; in time: within the limit, of all requests. Empty: not measured.")
    if measured:
        needed(run, points)


def curve(run: str, points: list[dict]) -> None:
    rates, traces = [point["rate"] for point in points], []
    for place, name in enumerate(("p50", "p95", "p99")):
        low, high = ([point[f"{name}_{end}"] for point in points] for end in ("low", "high"))
        values = [point[f"{name}_ms"] for point in points]
        traces += charts.line(
            rates, values, name=name, low=low, high=high, color=charts.look(place)[0], hover="%{x}: %{y:.0f} ms"
        )
    limit = charts.mark_line(points[0]["slo_ms"], f"{points[0]['slo_ms']:g} ms")
    figure = charts.figure(traces, "Requests a second", "Latency from the intended moment (ms)", height=340, **limit)
    command = command_line("sql", f"SELECT rate, p50_ms, p95_ms, p99_ms, good FROM load_tests WHERE run = '{run}' ORDER BY rate")
    charts.show(
        figure, "load", command=command, title="Latency by rate", caption=f"{points[0]['seconds']:g} s each", key=f"load/{run}"
    )


def needed(run: str, points: list[dict]) -> None:
    """What the same service times come to at other rates; simulated where one looks, for it takes half a second."""
    box, limit = (
        st.expander("Machines for more: simulated from these service times", key="needed", on_change="rerun"),
        points[0]["slo_ms"],
    )
    if not box.open:
        return
    with box:
        try:
            rows = planning.capacity(points, [1.0, 2.0, 5.0, 11.6], 1, limit)
        except WorkbenchError as error:
            return st.caption(cards.plain(str(error)))
        tables.draw(planning.capacity_table(rows, limit), f"capacity/{run}")
        st.caption(
            "11.6 a second are a million a day. One request is served at a time by each machine; Erlang's formula takes exponential times."
        )
