"""The triad of a retrieval-augmented answer: are the passages relevant, is the answer grounded in them, and does it answer the question?

Each of the three is read from a measure whose scores are at hand, a judge's before one from words and gold spans; nothing is scored for
it. After TruLens' RAG triad (context relevance, groundedness, answer relevance), by the measures of this project.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.judging.measure import SUPPORTED, AnswerCase, AnswerScore
from core.labs.scores.judging import MeasureScores
from core.labs.scores.sets import ScoredSet
from core.report.table import TWO, Column, Table

LOW = 0.5  # below which a score is low, where nobody says another
MOST = 6  # reasons of a score
LONGEST = 240  # characters of one


class Role(NamedTuple):
    name: str
    title: str
    asks: str
    measures: tuple[str, ...]  # the first that is at hand


ROLES = (
    Role(
        "context_relevance", "Context relevance", "Are the passages relevant?", ("ragas_context_precision", "context_precision")
    ),
    Role(
        "groundedness",
        "Groundedness",
        "Is the answer borne out by the passages?",
        ("ragas_faithfulness", "faithfulness", "entailment", "wrong_words", "containment"),
    ),
    Role("answer_relevance", "Answer relevance", "Does the answer answer the question?", ("ragas_answer_relevancy",)),
)


def triad(measured: Sequence[MeasureScores]) -> dict[str, MeasureScores]:
    """Role -> the measure that it is read from; a role that no measure at hand scored is left out."""
    by_name = {each.measure.part: each for each in measured if any(not math.isnan(score.value) for score in each.scores)}
    read = {role.name: next((by_name[name] for name in role.measures if name in by_name), None) for role in ROLES}
    return {name: each for name, each in read.items() if each}


def low(roles: dict[str, MeasureScores], chosen: Sequence[str], below: float) -> list[int]:
    """Places of the answers of which each of these roles is below the bound; what is unmeasured is not."""
    of = [roles[name].values for name in chosen if name in roles]
    many = len(next(iter(roles.values())).scores) if roles else 0
    return [place for place in range(many) if all(values[place] < below for values in of)]


def reasons(each: MeasureScores, score: AnswerScore, case: AnswerCase) -> list[str]:
    """Why the score is what it is: the judge's words, or what the measure found."""
    if score.reason:
        return [score.reason]
    if judged := list(dict.fromkeys(_judged((score.detail.get("replies") or [])[:1]))):
        return [_cut(text) for text in judged[:MOST]]
    if score.claims:
        bad = [claim for claim in score.claims if claim.verdict not in (SUPPORTED, "")]
        told = [f"{len(score.claims) - len(bad):,} of {len(score.claims):,} claims without objection"]
        return told + [_cut(f"{claim.verdict}: {case.answer[claim.start : claim.end]}") for claim in bad[: MOST - 1]]
    if each.measure.part == "context_precision":
        passages = len(case.passages)
        return [f"{round(score.value * passages):,} of {passages:,} passages hold gold evidence"]
    return []


def table(answers: ScoredSet, chosen: Sequence[str] = (), below: float = LOW) -> Table:
    """A row an answer, as the command line tells it: the three scores, and why. chosen: roles of which an answer has to be low."""
    roles = triad(answers.measured)
    if unknown := [name for name in chosen if name not in roles]:
        titles = {role.name: role for role in ROLES}
        raise WorkbenchError(
            f"No answer has a score for '{unknown[0]:.60}'.",
            todo=f"Score them by {' or '.join(titles[unknown[0]].measures)}."
            if unknown[0] in titles
            else f"Roles: {', '.join(titles)}.",
        )
    rows = []
    for place in low(roles, chosen, below):
        case, row = answers.rows[place].case, {}
        for name, each in roles.items():
            score = each.scores[place]
            row[name] = None if math.isnan(score.value) else float(score.value)
            row[f"why {name}"] = "; ".join(reasons(each, score, case))
        rows.append({"question": case.question, "answer": case.answer, **row})
    columns = [Column("question"), Column("answer")]
    for role in ROLES:
        if role.name in roles:
            columns += [Column(role.name, role.title, TWO, role.asks, direction=1), Column(f"why {role.name}", "Why")]
    by = ", ".join(f"{role.title} by {roles[role.name].measure.label}" for role in ROLES if role.name in roles)
    lacking = ", ".join(role.title for role in ROLES if role.name not in roles)
    note = "; ".join(filter(None, (f"{len(rows):,} of {len(answers.rows):,} answers", by, lacking and f"{lacking}: not scored")))
    return Table("triad", columns, rows, f"Triad of {answers.name}", note)


def _judged(reply: Any) -> Iterator[str]:
    """What a judge gave as its reasons, wherever in its reply, with what each is of."""
    if isinstance(reply, list):
        for each in reply:
            yield from _judged(each)
    elif isinstance(reply, dict):
        words = next((reply[name] for name in ("reason", "words") if isinstance(reply.get(name), str)), "")
        of = next((reply[name] for name in ("statement", "question") if isinstance(reply.get(name), str)), "")
        verdict = {0: "no", 1: "yes"}.get(reply.get("verdict"), "")
        if said := ": ".join(filter(None, (of, verdict, words))):
            yield said
        for value in reply.values():
            if isinstance(value, list | dict):
                yield from _judged(value)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
