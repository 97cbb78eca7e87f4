"""The tab Updates: an index through rounds of changes, and through a switch of its encoder."""

import streamlit as st

from app import session
from app.ui import cards, charts, jobs
from app.ui.held import recipe_of, result_of
from app.ui.index import figures
from core import registry
from core.config import TrialConfig
from core.labs.index import churn, life, shadow
from core.labs.index.churn import MODES, Churn, when_to_rebuild
from core.labs.index.glance import Glance
from core.records import Corpus
from core.workbench import one_phase

CHANGES = {
    "replace": "Remove and insert",
    "update": "Embed again",
    "mixed": "Half of each",
    "grow": "Insert only",
    "shrink": "Remove only",
    "each": "Add, change and remove",
}


def draw(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    st.markdown("**Churn**")
    first, second, third, fourth = st.columns(4)
    unit = first.selectbox("Of", ["documents", "vectors"], key="churn_unit", format_func=str.capitalize)
    mode = second.selectbox("Changes", list(MODES), 2, key="churn_mode", format_func=CHANGES.get)
    share = third.slider("A round changes (%)", 1, 50, 20, key="churn_share")
    rounds = fourth.slider("Rounds", 2, 12, 5, key="churn_rounds")
    run = result_of(
        "churn",
        (config, unit, mode, share, rounds),
        "Follow the index",
        jobs.Press("index-life", one_phase(cards.count(rounds, "round"), units=rounds, like=config.index.part)),
        lambda: life.life(workbench, config, mode, share / 100, rounds, unit),
        why=f"Up to some {life.LIFE_VECTORS:,} vectors are changed in rounds while questions keep coming; a freshly built index is "
        f"measured beside it.",
        show_old=True,
    )
    if run is not None:
        churn_result(recipe_of("churn"), run)
    st.divider()
    st.markdown("**Switch of encoder**")
    others = {name: title for name, title in encoders().items() if name != config.embedding.part}
    to = st.selectbox("New encoder", list(others), key="switch_to", format_func=others.get, width=320)
    report = result_of(
        "switch",
        (config, to),
        "Switch the encoder",
        jobs.Press("index-switch", one_phase(f"{shadow.SWITCH_TEXTS:,} chunks embedded and indexed", units=1, like=to)),
        lambda: shadow.switch_encoder(workbench, config, to),
        why=f"A shadow index of {shadow.SWITCH_TEXTS} chunks is built while the old one answers, then replaces it.",
    )
    for words in shadow.switch_words(report) if report else ():
        st.markdown(f"- {cards.plain(words)}")


def encoders() -> dict[str, str]:
    """Name -> title of the encoders that can take over at once, as they are by default."""
    ready = {name: cls for name, cls in registry.parts("encoder").items() if cls.quick}
    return {
        name: (cls.title or name.replace("_", " ")) + ", fitted to these chunks" * cls.learns
        for name, cls in ready.items()
        if cls() in [offer.part for offer in cls.offers()]
    }


def churn_result(config: TrialConfig, run: Churn) -> None:
    tolerance = st.slider("Acceptable loss of recall before a rebuild (points)", 0.1, 10.0, 1.0, 0.1, key="tolerance")
    rebuild = when_to_rebuild(run, tolerance / 100)
    words = (
        "--changes",
        run.mode,
        "--unit",
        run.unit,
        "--share",
        f"{run.share * 100:g}",
        "--rounds",
        str(len(run.rounds) - 1),
        "--lost",
        f"{tolerance:g}",
    )
    command = session.workbench().command(config, "index-life", *words)
    took = cards.duration(rebuild.rebuild_s or 0)
    lost = f"{max(rebuild.lost_recall, 0) * 100:.1f} points of recall"
    chance = f" Fresh builds differ by {rebuild.fresh_spread * 100:.1f} points among themselves, so that may be chance."
    st.markdown(
        f"**Rebuild at {round(100 * rebuild.churned, 2):g}% churn, the first round that loses more:** {lost} are lost there; "
        f"a rebuild takes {took}." + chance * rebuild.may_be_chance
        if rebuild.churned is not None
        else f"**No rebuild needed up to {round(100 * rebuild.tried, 2):g}% churn:** at most {lost} are lost."
    )
    scheduled(run, tolerance)
    rows = churn.rows(run)
    left, right = st.columns(2)
    with left:
        charts.show(
            figures.churned(run, rebuild.churned),
            "churn-recall",
            data=rows,
            config=config,
            command=command,
            title="Recall vs exact",
            caption=f"n {len(run.rounds[0].recall):,}",
        )
    with right:
        charts.show(figures.churn_latency(run), "churn-latency", data=rows, config=config, command=command, title="Latency")
    last, asked = run.rounds[-1], sum(r.during for r in run.rounds)
    empty = sum(r.during_empty for r in run.rounds)
    st.caption(
        f"{asked:,} questions were asked during the changes, {empty:,} without results. {last.lost:.1%} of the live vectors "
        f"are not found by a search for themselves. Memory {cards.size(last.memory_bytes)}"
        + (f", {cards.size(last.fresh_memory_bytes)} built anew." if last.fresh_memory_bytes else ".")
    )


def scheduled(run: Churn, tolerance: float) -> None:
    """When to rebuild by the slope of the loss, with its interval."""
    daily = st.number_input(f"{run.unit.capitalize()} changed a day (%)", 0.0, 100.0, 0.5, 0.1, key="churn_daily", width=240)
    for words in life.schedule_words(life.schedule(run, tolerance / 100), daily):
        st.markdown(f"- {cards.plain(words)}")
