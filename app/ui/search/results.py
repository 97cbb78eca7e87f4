"""What the recipe gives: the strip of the run with its buttons, the metric cards, and what stands there before there are any."""

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, evidence, jobs
from app.ui.halves import no_questions
from core.config import TrialConfig
from core.evaluation.metric import headlines
from core.labs.trials import comparison
from core.labs.trials import curve as setting_curve
from core.labs.trials.comparison import label
from core.statistics.paired import Paired
from core.workbench import Evaluation, Plan, Resolved, Rough, one_phase

PLAIN_S = Rough(0.5, 1.5)  # that 30 questions take where nothing reranks
FEW = 20  # questions: below, an interval says little
TRIALS = "../pages/compare_trials.py"  # relative to app/main.py


def costs(config: TrialConfig, plan: Plan) -> dict[str, str]:
    """Stage -> what a change of it costs, in a few words; "" where it re-embeds nothing."""
    dense = plan.live and "embedding" not in session.workbench().unused(config)
    seconds = session.workbench().embedding_time(plan.run or config) if dense else None
    mark = ", ".join(filter(None, ("re-embeds" if dense else "", seconds and seconds.words)))
    return {"chunking": mark, "embedding": mark}


def measured_baseline(run: Resolved) -> Evaluation | None:
    """The pinned recipe on the same questions, judged alike; None where there is none, or nothing to compare."""
    workbench, pinned = session.workbench(), session.baseline()
    if pinned is None:
        return None
    pinned = pinned.model_copy(update={stage: getattr(run.config, stage) for stage in session.VIEW_STAGES})
    if pinned == run.config:
        return None
    plan = workbench.plan(run.of(pinned))
    if not plan.live:
        st.caption(f"No differences are shown: the baseline still needs {plan.what} on this corpus.")
        return None
    return jobs.drain(workbench.evaluating(run.of(pinned)))


def waiting(config: TrialConfig, plan: Plan, title: str = "Metrics of this recipe") -> None:
    """The recipe needs more than a moment: a job does it, which outlives this page."""
    with st.container(key="to_prepare"):
        cards.empty(title, "This recipe has to be prepared once. After that a search takes milliseconds.")
        jobs.prepare_button(config, plan)


def asked(config: TrialConfig, title: str, instead: str = "") -> Evaluation | None:
    """The recipe on its questions, for a view that needs them; None where it has to be prepared first or has none: that stands in the
    view's place. instead: what else there is to do."""
    plan = session.workbench().plan(config)
    if not plan.live:
        waiting(config, plan, title)
        return None
    evaluation = jobs.drain(session.workbench().evaluating(plan.run or config))
    if not evaluation.corpus.queries:
        no_questions(config, instead=instead, title=title)
        return None
    return evaluation


def question_count(most: int, usual: int, key: str, of: str = "", then: str = "", width: int = 140) -> int:
    """How many questions a comparison asks. of: which they are drawn of; then: what becomes of them."""
    about = f"Drawn at random once{of and f', of {of}'}; a larger sample contains the smaller.{then and f' {then}'}"
    return st.number_input("Questions", 1, most, min(usual, most), key=key, bind="query-params", width=width, help=about)


def shown_before(config: TrialConfig) -> Evaluation | None:
    """The recipe measured last in this session, on the same questions, judged alike; None where it would take more than a moment."""
    last: TrialConfig | None = st.session_state.get("measured_last")
    if last is None or any(getattr(last, stage) != getattr(config, stage) for stage in session.VIEW_STAGES):
        return None
    plan = session.workbench().plan(last)
    return jobs.drain(session.workbench().evaluating(plan.run or last)) if plan.live else None


def without_questions(config: TrialConfig) -> None:
    """Own documents without a questions file: searching still works."""
    no_questions(config, ", so there is nothing to measure", ", or try a question here", gold=True)
    if question := st.text_input("Question", key="typed", bind="query-params"):
        evidence.show([evidence.hit_html(hit, query=question) for hit in session.workbench().search(config, question)])


def strip(current: Evaluation) -> None:
    """What was computed and how long it took, and what can be done with it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="search_strip"):
        facts(current)
        save(current.config)
        reproduce(current.config)


def facts(current: Evaluation) -> None:
    config, trace = current.config, current.trace
    measured, asked = current.corpus.measurable, len(current.corpus.queries)
    of = f" of {asked:,}" if measured < asked else ""  # the others have no evidence
    cards.status_strip(
        [
            f"{config.corpus.dataset}, {cards.count(len(current.corpus.documents), 'document')}",
            f"{measured:,}{of} questions ({config.corpus.questions})",
            config.embedding.device(),
            f"{cards.duration(current.elapsed_ms / 1000)}, {sum(trace.cached.values())} of {len(trace.cached)} cached",
        ]
    )


def save(config: TrialConfig) -> None:
    """The button that keeps a trial, and the way to it once it is kept."""
    workbench = session.workbench()
    ranked = ", ".join(part.part for part in config.rerankers if not part.idle)
    takes = one_phase("30 questions timed", None if ranked else PLAIN_S, units=30, like=ranked)
    press = jobs.Press("run", takes)
    about = "Stores the rankings of every question, and times 30 questions."
    if jobs.press_button("Save as trial", press, icon=":material/save:", key="save", help=about):
        saved = jobs.drain(workbench.run(config, session.experiment()), "Timing single questions", press)
        equal = workbench.repeats(saved)
        again = f" The same recipe as trial {equal[0][-6:]}: kept as repeat {len(equal) + 1}." if equal else ""
        st.toast(f"Trial {saved[-6:]} saved. It is on the page Trials.{again}", icon=":material/check:")
        st.session_state.saved_trial = (config, saved)
    recipe, saved = st.session_state.get("saved_trial", (None, ""))
    if recipe == config:  # there it is named, noted and tagged
        label = f"Saved as {saved[-6:]}: name it on Trials"
        st.page_link(TRIALS, label=label, icon=":material/check:", query_params={"trials": saved})


def reproduce(config: TrialConfig) -> None:
    with st.popover("Reproduce", icon=":material/terminal:", type="tertiary"):
        st.caption("The command that computes and stores this")
        into = ["--experiment", session.experiment()] if session.experiment() else []
        st.code(session.workbench().command(config, "run", *into), language="bash", wrap_lines=True)
        st.caption("The recipe. The address of this page restores the view: copy it to share.")
        st.json(config.model_dump(mode="json"), expanded=1)


def row_of(current: Evaluation, baseline: Evaluation | None) -> list[cards.Card]:
    """Each metric with its interval and its difference to the baseline, and what the contexts of both cost."""
    k, same = current.config.evaluation.k, hit_is_recall(current, baseline)
    names = [name for name in headlines() if not (same and name == "hit")]
    differences = session.workbench().differences(current, baseline, names) if baseline else {}
    tokens, before = (setting_curve.context_at_k(session.workbench(), each) if baseline else 0 for each in (current, baseline))
    times = comparison.times_context(tokens, before)
    caution = f"{times}: compare at equal context" if times else ""
    row = [metric_card(current, name, differences.get(name), caution, same) for name in names]
    if baseline and (caution or baseline.config.chunking != current.config.chunking):
        row.append(context_card(k, tokens, before))
    return row


def hidden(current: Evaluation) -> None:
    if number := session.workbench().hidden_gold(current.run):
        st.caption(
            f"The document filter hides all evidence of {number:,} questions: no retriever can find it, so they count as missed."
        )


def hit_is_recall(current: Evaluation, baseline: Evaluation | None) -> bool:
    """With one piece of evidence a question, hit and recall are the same number."""
    both = [current, baseline] if baseline else [current]
    return all(np.array_equal(each.values["hit"], each.values["recall"], equal_nan=True) for each in both)


def metric_card(current: Evaluation, name: str, difference: Paired | None, caution: str, same: bool) -> cards.Card:
    k, measured = current.config.evaluation.k, current.intervals[name]
    interval = None if measured.low is None else (measured.low, measured.high)
    note = measured.note or ("few questions: an uncertain interval" if measured.n < FEW else "")
    shared = f"{label('hit', k)} is the same: no question has more than one piece of evidence."
    return cards.Card(
        label(name, k),
        measured.mean,
        interval,
        cards.delta_of(difference, caution),
        measured.n,
        measured.total,
        note=note,
        help=shared if same and name == "recall" else "",
    )


def context_card(k: int, tokens: float, before: float) -> cards.Card:
    return cards.Card(
        f"First {k} chunks",
        tokens,
        unit="tokens",
        digits=0,
        direction=0,
        note=f"baseline {before:,.0f}",
        help=f"Context of the first {k} chunks: their tokens, mean of a question.",
    )
