"""The tab RAG ablation: what each stage of retrieval is worth to the answers, beside what it costs."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, jobs, tables
from app.ui.search import results
from core.labs.answers import answering
from core.labs.answers import rag_ablation as lab
from core.labs.answers.live import shown_measures
from core.labs.answers.rag_ablation import RagAblation
from core.workbench import Forecast, Phase, Resolved


def draw(run: Resolved) -> None:
    workbench, most = session.workbench(), len(run.corpus.queries)
    if not any(map(answering.can_be_judged, run.corpus.queries)):
        return st.info("No question of this corpus has a reference answer, so no answer can be judged.", icon=":material/info:")
    count = results.question_count(most, lab.QUESTIONS, "rag_count")
    made, needs = lab.standing(workbench, run, count)
    if made is None or made.left.answers or needs:
        left = made.left.phases if made else (Phase(f"answers of every variant to {cards.count(count, 'question')}"),)
        words = ["rag-ablation", "--ask", str(count), *workbench.arguments(run.config)]
        takes = Forecast((*needs, *left), units=count, like=answering.alike(run.config.generation))
        jobs.start_button("Ablate RAG", words, f"RAG ablation on {count:,} questions", takes)
    if made is None:
        return st.caption(
            "No retrieval, naive (dense search alone), hybrid and reranked retrieval, each with and without HyDE, answer the "
            "same questions. Answers written before are used again."
        )
    shown(made, run, count)


def shown(made: RagAblation, run: Resolved, count: int) -> None:
    config = run.config
    names = {measure.part: measure.label for measure in shown_measures()}
    name = forms.one_of_many("Measure", names, "rag_measure", "f1", width=170)
    level, title = config.evaluation.confidence, names[name]
    means, change = made.comparison.means, made.comparison.of
    marks = [
        dots.Mark(charts.safe(each.title), score.mean, score.low, score.high, dots.shade(change(each.name, name), level))
        for each in made.variants
        if (score := means.get((each.name, name))) and score.mean is not None
    ]
    command = session.workbench().command(config, "rag-ablation", "--ask", str(count))
    made_table = lab.table(made, name, level, command)
    if marks:
        charts.show(
            dots.marks(marks, title),
            "rag",
            data=made_table.rows,
            config=config,
            title=made_table.title,
            caption=f"n {made.questions:,}; blue: significantly different from naive",
            method=lab.method(level),
            command=command,
        )
    tables.sentences(lab.sentences(made, level))
    tables.draw(made_table)
    st.caption(
        f"{lab.SAME} Search: of a single question, median and 95th percentile. Seconds an answer: its share of a batch of 16, "
        f"less than an answer alone takes. Empty: not measured."
    )
