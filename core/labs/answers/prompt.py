"""The prompt of a recipe for any question, counted and without an answer; and two templates beside each other."""

import re
from collections.abc import Generator
from difflib import SequenceMatcher
from typing import NamedTuple

from core.config import ContextConfig, TrialConfig
from core.context.prompt import build, written
from core.context.template import BUILT_IN
from core.generation.loading import loaded
from core.pipeline.provenance import source_of
from core.records import Hit, Progress
from core.workbench import Workbench

_WORDS = re.compile(r"\s+|\$\{?\w+\}?|\w+|.")


class PromptPreview(NamedTuple):
    """What the model would read, in tokens of its own count. window: room for prompt and answer, where the engine tells."""

    text: str
    passages: tuple[Hit, ...]
    left_out: tuple[Hit, ...]
    notes: tuple[str, ...]
    prompt_tokens: int  # with the marks of the chat, where the engine tells them
    passage_tokens: int
    around_tokens: int  # of the same prompt without its passages
    answer_tokens: int  # at most
    window: int | None


class TemplatePiece(NamedTuple):
    """Words of two templates. side: "both", "first" or "second"."""

    text: str
    side: str


def preview(workbench: Workbench, config: TrialConfig, question: str) -> Generator[Progress, None, PromptPreview]:
    """The prompt that `ask` would send. Loads the model, whose tokens are counted, and runs nothing."""
    run = yield from workbench.pipeline.resolve(config)
    hits, part = workbench.search(run, question), config.generation.usable()
    yield from loaded(part)
    made = build(question, hits, config.context, part.count_tokens, source_of(workbench.pipeline, run), part.holds)
    text = made.messages[0]["content"]
    return PromptPreview(
        text,
        made.used,
        made.left_out,
        made.notes,
        len(part.read(made.messages).tokens) if part.local else part.count_tokens(text),
        made.passage_tokens,
        part.count_tokens(written(question, (), config.context)[0]["content"]),
        part.max_tokens,
        part.context_tokens if part.local else None,
    )


def template_texts(context: ContextConfig) -> dict[str, str]:
    """The templates in use: "template" and "passage"."""
    return {kind: getattr(context, kind) or usual for kind, usual in BUILT_IN.items()}


def template_difference(first: str, second: str) -> list[TemplatePiece]:
    """What both have, and what one has alone, by words, in the order of the texts."""
    a, b = _WORDS.findall(first), _WORDS.findall(second)
    pieces = []
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        sides = [("both", a[a0:a1])] if kind == "equal" else [("first", a[a0:a1]), ("second", b[b0:b1])]
        pieces += [TemplatePiece("".join(words), side) for side, words in sides if words]
    return pieces
