"""Questions by recipes: a row a question, a column a trial, in each cell what that trial answered or found.

A cell holds the recorded answer where there is one, else the rank of the first relevant passage among the first k; both with the
metric. The questions on which the trials are furthest apart come first.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.judging.diversity import normalise_answer
from core.labs.trials.comparison import Trial, label, labels
from core.labs.trials.recorded_answers import recorded_answers
from core.labs.trials.side_by_side import LETTERS as FIRST_LETTERS
from core.labs.trials.values import by_place
from core.pipeline.answers import KeptAnswer
from core.report.table import MEAN, Column, Table, written
from core.workbench import Workbench, command_line

FEWEST, MOST = 2, 8
LETTERS = FIRST_LETTERS + "FGH"
SHOWN = 60  # characters of an answer in its cell
NARROW, WIDE = 150, 700  # px of a column of cells, and of all of them where they have room
EQUAL = 1e-12
RANK = "mrr"  # 1 / rank of the first relevant passage, so that the rank is read from what is stored


class QuestionMatrix(NamedTuple):
    """places: of the questions that are shown, in their order; the arrays and lists hold all questions of the set."""

    metric: str
    k: int
    trials: list[Trial]
    names: list[str]  # with a letter, so that no two are cut to the same
    ids: list[str]
    texts: list[str]
    values: np.ndarray  # [trials, questions] float64; NaN: unmeasured
    ranks: np.ndarray  # [trials, questions] int; 0: no relevant passage among the first k, or none is known
    has_gold: np.ndarray  # [questions] bool: whether evidence is known, in any of the trials
    answers: list[dict[str, KeptAnswer]]  # of each trial question id -> answer
    places: list[int]

    @property
    def spread(self) -> np.ndarray:
        """[questions] float64: the highest minus the lowest value; 0 where fewer than two are measured."""
        measured = (~np.isnan(self.values)).sum(axis=0) > 1
        filled = np.where(measured, self.values, 0.0)
        return np.nanmax(filled, axis=0) - np.nanmin(filled, axis=0)

    @property
    def different_answers(self) -> list[int]:
        """How many different answers there are to each question, those that differ in case, punctuation and articles alone being one; *
        and ** are two."""
        said = [[answers[question].text for answers in self.answers if question in answers] for question in self.ids]
        return [len({normalise_answer(text) or text.strip() for text in texts}) for texts in said]


def question_matrix(
    workbench: Workbench, chosen: Sequence[Trial], metric: str, *, different: bool = False, by: float = 0.0, words: str = ""
) -> QuestionMatrix:
    """Of trials of one group, in this order. different: only questions on which the values differ by more than `by`, or the answers
    differ in words. words: only questions that hold all of these, or with an answer that does."""
    if not FEWEST <= len({trial.id for trial in chosen}) <= MOST:
        raise WorkbenchError(f"A matrix shows {FEWEST} to {MOST} trials; these are {len(chosen)}.", todo="Choose fewer or more.")
    if len({trial.group for trial in chosen}) > 1 or not chosen[0].questions:
        raise WorkbenchError(
            "These trials answered other questions, or by other rules: no question is shared.",
            todo="Choose trials of one corpus, question set, depth and rule of relevance.",
        )
    key = fingerprint([trial.id for trial in chosen], metric)
    read = workbench.pipeline.remember("question matrix", key, lambda: _read(workbench, chosen, metric))
    whole = read._replace(trials=list(chosen), names=_lettered(chosen), answers=recorded_answers(workbench, chosen))
    spread, answers = whole.spread, whole.different_answers
    places = sorted(range(len(whole.ids)), key=lambda place: (-round(float(spread[place]), 9), -answers[place], place))
    if different:
        places = [place for place in places if spread[place] > by + EQUAL or answers[place] > 1]
    for word in words.lower().split():
        places = [place for place in places if word in _said(whole, place)]
    return whole._replace(places=places)


def _lettered(chosen: Sequence[Trial]) -> list[str]:
    return [f"{letter} · {name}" for letter, name in zip(LETTERS, labels(chosen), strict=False)]


def _read(workbench: Workbench, chosen: Sequence[Trial], metric: str) -> QuestionMatrix:
    rows = workbench.store.query(
        "SELECT query_id, text FROM questions WHERE fingerprint = ? ORDER BY position", [chosen[0].questions]
    )
    many = len(rows)
    values, inverse = (_padded(by_place(workbench, chosen, name), many) for name in (metric, RANK))
    relevant = inverse > 0  # not where it is unmeasured either
    ranks = np.rint(1 / np.where(relevant, inverse, 1)).astype(int) * relevant
    ids, texts = [row["query_id"] for row in rows], [row["text"] for row in rows]
    has_gold = ~np.isnan(inverse).all(axis=0)
    return QuestionMatrix(metric, chosen[0].k, list(chosen), [], ids, texts, values, ranks, has_gold, [], [])


def _padded(values: np.ndarray, many: int) -> np.ndarray:
    return np.pad(values[:, :many], ((0, 0), (0, max(0, many - values.shape[1]))), constant_values=np.nan)


def _said(result: QuestionMatrix, place: int) -> str:
    answers = (of[result.ids[place]].text for of in result.answers if result.ids[place] in of)
    return " ".join((result.texts[place], *answers)).lower()


def cell(result: QuestionMatrix, trial: int, place: int) -> str:
    """What stands in a cell: the answer, or the rank, and the value."""
    value, answer = float(result.values[trial, place]), result.answers[trial].get(result.ids[place])
    if answer is None:
        said = rank_words(result, trial, place)
    else:
        said = " ".join(answer.text.split()) or f"no answer: {answer.finish_reason}"
        said = said if len(said) <= SHOWN else said[: SHOWN - 1].rstrip() + "…"
    return said if np.isnan(value) else f"{written(value, MEAN)} · {said}"


def rank_words(result: QuestionMatrix, trial: int, place: int) -> str:
    """Of the first relevant passage."""
    if rank := result.ranks[trial, place]:
        return f"rank {rank}"
    return f"not in the first {result.k}" if result.has_gold[place] else "no gold evidence"


def value_words(result: QuestionMatrix, trial: int, place: int) -> str:
    """As in "nDCG@10 0.631, gold passage at rank 3"."""
    value, rank = float(result.values[trial, place]), rank_words(result, trial, place)
    measured = "unmeasured" if np.isnan(value) else written(value, MEAN)
    at = f"gold passage at {rank}" if rank.startswith("rank") else rank if rank.startswith("no ") else f"gold passage {rank}"
    return f"{label(result.metric, result.k)} {measured}, {at}"


def table(result: QuestionMatrix, *words: str) -> Table:
    """As the page, the command line and CSV show it. words: of the command, beside trials and metric."""
    head, spread, answers = label(result.metric, result.k), result.spread, result.different_answers
    rows = []
    for place in result.places:
        row: dict[str, Any] = {"id": result.ids[place], "question": result.texts[place], "spread": float(spread[place])}
        row |= {"different_answers": answers[place] or None}
        row |= {letter: cell(result, trial, place) for trial, letter in enumerate(LETTERS[: len(result.trials)])}
        for trial, letter in enumerate(LETTERS[: len(result.trials)]):  # in CSV alone
            value, answer = result.values[trial, place], result.answers[trial].get(result.ids[place])
            row[f"{letter} {result.metric}"] = None if np.isnan(value) else float(value)
            row[f"{letter} rank"] = int(result.ranks[trial, place]) or None
            row[f"{letter} answer"] = None if answer is None else answer.text
        rows.append(row)
    columns = [
        Column("question", width=240),
        Column("spread", "Apart", MEAN, f"The highest {head} minus the lowest.", width=66),
        *(
            Column(letter, name, width=max(NARROW, WIDE // len(result.names)))
            for letter, name in zip(LETTERS, result.names, strict=False)
        ),
    ]
    if any(answers):
        about = "Different answers; case, punctuation and articles aside."
        columns.insert(2, Column("different_answers", "Answers", "%d", about, width=72))
    command = command_line("question-matrix", *(trial.id for trial in result.trials), "--metric", result.metric, *words)
    note = f"{head} of {len(rows):,} of {len(result.ids):,} questions, the furthest apart first"
    return Table("question_matrix", columns, rows, "Questions by recipes", note, command)
