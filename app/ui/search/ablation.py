"""The tab Ablation: every part of the recipe switched off in turn, and what the metric is then, question by question."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, jobs, tables
from app.ui.held import result_of
from core.config import PART_KINDS, TrialConfig, fingerprint
from core.evaluation.metric import MAIN, metric_names
from core.labs.failures import rungs
from core.labs.trials import ablation as lab
from core.labs.trials.ablation import Ablated, Ablation
from core.labs.trials.comparison import label
from core.workbench import Forecast, Phase, Resolved


def draw(run: Resolved) -> None:
    workbench, titles = session.workbench(), {name: titled(name, run.config) for name in (*metric_names(), lab.ANSWERED)}
    metric = forms.one_of_many("Metric", titles, "ablated_metric", MAIN, bind="query-params", width=170)
    answers = metric == lab.ANSWERED
    if not lab.switches(run.config, answers)[0]:
        return st.info(
            "Every part of this recipe is the plain default, and its fusion uses one retriever: nothing can be switched off.",
            icon=":material/info:",
        )
    plan, count = lab.plan(workbench, run, answers), 0
    if not plan.live:
        return job(run.config, metric, plan.phases, 0)
    if answers:
        if not any(query.answers for query in run.corpus.queries):
            return st.info(
                "No question of this corpus has a reference answer, so no answer can be judged.", icon=":material/info:"
            )
        count = rungs.asked_last(workbench, run.corpus)
        cost = jobs.drain(lab.answers_to_write(workbench, run, count))
        if cost.answers:
            return job(run.config, metric, cost.phases, count)
    about = fingerprint(run.config if answers else run.ranking_key(), run.config.evaluation, run.questions, run.config.seed)
    work = lambda: lab.ablate(workbench, run, metric, count)  # noqa: E731
    press = jobs.Press("ablate", Forecast(plan.phases)) if plan.phases else None
    made = result_of("ablation", (about, metric, count), "Ablate", press, work)
    if made:
        shown(made, run.config, count)


def job(config: TrialConfig, metric: str, phases: tuple[Phase, ...], count: int) -> None:
    words = ["--metric", metric, *(["--ask", str(count)] if count else [])]
    arguments = ["ablate", *words, *session.workbench().arguments(config)]
    jobs.start_button("Ablate", arguments, f"Ablating {config.corpus.dataset}", Forecast(phases))


def titled(metric: str, config: TrialConfig) -> str:
    return "Answered" if metric == lab.ANSWERED else label(metric, config.evaluation.k)


def shown(made: Ablation, config: TrialConfig, count: int) -> None:
    level, name = config.evaluation.confidence, titled(made.metric, config)
    marks = [dots.difference(charts.safe(words(part)), part.change, level) for part in made.parts]
    asked = ["--ask", str(count)] if count else []
    n = max((part.change.paired.n for part in made.parts), default=0)
    command = session.workbench().command(config, "ablate", "--metric", made.metric, *asked)
    charts.show(
        dots.marks(marks, f"Difference in {name} without it", lines=[(0.0, "")]),
        "ablation",
        data=lab.rows(made, level),
        config=config,
        title="Each part switched off",
        caption=f"n {n:,}; left of zero the part helps; blue: significant",
        method=lab.method(made, level),
        command=command,
    )
    st.caption(cards.plain(lab.sentence(made, level).capitalize() + "."))
    tables.draw(lab.table(made, name, list(map(words, made.parts)), level, command))
    for title, why in made.left_out.items():
        st.caption(cards.plain(f"{title} cannot be switched off alone: {why}"))
    with st.container(horizontal=True, gap="small"):
        for number, part in enumerate(made.parts):
            title, about = f"Switch off: {cards.plain(words(part))}", "Makes it the recipe in use; Undo brings the part back."
            cards.press(title, "toggle_off", f"off/{number}", session.change, part.off.settings, help=about)
    if not count:
        st.caption(
            "Context, answering and generation do not change the ranking. Choose the metric Answered to switch them off as well."
        )


def words(part: Ablated) -> str:
    """A part and what stands in its place: "Fusion → BM25 alone", "Reranking → none"."""
    value = getattr(part.off.recipe, part.off.field)
    if len(part.off.settings) == 1 and part.off.field not in PART_KINDS:  # a setting of a stage without parts
        return forms.setting_words(next(iter(part.off.settings)), part.off.recipe)
    if part.off.field == "fusion" and value.title:
        return f"{part.off.title} → {value.title}{' alone' if len(value.needs()) == 1 else ''}"
    return f"{part.off.title} → {forms.describe(value)}"
