"""The view Contamination: does the model know the questions by heart? Own against other words, closed book, overlap."""

import json
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, jobs, tables
from app.ui.cards import Card
from app.ui.export import download
from app.ui.search import results
from core import registry
from core.labs.answers import arms
from core.labs.answers import contamination as lab
from core.labs.answers.answering import alike
from core.labs.answers.contamination import Contamination, ContaminationItem
from core.labs.answers.rephrasing import FORM
from core.labs.scores import answer_file
from core.workbench import Evaluation, Forecast, command_line

QUESTIONS = 60
MODEL, FILE = "By the model", "A file"
METHOD = "Percentile bootstrap intervals of paired differences; sign-flip test, Holm's correction over conditions and measures"
COLORS = {"closed_book": charts.COLORS[0], "gold": charts.COLORS[1]}


def draw() -> None:
    workbench, config = session.workbench(), session.config()
    evaluation = results.asked(config, "Contamination")
    if evaluation is None:
        return None
    rows = arms.drawn(evaluation, len(evaluation.corpus.queries), evidence=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = results.question_count(len(rows), QUESTIONS, "probed", "those with a reference answer and evidence", width=150)
        whose = forms.one_of("Rephrasings", [MODEL, FILE], "rephrasings")
    path = uploaded() if whose == FILE else None
    if whose == FILE and path is None:
        return None
    words = ["contamination", "--ask", str(count), *(["--rephrasings", str(path)] if path else []), *workbench.arguments(config)]
    made, left = lab.standing(workbench, config, count, path)
    if made is None:
        takes = Forecast(left.phases, units=count, like=alike(config.generation))
        jobs.start_button("Test for contamination", words, f"Contamination, {count:,} questions", takes)
        return st.caption(
            "The model answers each question in its original wording and rephrased, without passages and with the gold evidence, and "
            "continues the beginnings of the documents. Answers written before are used again."
        )
    return shown(made, evaluation, command_line(*words))


def uploaded() -> Path | None:
    """The file of rephrasings that was sent."""
    sent = st.file_uploader("File of rephrasings", ["jsonl"], key="rephrasings_file", help=FORM)
    if sent is None:
        st.caption(cards.plain(f"JSON lines. {FORM} Download the model's below its table, correct them, and upload them here."))
        return None
    return answer_file.receive(session.workbench().home, sent.getvalue())


def shown(made: Contamination, evaluation: Evaluation, command: str) -> None:
    level = evaluation.config.evaluation.confidence
    cards.row(headline(made))
    gaps = [gap for gap in made.gaps.differences.values() if gap.arm.subset == "all"]
    title = f"Score of the question − score of its rephrasing, n {made.rephrased:,}"
    charts.show(
        dots.marks(
            [
                dots.Mark(
                    f"{lab.CONDITIONS[gap.arm.condition]}, {label(gap.measure)}", *gap.paired[:3], COLORS[gap.arm.condition]
                )
                for gap in gaps
            ],
            title,
            lines=[(0.0, "")],
        ),
        "contamination",
        data=lab.gap_rows(made),
        config=evaluation.config,
        title="Effect of the question's original words",
        caption="right of 0: better in the original words",
        method=METHOD,
        command=command,
    )
    tables.sentences(lab.sentences(made, level))
    gap_table(made, command)
    place = question_table(made, command)
    if place is not None:
        with tables.opened():
            opened(made.items[place])


def label(name: str) -> str:
    return registry.find("measure", name)().label


def headline(made: Contamination) -> list[Card]:
    def difference(title: str, paired: Any, help_: str) -> Card:
        bounds = None if paired.low is None else (paired.low, paired.high)
        return Card(title, paired.difference, bounds, n=paired.n, of=paired.total, direction=0, note=paired.note, help=help_)

    gaps = {
        gap.arm.condition: gap.paired for gap in made.gaps.differences.values() if gap.arm.subset == "all" and gap.measure == "f1"
    }
    right = made.memorised
    about = "Share of questions answered right without a passage, where the answer is not in the question."
    row = [Card("Possibly memorised", right.mean, (right.low, right.high), n=right.n, of=right.total, direction=0, help=about)]
    for condition, title in lab.CONDITIONS.items():
        help_ = "Token F1 with the original wording minus that with its rephrasing, on the same questions."
        row.append(difference(f"F1 gap, {title.lower()}", gaps[condition], help_))
    if made.continuations:
        help_ = "ROUGE-L between the model's continuation of a document's beginning and the real one, minus that with another document."
        row.append(difference("Continuation above chance", made.continuations.paired, help_))
    if made.likelihood:
        help_ = "Mean log-probability of a question's tokens minus that of its rephrasing's, in nats."
        row.append(difference("Likelier than rephrased", made.likelihood.mean, help_))
    return row


def gap_table(made: Contamination, command: str) -> None:
    with st.expander("All gaps, also near in meaning and without the possibly memorised"):
        tables.draw(lab.gap_table(made, command))
        st.caption(
            f"Near in meaning: cosine {lab.NEAR} or more. Without possibly memorised questions only scores over the evidence are shown, "
            "as leaving out the right ones fixes the closed-book scores. Holm's correction covers the rows of "
            "all rephrased questions."
        )


def question_table(made: Contamination, command: str) -> int | None:
    """Possibly memorised first, then those whose own words are worth most."""
    order = sorted(range(len(made.items)), key=lambda place: (not made.items[place].memorised, -_worth(made.items[place])))
    st.caption(
        f"{len(order):,} questions, with token F1 closed book and over the gold evidence, in the original wording and "
        "rephrased; click one for its answers. Read the rephrasings: a gap is only as good as they are."
    )
    ids = [made.items[place].query.id for place in order]
    chosen = tables.choose(lab.item_table(made, order, command), ids, param="rephrased")
    lines = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lab.edit_lines(made))
    download("Rephrasings, to correct", lines, "rephrasings.jsonl", icon=":material/edit:")
    return None if chosen is None else order[chosen]


def _worth(item: ContaminationItem) -> float:
    sides = [item.scores.get(("gold", wording, "f1")) for wording in lab.WORDINGS]
    return -2.0 if None in sides else sides[0] - sides[1]


def opened(item: ContaminationItem) -> None:
    cards.question_title(item.query.text)
    rows = [
        {
            "Asked": item.query.text if wording == "original" else item.rephrasing.text,
            "How": title,
            "Answer": said.text or said.finish_reason,
            "F1": item.scores[condition, wording, "f1"],
        }
        for condition, title in lab.CONDITIONS.items()
        for wording in lab.WORDINGS
        if (said := item.answers.get((condition, wording)))
    ]
    tables.wrapped_table(rows)
    st.caption(cards.plain(f"Reference: {' | '.join(dict.fromkeys(item.query.answers))}"))
    if item.copied == item.copied:
        st.caption(f"{item.copied:.0%} of the closed-book answer's word 5-grams occur in the gold document.")
