"""Where the model looks while it reads a question with its passages, as `ask` would build the prompt."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from core.config import ContextConfig, TrialConfig, fingerprint, with_settings
from core.context import prompt
from core.context.citations import plain
from core.errors import WorkbenchError
from core.labs.inside.model import LoadedTransformer, load
from core.records import Hit, Progress, Query
from core.workbench import Workbench

MOST_TOKENS = 384  # of a prompt whose maps are kept: with SmolLM2 80 MB as float16


@dataclass(frozen=True)
class PromptAttention:
    """Where the model looks in one prompt. maps: [layers, heads, queries, keys] float16."""

    question: str
    hits: tuple[Hit, ...]  # as the prompt has them, cut
    text: str
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    spans: dict[str, tuple[int, int]]  # part of the prompt -> tokens [start, end)
    maps: np.ndarray


class AttentionShare(NamedTuple):
    """Of the queries asked about, by head: entropy in bits [layers, heads] and the parts' shares [layers, heads, parts]."""

    parts: tuple[str, ...]
    entropy_bits: np.ndarray
    mass: np.ndarray


def searchable(workbench: Workbench, config: TrialConfig) -> TrialConfig:
    """The recipe, or its search by words alone where embedding the corpus would keep a person waiting."""
    return config if workbench.plan(config).live else with_settings(config, {"fusion": "sparse_only"})


def look(
    workbench: Workbench, config: TrialConfig, question: Query, passages: int, passage_tokens: int
) -> Generator[Progress, None, PromptAttention]:
    """Attention of the prompt that `ask` would build from the question's best passages, each cut to so many tokens around
    its gold evidence, or to its first ones. Remembered."""
    yield Progress(0, 3, "Searching the passages")
    hits = workbench.search(searchable(workbench, config), question.text)[:passages]
    yield Progress(1, 3, "Loading the model")
    tools = yield from load()
    short = [_cut(hit, question, tools.tokenizer, passage_tokens) for hit in hits]
    yield Progress(2, 3, "Reading the prompt")
    key = fingerprint(question.text, [(hit.document_id, hit.start, hit.text) for hit in short])
    return workbench.pipeline.remember("attention", key, lambda: look_at(tools, question.text, short))


def look_at(tools: LoadedTransformer, question: str, hits: list[Hit]) -> PromptAttention:
    from core.scratch.models import attention

    text, characters = _prompt(tools, question, hits)
    read = attention.read(tools.tokenizer, text)
    if len(read.ids) > MOST_TOKENS:
        raise WorkbenchError(
            f"The prompt has {len(read.ids):,} tokens; maps are kept of at most {MOST_TOKENS}.",
            todo="Take fewer passages, or fewer tokens of each.",
        )
    spans = attention.token_spans(read, characters)
    return PromptAttention(
        question, tuple(hits), text, tuple(read.tokens), tuple(read.offsets), spans, attention.maps(tools.model, read.ids)
    )


def attention_share(looked: PromptAttention, query: int) -> AttentionShare:
    """Of one asking token, from the maps alone."""
    from core.scratch.models import attention

    some = looked.maps[:, :, query].astype(np.float32)  # [layers, heads, keys]
    names = (*looked.spans, attention.FIRST, attention.REST)
    owner = np.full(some.shape[-1], len(names) - 1)
    for number, (start, end) in enumerate(looked.spans.values()):
        owner[start:end] = number
    owner[0] = len(names) - 2
    return AttentionShare(names, attention.entropy_bits(some), attention.mass(some, owner, len(names)))


def _prompt(tools: LoadedTransformer, question: str, hits: list[Hit]) -> tuple[str, dict[str, tuple[int, int]]]:
    """The chat as the model reads it, and where its parts stand in it."""
    from jinja2.sandbox import SandboxedEnvironment

    context = ContextConfig(passages=max(1, len(hits)), max_tokens=10_000)
    built = prompt.build(question, hits, context, lambda text: 0)
    text = SandboxedEnvironment().from_string(tools.template).render(messages=built.messages, add_generation_prompt=True)
    content = built.messages[0]["content"]
    at, spans = text.index(content), {"instructions": (0, len(prompt.INSTRUCTIONS))}
    for number, hit in enumerate(built.used, 1):
        passage = f"[{number}] {plain(hit.text)}"
        start = content.index(passage, list(spans.values())[-1][1])
        spans[f"[{number}]"] = start, start + len(passage)
    asked = content.rindex(f"Question: {plain(question)}")
    spans["question"] = asked, content.rindex(f"\n{prompt.REMINDERS[context.length]}")
    return text, {name: (at + start, at + end) for name, (start, end) in spans.items()}


def _cut(hit: Hit, question: Query, tokenizer: Any, most: int) -> Hit:
    """So many tokens of a passage: around its gold evidence, where it holds some, else its first."""
    offsets = tokenizer.encode(hit.text, add_special_tokens=False).offsets
    if len(offsets) <= most:
        return hit
    gold = [g.start - hit.start for g in question.gold if g.document_id == hit.document_id and hit.start <= g.start < hit.end]
    first = next((i for i, (_, end) in enumerate(offsets) if gold and end > min(gold)), 0)
    first = min(max(0, first - most // 4), len(offsets) - most)
    start, end = offsets[first][0], offsets[first + most - 1][1]
    return Hit(
        hit.rank,
        hit.score,
        hit.document_id,
        hit.title,
        hit.start + start,
        hit.start + end,
        hit.text[start:end],
        hit.page,
        hit.scores,
    )
