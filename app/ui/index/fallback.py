"""The tab Exact fallback: what sending unsafe questions to exact search gains, and what it costs."""

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs
from app.ui.index import figures
from core.labs.index.fallback import RULES, exact_fallback
from core.labs.index.glance import Glance
from core.records import Corpus


def fallback(here: Glance, corpus: Corpus) -> None:
    """Unsafe questions go to exact search: what that gains beside sending as many at random, and what it costs."""
    workbench, config = session.workbench(), here.cost.config
    if config.index.part == "exact":
        return st.caption("Exact search needs no fallback.")
    left, right = st.columns(2)
    rules = {name: f"{name.capitalize()}: {rule.what}" for name, rule in RULES.items() if name != "selectivity"}
    about = " ".join((RULES[st.session_state.get("rule", "margin")].safety.__doc__ or "").split())
    rule = forms.one_of_many("Rule for unsafe questions", rules, "rule", place=left, help=about)
    curve = jobs.drain(exact_fallback(workbench, config, rule, 1e6 / (here.point.single_qps or np.inf)))
    if len(curve) < 2:
        return st.caption("This rule gives all questions the same value here: all or none would be sent.")
    key = f"threshold/{rule}"
    at = right.select_slider(
        "Threshold",
        range(len(curve)),
        min(4, len(curve) - 1),
        key=f"{key}/{len(curve)}",
        format_func=lambda i: f"{curve[min(i, len(curve) - 1)].threshold:.3g}",
        help="Questions below it are searched exactly.",
    )
    now = curve[at]
    cards.row(
        [
            cards.Card("Sent to exact search", now.sent * 100, digits=0, unit="%", direction=0),
            cards.Card(f"Recall@{here.point.k} vs exact", now.recall_after, digits=4, note=f"{now.recall_before:.4f} before"),
            cards.Card(
                "Random baseline",
                now.recall_random,
                (now.random_low, now.random_high),
                digits=4,
                direction=0,
                note="95% of draws",
            ),
            cards.Card(
                "Time of a question",
                now.ms,
                digits=3,
                unit="ms",
                direction=-1,
                note=f"{abs(now.saved_ms):.3f} ms {'saved' if now.saved_ms >= 0 else 'lost'} against exact for all",
            ),
        ]
    )
    knows = now.recall_after > now.random_high
    st.caption(
        "At this threshold the rule finds lost neighbours better than chance."
        if knows
        else "At this threshold the rule is no better than sending the same number of random questions to exact search."
    )
    charts.show(
        figures.fell_back(curve, now, here.point.k),
        "fallback",
        data=[point._asdict() for point in curve],
        config=config,
        command=workbench.command(config, "index-fallback", "--rule", rule),
        title="Recall vs exact by share sent",
        caption=f"n {here.recall.n:,}; grey: random questions",
    )
