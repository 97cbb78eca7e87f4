"""What measures ask a generator: every text is kept by content, and one that fails ends none of the others."""

import math
import tempfile
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar

from core.config import PartConfig, knob
from core.errors import WorkbenchError
from core.files import read_json
from core.generation import structured
from core.generation.model_texts import FINAL, ModelText, Request, TextTools, at_hand, untaught, written
from core.judging.measure import AnswerMeasure, AnswerScore, JudgeTools
from core.records import Progress

NOT_KEPT = "the judge was not asked this, or its answer is not kept"
WINDOW = 8192  # tokens that a judge of this machine reads at least: its instructions are long


class ByRuns(AnswerMeasure):
    """Base of measures for which a judge is asked several times."""

    asks_model: ClassVar[bool] = True
    topic: ClassVar[str] = "judge"
    runs: int = knob(
        3, "Times that each answer is scored, by other draws of the judge. Fewer tell nothing of its noise.", ge=1, le=20
    )
    temperature: float = knob(
        0.3,
        "Of the judge, where its engine has one. At 0 a local judge repeats itself, and its noise is not seen.",
        ge=0.0,
        le=2.0,
    )


def replies(tools: JudgeTools, requests: Sequence[Request]) -> Generator[Progress, None, list[ModelText]]:
    """The text to each request; where there is none, `why_none` tells.

    A service that fails three times in a row is asked no more: what was not asked has failed with its words, what was written
    is kept, and asking again asks for the rest only. With `tools.log` nothing is asked, and what was is told there.
    """
    with ExitStack() as stack:
        home = tools.texts or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="groundwork-")))
        writer, long = TextTools(judge_of(tools.generator), tools.seed, home, None), [""] * len(requests)
        if tools.log is not None:
            stored = [text or _none(NOT_KEPT) for text in at_hand(writer, requests)]
            tools.log.extend(zip(requests, stored, strict=True))
            return stored
        try:
            long = [too_long(writer.generator, request) for request in requests]
            asked = [request for request, why in zip(requests, long, strict=True) if not why]
            texts: Sequence[ModelText | None] = yield from written(writer, asked)
        except WorkbenchError as error:
            asked = [request for request, why in zip(requests, long, strict=True) if not why]
            texts = [text or _none(f"failed: {error.what}") for text in at_hand(writer, asked)]
        made = iter(texts)
        return [_none(why) if why else next(made) for why in long]


def fields_of(tools: JudgeTools, requests: Sequence[Request]) -> Generator[Progress, None, list[tuple[dict[str, Any], str]]]:
    """Of each request what its JSON schema names, as the judge wrote it, or {} with why there is nothing."""
    texts = yield from replies(tools, requests)
    whys = [why_none(text) or unfit(text.text, request.json_schema) for text, request in zip(texts, requests, strict=True)]
    return [({}, why) if why else (read_json(text.text), "") for text, why in zip(texts, whys, strict=True)]


def judge_of(generator: PartConfig) -> PartConfig:
    """The generator, without the adapter that ships, and with a window that holds what a judge reads."""
    generator = untaught(generator)
    if not generator.local or generator.context_tokens >= WINDOW:
        return generator
    return generator.model_copy(update={"context_tokens": WINDOW})


def why_none(text: ModelText) -> str:
    """Why the text is none, in the words of a score's reason: "failed" where another try may help; "": it is one."""
    if text.text:
        return ""
    why = text.finish_reason.removeprefix("failed: ")
    if why.startswith("not "):
        return f"the judge's answer is {why}"
    return why if text.finish_reason == why else f"the judge: {why}" if text.finish_reason.startswith(FINAL) else f"failed: {why}"


def unfit(text: str, schema: str) -> str:
    """Why an answer is none of the schema, as of a generator that no schema binds; "": it is one."""
    why = structured.problem(text, schema)
    return f"the judge's answer is {why}" if why else ""


def too_long(generator: PartConfig, request: Request) -> str:
    """Why a model of this machine cannot read the request; "": it can, or its service will tell."""
    if not generator.local:
        return ""
    answer = structured.grammar(request.json_schema).longest if request.json_schema else request.max_tokens
    used, room = len(generator.read(request.messages).tokens) + answer, generator.context_tokens
    return f"prompt and answer may take {used:,} tokens, and the model reads {room:,}" if used > room else ""


def of_runs(outcomes: Sequence[tuple[float, str]], logs: Sequence[list[Any]], limits: tuple[float, float]) -> AnswerScore:
    """One score of several runs: their mean, and how far they lie apart. A run without a value is counted with its reason."""
    values = [value for value, _ in outcomes if math.isfinite(value)]
    whys = Counter(why for value, why in outcomes if not math.isfinite(value))
    detail = {
        "runs": [value if math.isfinite(value) else None for value, _ in outcomes],
        "spread": stdev(values) if len(values) > 1 else None,
        "unmeasured": dict(whys),
        "replies": list(logs),
    }
    again = next((why for why in whys if why.startswith("failed")), "")
    if again or not values:
        told = f"{again or whys.most_common(1)[0][0]}; {len(values)} of {len(outcomes)} runs have a value"
        return AnswerScore(math.nan, told, detail=detail)
    return AnswerScore(min(limits[1], max(limits[0], fmean(values))), detail=detail)  # a cosine may be 1 and a rounding


def _none(why: str) -> ModelText:
    return ModelText("", why, None, None, 0.0)
