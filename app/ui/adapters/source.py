"""What an adapter learns from: where it comes from, the card of that data, some of its examples, and all of it as a file."""

from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms, jobs, tables
from app.ui.export import download
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters import training as adapters
from core.workbench import one_phase

SHOWN = 3  # examples
MOST_CHARACTERS = 1500


class Lesson(NamedTuple):
    """Where examples come from. of_pairs: of two answers the better one is preferred (DPO); source: as the settings call it, ""
    of a file."""

    label: str
    about: str
    source: str = ""
    of_pairs: bool = False


LESSONS = {
    "corpus": Lesson(
        "Questions of the corpus",
        "Each question with evidence is an example: its passage, and the answer that people gave.",
        "corpus",
    ),
    "documents": Lesson(
        "Documents alone",
        "The recipe's engine writes questions about passages, and filters discard most of them. How many are left is shown with the data.",
        "documents",
    ),
    "trials": Lesson("Stored answers that are right", "Stored answers that agree with the reference.", "trials"),
    "labels": Lesson(
        "Answers that people found supported",
        "Answers of studies in which every sentence is supported by the passages.",
        "labels",
    ),
    "preferences": Lesson(
        "People's preferences",
        "Pairs of answers that people compared, by their majority. Ties are left out.",
        "preferences",
        True,
    ),
    "label_pairs": Lesson(
        "Pairs, by people's labels", "Two answers to a question, the one that people found more supported first.", "labels", True
    ),
    "trial_pairs": Lesson(
        "Pairs, by the reference", "Two stored answers to a question, the one nearer to the reference first.", "trials", True
    ),
    "file": Lesson(
        "A file of examples",
        'JSON lines as TRL has them: {"messages": [...]} ending with the assistant, or {"prompt": …, "completion": …}. Near copies '
        "between train and test are left out.",
    ),
    "file_pairs": Lesson(
        "A file of pairs",
        'JSON lines as TRL has them: {"prompt": …, "chosen": …, "rejected": …}, texts or messages; or QA-Feedback\'s JSON.',
        of_pairs=True,
    ),
}


def choice() -> tuple[Lesson, Path | None]:
    """What is learnt from, and the file that was given: Path() while it is still to be, None where none is needed."""
    titles = {name: lesson.label for name, lesson in LESSONS.items()}
    name = forms.one_of_many("Learn from", titles, "learn_from", bind="query-params")
    lesson = LESSONS[name]
    st.caption(cards.plain(lesson.about))
    if lesson.source:
        return lesson, None
    upload = st.file_uploader("The file", type=["jsonl", "json"], key=f"adapter/{name}")
    return lesson, Path() if upload is None else adapters.received(upload.getvalue(), Path(upload.name).suffix)


def card(config: TrialConfig, settings: dict[str, Any], lesson: Lesson, file: Path | None) -> None:
    """The card of the data, made when it is asked for: near copies of ten thousand examples take some ten seconds."""
    key = adapters.data_key(config, settings, file)
    held = st.session_state.get("adapter/card", ("", None))
    words = adapters.data_arguments(session.workbench(), config, settings) if lesson.source == "documents" else []
    press = jobs.Press("adapter-data", one_phase("the splits, what is left out and why", units=1, like=lesson.source))
    about = "Also some examples. No two splits share a document, and near copies are left out."
    pressed = jobs.press_button("Look at the data", press, key="adapter/look", icon=":material/dataset:", help=about)
    written = held[0] == key and isinstance(held[1], str) and (job := jobs.latest(words)) and job.status == "done"
    if pressed or written:
        try:
            work = adapters.data_at_hand(session.workbench(), config, settings, file, lesson.of_pairs)
            held = (key, jobs.drain(work, "Making examples", press))
        except WorkbenchError as error:
            st.session_state.pop("adapter/card", None)
            return cards.problem(error)
        st.session_state["adapter/card"] = held
    if held[0] != key:
        return None
    if isinstance(held[1], str):
        st.caption("The questions have to be written first. They are kept.")
        takes = one_phase(held[1], units=settings["questions"], like="questions")
        return jobs.start_button("Write the questions", words, "Questions about documents", takes)
    draw_card(held[1].card())
    draw_examples(held[1], lesson)
    return None


def draw_examples(data: Any, lesson: Lesson) -> None:
    for example in data.train[:SHOWN]:
        with st.expander(cards.plain(example.question[:100]), key=f"adapter/example/{example.id}"):
            st.text("\n\n".join(f"{turn['role']}: {turn['content']}" for turn in example.messages)[:MOST_CHARACTERS])
            answers = ("chosen", "rejected") if lesson.of_pairs else ("answer",)
            for name in answers:
                st.caption({"answer": "learnt", "chosen": "preferred", "rejected": "not preferred"}[name])
                st.text(getattr(example, name)[:MOST_CHARACTERS])
    download(
        "As a file for TRL",
        lambda: adapters.as_lines(data, lesson.of_pairs),
        "pairs.jsonl" if lesson.of_pairs else "examples.jsonl",
        "adapter/download",
        help="All splits as JSON lines, each line with its split: this page, the command line and TRL read the file.",
    )


def draw_card(card: dict[str, Any]) -> None:
    tokens = card.get("tokens") or {}
    rows = []
    for part, count in card["examples"].items():
        row = {"Part": part, "Examples": f"{count:,}", "Documents or groups": f"{card['groups'][part]:,}"}
        for label, name in (("Tokens", "all"), ("Of answers", "answers"), ("Longest", "longest")):
            if part in tokens:
                row[label] = f"{tokens[part][name]:,}"
        rows.append(row)
    tables.wrapped_table(rows)
    left_out = "; ".join(f"{number:,} {reason}" for reason, number in card["left_out"].items())
    st.caption(cards.plain(f"{card['source']} · checksum {card['checksum']} · left out: {left_out or 'none'}"))
    if steps := card.get("filters"):
        asked, passed = steps[0]["before"], steps[-1]["before"] - steps[-1]["left out"]
        st.markdown(f"**{passed:,} of {asked:,}** written questions passed the filters")
        tables.wrapped_table(
            [
                {
                    "Filter": step["filter"],
                    "Before": f"{step['before']:,}",
                    "Left out": f"{step['left out']:,}",
                    "For example": step["for example"][:MOST_CHARACTERS],
                }
                for step in steps
            ]
        )
