"""Milliseconds of a single question by step, timed on a button."""

from app import session
from app.ui import charts
from app.ui.held import recipe_of, result_of
from app.ui.jobs import Press
from core.config import TrialConfig
from core.workbench import one_phase

SHARES = {"Median": "p50", "95th percentile": "p95"}


def draw(config: TrialConfig) -> None:
    workbench = session.workbench()
    table = result_of(
        "latency",
        config.model_dump_json(exclude={"evaluation", "context", "answering", "generation"}),
        "Time 30 questions",
        Press("latency", one_phase("30 questions, one at a time", units=30, like=config.embedding.part)),
        lambda: workbench.latency(config),
        show_old=True,
        why="Milliseconds of a single question by step, one at a time on this machine, with the models loaded.",
    )
    if table is None:
        return
    config = recipe_of("latency")
    steps, quantiles = list(table), workbench.latency_quantiles(table)
    shades = (charts.COLORS[0], charts.faint(charts.COLORS[0], 0.4))  # of one system, so in one colour
    bars = charts.bars(
        steps,
        {name: [quantiles[step][share] for step in steps] for name, share in SHARES.items()},
        colors=dict(zip(SHARES, shades, strict=True)),
    )
    charts.show(
        charts.figure(bars, "", "milliseconds"),
        "latency",
        title="Latency of a question",
        caption=f"n {len(table['total'])}",
        data=[{"step": step, **quantiles[step]} for step in steps],
        config=config,
        command=workbench.command(config, "evaluate", "--latency"),
    )
