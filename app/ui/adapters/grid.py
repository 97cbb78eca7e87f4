"""What an adapter did: choosing adapters and scales, the job, and the grid of adapter by context."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, jobs, tables
from app.ui.search import results
from core import registry
from core.config import TrialConfig
from core.labs.adapters import grid as lab
from core.labs.adapters.grid import AdapterGrid
from core.labs.answers.answering import alike
from core.models.adapters import at_hand
from core.report.table import Column, Table
from core.workbench import Forecast, Resolved

SCALES = (0.25, 0.5, 1.0, 1.5)
ABOUT = {  # what stands in the prompt of each context
    "none": "the question alone",
    "retrieved": "the passages that the recipe retrieves",
    "gold": "the passages that hold the evidence",
    "distractors": "the best passages that hold none of it",
    "contradicting": "the evidence with another question's answer in the place of its own, where one fits",
}


def none_trained() -> bool:
    """Whether there is nothing to compare, which is said."""
    if at_hand():
        return False
    cards.empty("What an adapter did", "No adapter was trained here yet.")
    st.page_link("../pages/train_adapter.py", label="Train an adapter", icon=":material/model_training:")
    return True


def chosen(run: Resolved) -> tuple[list[str], list[float], int]:
    """Adapters, scales, and how many questions."""
    every = at_hand()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = st.multiselect("Adapters", every, every[-1:], key="adapters", bind="query-params", width=320)
        scales = st.multiselect(
            "Adapter scales", SCALES, [1.0], key="scales", width=200, help="What its change is multiplied by; 1: as trained."
        )
        most = len(run.corpus.queries)
        count = results.question_count(most, lab.QUESTIONS, "ask", "those with an answer and evidence")
    return names, scales or [1.0], count


def words_of(names: Sequence[str], scales: Sequence[float], count: int) -> list[str]:
    """The verb with its options."""
    return ["compare-adapters", *names, *(word for scale in scales for word in ("--scale", f"{scale:g}")), "--ask", str(count)]


def nothing_yet() -> None:
    cards.empty(
        "What the adapter did",
        "A chart of each measure by context, with and without the adapter and with intervals, and how often answers follow the passage "
        "and how often memory. Not all answers for it are written yet.",
    )


def about(names: Sequence[str], scales: Sequence[float]) -> None:
    """What each question is asked."""
    _, *others = lab.sides(names, scales)
    every = ["no adapter", *(side.title for side in others)]
    st.caption(
        f"Each question is answered by {len(every)} models ({cards.plain(', '.join(every))}) in {len(lab.CONTEXTS)} contexts:"
    )
    st.caption("\n".join(f"- **{title}**: {ABOUT[name]}" for name, title in lab.CONTEXTS.items()))


def start(config: TrialConfig, left: lab.AnswerCost, names: Sequence[str], scales: Sequence[float], count: int) -> None:
    """What is still to write, and the button; nothing where all answers are there."""
    if not left.answers:
        return
    words = [*words_of(names, scales, count), *session.workbench().arguments(config)]
    label, title = f"Write {cards.count(left.answers, 'answer')}", f"Comparing {cards.count(len(names), 'adapter')}"
    jobs.start_button(label, words, title, Forecast(left.phases, units=left.answers, like=alike(lab.engine(config, names))))


def shown(made: AdapterGrid, config: TrialConfig, command: str) -> None:
    """The figure, what it says, and the tables."""
    labels = {name: registry.find("measure", name).label for name in lab.MEASURES}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = forms.one_of_many("Measure", labels, "measure", lab.MAIN, width=170)
        fresh = st.toggle(
            "Without possibly memorised questions", key="fresh", help="Leaves out questions answered right without any passage."
        )
    shown_cells, level = made.fresh if fresh else made.cells, config.evaluation.confidence
    tables.sentences(lab.sentences(made, level))
    titles = list(dict.fromkeys(side.title for side, _ in shown_cells.places))
    marks = [
        dots.Mark(charts.safe(f"{title}: {side.title}"), score.mean, score.low, score.high, _color(side.title, titles))
        for context, title in lab.CONTEXTS.items()
        for side, own in shown_cells.places
        if own == context and (score := shown_cells.comparison.means[(side, own), name]).mean is not None
    ]
    charts.show(
        dots.marks(marks, labels[name]),
        "adapters",
        data=lab.rows_of(shown_cells),
        config=config,
        title="What the adapter did",
        caption=f"n {made.questions:,}; over contradicting evidence the passage's answer counts as right",
        method=lab.method(level),
        command=command,
    )
    _tables(made, fresh, name, level, command)


def _color(title: str, titles: Sequence[str]) -> str:
    return charts.COLORS[titles.index(title) % len(charts.COLORS)]


def _tables(made: AdapterGrid, fresh: bool, name: str, level: float, command: str) -> None:
    some, without = (made.fresh, "; without the possibly memorised") if fresh else (made.cells, "")
    st.subheader("Fine-tuning and retrieval", anchor=False)
    tables.draw(lab.main_table(some, name, "" if fresh or name != lab.MAIN else command))
    st.subheader("Every context", anchor=False)
    tables.draw(lab.grid_table(some, name, lab.method(level) + without, command), rows=None)
    st.subheader("Context or memory", anchor=False)
    st.caption(
        f"In {made.conflicts:,} questions the answer in the evidence was replaced by another question's. Share of answers "
        "that follow the passage, of those that contain either answer."
    )
    tables.draw(lab.reliance_table(made, command))


def opened(made: AdapterGrid) -> None:
    """A question's answers by every side and context."""
    st.subheader("By question", anchor=False)
    columns = Column("question", width=420), Column("right answer", width=260), Column("memorised", width=100)
    rows = [
        {
            "question": item["question"],
            "right answer": ", ".join(item["references"][:2]),
            "memorised": "possibly" if item["possibly memorised"] else "",
        }
        for item in made.items
    ]
    place = tables.choose(Table("by_question", columns, rows), [str(number) for number in range(len(rows))])
    if place is not None:
        with tables.opened():
            item, score = made.items[place], f", {lab.MAIN}"
            answers = [(key, value) for key, value in item.items() if f"{key}{score}" in item and value is not None]
            nothing = "nothing, the answer does not stand in the evidence" if made.conflicts else "nothing"
            st.caption(cards.plain(f"Contradicted by: {item['contradicted by'] or nothing}"))
            tables.wrapped_table([{"Asked": key, "Answer": value, "F1": item[f"{key}{score}"]} for key, value in answers])
