"""What stands behind a score: what a judge was asked and said, in which runs, and other answers to the same question."""

import json
from collections.abc import Generator, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from core.config import TrialConfig
from core.context.citations import BRACKETS
from core.generation.model_texts import ModelText, Request
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.pipeline.scores import judge_tools
from core.records import Progress, as_read
from core.workbench import Workbench

MOST = 50  # other answers that are shown


class JudgePrompt(NamedTuple):
    """A prompt and all that the judge said to it: (number of the draw, its text or why there is none)."""

    prompt: str
    replies: list[tuple[int, str]]


class OtherAnswer(NamedTuple):
    """An answer to the same question, written another time. case None: a sample, whose passages are not stored."""

    system: str
    seed: int | None
    created: str
    text: str
    case: AnswerCase | None = None


def judge_prompts(
    workbench: Workbench, config: TrialConfig, measure: AnswerMeasure, case: AnswerCase
) -> Generator[Progress, None, list[JudgePrompt]]:
    """All that the judge was asked for this score, each prompt once. What it said is kept, so that nothing is asked anew."""
    asked: list[tuple[Request, ModelText]] = []
    yield from measure.score([case], judge_tools(workbench.pipeline, config)._replace(log=asked))
    by_prompt: dict[str, list[tuple[int, str]]] = {}
    for request, text in asked:
        prompt = "\n\n".join(message["content"] for message in request.messages)
        by_prompt.setdefault(prompt, []).append((request.draw, text.text or f"none: {text.finish_reason}"))
    return [JudgePrompt(prompt, replies) for prompt, replies in by_prompt.items()]


def spread(scores: Sequence[AnswerScore]) -> tuple[float, int] | None:
    """Standard deviation between a judge's runs on one answer, mean over the answers with two runs or more, and how many these
    are; None: nothing was judged twice."""
    spreads = [value for score in scores if (value := score.detail.get("spread")) is not None]
    return (fmean(spreads), len(spreads)) if spreads else None


def prompt_of(workbench: Workbench, answer_id: str) -> str:
    """That of a stored answer; "": no model ran."""
    rows = workbench.store.query("SELECT prompt FROM answers WHERE id = ?", [answer_id])
    return (rows[0]["prompt"] or "") if rows else ""


def others(workbench: Workbench, dataset: str, case: AnswerCase, but: str = "") -> list[OtherAnswer]:
    """Stored answers to the question and samples of them, the newest first. but: the id of the answer itself."""
    rows = workbench.store.query(
        """SELECT id, created, text, model, answering, seed, hits, finish_reason, config ->> '$.context.citations' AS citations
           FROM answers WHERE dataset = ? AND question = ? AND id <> ? AND text IS NOT NULL ORDER BY id DESC LIMIT ?""",
        [dataset, case.question, but, MOST],
    )
    made = []
    for row in rows:
        passages = tuple(map(as_read, json.loads(row["hits"] or "[]")))
        how = {"citations": row["citations"] or BRACKETS, "finish_reason": row["finish_reason"]}
        plain = AnswerCase(case.question, row["text"], passages, case.references, case.answerable, **how)
        made.append(OtherAnswer(_system(row), row["seed"], str(row["created"]), row["text"], plain))
    samples = workbench.store.query(
        """SELECT created, chain, seed, text FROM samples WHERE dataset = ? AND question = ? ORDER BY id DESC, number LIMIT ?""",
        [dataset, case.question, MOST],
    )
    made += [OtherAnswer(f"sample, {row['chain']}", row["seed"], str(row["created"]), row["text"]) for row in samples]
    return made[:MOST]


def _system(row: dict[str, Any]) -> str:
    model = (row["model"] or "no model").rpartition("/")[2]
    return f"{model}, {row['answering'].replace('_', ' ')}" if row["answering"] else model
