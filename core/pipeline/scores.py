"""The records of the stage `scores`: each by the content of all that decides it, so that a second run computes nothing, nor does a
cancelled one what it had done.

That is the measure with its knobs, its identity and its code, the tools that it asks, and the case. What failed (a judge that
did not answer) is not kept. What a measure's model says of a (claim, passage) is kept besides, with the vectors.
"""

import math
import time
from collections.abc import Generator, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

from core.config import TrialConfig, code_version, fingerprint
from core.embedding.vectors import embed
from core.errors import broken_part
from core.generation.model_texts import untaught
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, Claim, JudgeTools, WrongWords, forget
from core.pipeline.pipeline import Pipeline
from core.pipeline.stages import records
from core.progress import counted_within
from core.records import Progress, plain
from core.store.batches import batches

KIND = records("scores")
KEEP_SECONDS = 5.0  # a killed process loses no more work than this, and a batch
FIRST, MOST = 8, 512  # answers of a batch; the later ones take about KEEP_SECONDS
MOST_TEXT = 4 << 20  # characters of a batch, or one answer


def judge_tools(pipeline: Pipeline, config: TrialConfig) -> JudgeTools:
    """What measures may use, of this recipe."""
    vectors = partial(embed, folder=pipeline.vectors_folder)
    return JudgeTools(config.embedding, vectors, untaught(config.generation), config.seed, pipeline.home)


def at_hand(measure: AnswerMeasure, cases: Sequence[AnswerCase], tools: JudgeTools):
    """The score of each case as far as it needs no computing: kept, or unmeasurable; None for the others."""
    keys = _keys(measure, cases, tools)
    recorded = batches(tools.texts).read(KIND, keys)
    by_key = {key: _score(value) for key, value in recorded.items()}
    return [_unmeasured(measure, case) or by_key.get(key) for key, case in zip(keys, cases, strict=True)]


def kept_scores(
    measure: AnswerMeasure, cases: Sequence[AnswerCase], tools: JudgeTools
) -> Generator[Progress, None, list[AnswerScore]]:
    """The score of each case; what is not kept yet is computed. Closing the generator keeps what is done."""
    scores = at_hand(measure, cases, tools)
    if None in scores:
        keys = _keys(measure, cases, tools)
        absent = {key: case for key, case, score in zip(keys, cases, scores, strict=True) if score is None}
        by_key = yield from _compute(measure, absent, tools)
        scores = [score or by_key[key] for key, score in zip(keys, scores, strict=True)]
    return scores


def _compute(
    measure: AnswerMeasure, absent: dict[str, AnswerCase], tools: JudgeTools
) -> Generator[Progress, None, dict[str, AnswerScore]]:
    keys, size, saved = list(absent), FIRST, time.monotonic()
    by_key: dict[str, AnswerScore] = {}
    fresh: dict[str, dict[str, Any]] = {}

    def keep() -> None:
        judge = f"{tools.generator.part} {tools.generator.model}" if measure.asks_model else None
        about = {"measure": measure.part, "settings": measure.model_dump(mode="json"), "judge": judge}
        batches(tools.texts).keep(KIND, fresh, **about)
        fresh.clear()

    try:
        while len(by_key) < len(keys):
            yield (step := Progress(len(by_key), len(keys), measure.label))
            batch, began = keys[len(by_key) : len(by_key) + size], time.monotonic()
            room = np.cumsum([characters(absent[key]) for key in batch]) <= MOST_TEXT
            batch = batch[: max(1, int(room.sum()))]
            made = yield from _batch(measure, [absent[key] for key in batch], tools, step)
            forget()
            for key, score in zip(batch, made, strict=True):
                standing = plain(score)
                by_key[key] = _score(standing)  # as it is read back
                if not score.reason.startswith("failed"):
                    fresh[key] = {**standing, "question": absent[key].question, "answer": absent[key].answer}
            taken = max(time.monotonic() - began, 1e-6)
            size = min(MOST, max(1, int(min(4 * size, len(batch) * KEEP_SECONDS / taken))))
            if time.monotonic() - saved > KEEP_SECONDS:
                keep()
                saved = time.monotonic()
    finally:  # also when cancelled
        keep()
    return by_key


def _batch(
    measure: AnswerMeasure, cases: list[AnswerCase], tools: JudgeTools, step: Progress
) -> Generator[Progress, None, list[AnswerScore]]:
    made = yield from counted_within(measure.score(cases, tools), step)
    if len(made) != len(cases):
        raise broken_part("measure", measure.part, f"gives {len(made):,} scores for {len(cases):,} answers")
    return made


def characters(case: AnswerCase) -> int:
    """Of all its texts."""
    return sum(map(len, (case.question, case.answer, *case.passages, *case.references)))


def _unmeasured(measure: AnswerMeasure, case: AnswerCase) -> AnswerScore | None:
    why = measure.unmeasurable(case)
    return AnswerScore(math.nan, why) if why else None


def _score(value: dict[str, Any]) -> AnswerScore:
    """A score from the plain values that it is kept as."""
    claims = (Claim(**each) for each in value["claims"])
    return AnswerScore(
        _number(value["value"]),
        value["reason"],
        tuple(c._replace(score=_number(c.score), evidence=c.evidence and tuple(c.evidence)) for c in claims),
        tuple(WrongWords(**each) for each in value["words"]),
        value["detail"],
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _keys(measure: AnswerMeasure, cases: Sequence[AnswerCase], tools: JudgeTools) -> list[str]:
    """Identity of each score: of the measure as it is, and of the case."""
    asked = [tools.encoder.identity()] if measure.encodes else []
    if measure.asks_model:
        asked += [tools.generator, tools.generator.identity(), tools.seed]
    name = fingerprint(measure, measure.identity(), code_version(type(measure)), asked)
    contents = (repr(case._replace(covered=tuple(map(sorted, case.covered)))) for case in cases)  # sets have no order
    return [name + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest() for text in contents]
