"""The tab Ablation: every part of the recipe switched off in turn, and what the metric is then, question by question."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, charts, dots, forms, jobs, tables
from app.ui.held import result_of
from core.config import TrialConfig
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials import ablation as lab
from core.labs.trials.ablation import Ablated, Ablation
from core.labs.trials.comparison import label
from core.workbench import Resolved

NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def draw(run: Resolved) -> None:
    config, workbench = run.config, session.workbench()
    if not lab.switches(config)[0]:
        return st.info(
            "Every part of this recipe is the plain default, and its fusion asks one retriever: nothing can be switched off."
        )
    names = metric_names()
    metric = st.selectbox(
        "Metric",
        names,
        names.index(MAIN),
        key="ablated_metric",
        bind="query-params",
        width=170,
        format_func=lambda name: label(name, config.evaluation.k),
    )
    plan = lab.plan(workbench, run)
    if not plan.live:
        st.caption(f"Some of these recipes still need {'; '.join(plan.what)}{cards.about(plan.seconds)}.")
        return jobs.start_button("Ablate", ["ablate", *workbench.arguments(config)], f"Ablating {config.corpus.dataset}")
    about = config.model_copy(update={"context": session.defaults().context, "generation": session.defaults().generation}), metric
    made = result_of(
        "ablation", about, "Ablate", bool(plan.what), lambda: lab.ablate(workbench, run, metric), f"Takes {'; '.join(plan.what)}."
    )
    if made:
        shown(made, config)


def shown(made: Ablation, config: TrialConfig) -> None:
    level, name = config.evaluation.confidence, label(made.metric, config.evaluation.k)
    marks = [
        dots.Mark(
            charts.safe(words(part)),
            part.paired.difference,
            part.paired.low,
            part.paired.high,
            charts.COLORS[0] if lab.told_apart(part, level) else charts.BASELINE,
        )
        for part in made.parts
    ]
    n = max((part.paired.n for part in made.parts), default=0)
    charts.show(
        dots.marks(marks, f"Difference in {name} without it", lines=[(0.0, "")]),
        "ablation",
        data=lab.rows(made, level),
        config=config,
        title="Each part switched off",
        caption=f"n {n:,}; left of zero the part helps; blue: told apart from no difference",
        method=f"Paired bootstrap intervals ({level:.0%}); sign-flip test, Holm's correction over {len(made.parts)} parts",
        command=session.workbench().command(config, "ablate", "--metric", made.metric),
    )
    st.caption(cards.plain(lab.sentence(made, level).capitalize() + "."))
    table(made, name, level)
    for title, why in made.left_out.items():
        st.caption(cards.plain(f"{title} cannot be switched off by itself: {why}"))
    with st.container(horizontal=True, gap="small"):
        for number, part in enumerate(made.parts):
            st.button(
                f"Switch off: {cards.plain(words(part))}",
                key=f"off/{number}",
                icon=":material/toggle_off:",
                on_click=session.change,
                args=(part.off.settings,),
                help="Makes it the recipe in use; Undo brings the part back.",
            )
    st.caption("Context, answering and generation decide no ranking: what they are worth is told by the page Explain failures.")


def table(made: Ablation, name: str, level: float) -> None:
    rows: list[dict[str, Any]] = [
        {
            "Without": words(part),
            name: part.mean,
            "Difference": part.paired.difference,
            "Low": part.paired.low,
            "High": part.paired.high,
            "p (Holm)": part.p_holm,
            "Better": part.paired.wins,
            "Worse": part.paired.losses,
            "The part": lab.verdict(part, level),
        }
        for part in made.parts
    ]
    signed, plain = NUMBER(format="%+.3f", width=80), NUMBER(format="%.3f", width=76)
    looks = {
        "Without": TEXT(width=200),
        name: plain,
        **dict.fromkeys(("Difference", "Low", "High"), signed),
        "p (Holm)": NUMBER(format="%.4f", width=74),
        "Better": NUMBER(width=62, help="Questions on which the recipe without the part is better."),
        "Worse": NUMBER(width=62, help="Questions on which it is worse."),
        "The part": TEXT(width=110),
    }
    cells.show(rows, hide_index=True, height="content", key="ablation_table", placeholder="–", column_config=looks)
    tables.export(rows, "ablation_table")


def words(part: Ablated) -> str:
    """What becomes of a part: "Fusion: BM25", "Reranking: none"."""
    value = getattr(part.off.recipe, part.off.field)
    if part.off.field == "fusion" and value.title:
        return f"{part.off.title}: {value.title}"
    return f"{part.off.title}: {forms.describe(value)}"
