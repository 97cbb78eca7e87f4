"""Several answers at once through llama.cpp's batches: what the prompts share is read once, and each step writes one
token of every answer, so the weights are fetched from memory once for all of them.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from core.errors import WorkbenchError
from core.generation.local_model import Draft
from core.generation.odds import log_softmax

ROOM = 512  # tokens of one call to llama.cpp
# tokens of prompts that are read side by side: each looks past those of the others, which at 13,000 takes a quarter longer than one
# prompt after the other
TOGETHER = 3_000
SEQUENCES, PLACES = 32, 64  # answers that are read at once, and of them tokens, whose logits are all kept


def write(model: Any, drafts: list[Draft], deadline: float) -> Generator[int, None, int]:
    """Writes the answers to their ends, each with its own sampler; returns how many tokens their prompts share. Yields
    the number of tokens written so far."""
    import llama_cpp

    shared = _common([draft.prompt.tokens for draft in drafts])
    with _opened(model, shared + sum(len(draft.prompt.tokens) - shared + draft.room for draft in drafts), len(drafts)) as opened:
        context, decode = opened

        def add_token(draft: Draft, place: int) -> None:
            token = llama_cpp.llama_sampler_sample(draft.sampler.sampler, context, place)
            draft.add(token, model, lambda: _logits(context, place, model.vocabulary))

        rest = [
            (token, shared + i, sequence, i + 1 == len(draft.prompt.tokens) - shared)
            for sequence, draft in enumerate(drafts)
            for i, token in enumerate(draft.prompt.tokens[shared:])
        ]
        for _ in _begun(opened, drafts[0].prompt.tokens[:shared], len(drafts)):
            yield 0
        for at in range(0, len(rest), ROOM):
            part = rest[at : at + ROOM]
            decode(part)
            for place, (_, _, sequence, wanted) in enumerate(part):
                if wanted:
                    add_token(drafts[sequence], place)
            yield 0
        while live := [(sequence, draft) for sequence, draft in enumerate(drafts) if not draft.reason]:
            if time.perf_counter() > deadline:
                for _, draft in live:
                    draft.end("deadline")
                break
            decode([(draft.ids[-1], len(draft.prompt.tokens) + len(draft.ids) - 1, sequence, True) for sequence, draft in live])
            for place, (_, draft) in enumerate(live):
                add_token(draft, place)
            yield sum(len(draft.ids) for draft in drafts)
        return shared


def logprobs(model: Any, prompt: list[int], answers: list[list[int]]) -> Generator[None, None, list[list[float]]]:
    """Of each answer behind the prompt the natural log-probability of each token, and last that of an end."""
    if len(answers) > SEQUENCES:
        first = yield from logprobs(model, prompt, answers[:SEQUENCES])
        return first + (yield from logprobs(model, prompt, answers[SEQUENCES:]))
    before = len(prompt) - 1
    tables: list[list[float]] = [[] for _ in answers]
    rest = [
        (token, before + i, sequence, True) for sequence, own in enumerate(answers) for i, token in enumerate([prompt[-1], *own])
    ]
    with _opened(model, before + len(rest), len(answers)) as opened:
        context, decode = opened
        yield from _begun(opened, prompt[:-1], len(answers))
        for at in range(0, len(rest), PLACES):
            part = rest[at : at + PLACES]
            decode(part)
            for place, (_, _, sequence, _) in enumerate(part):
                row = log_softmax(_logits(context, place, model.vocabulary).astype(np.float64))
                follows = answers[sequence][len(tables[sequence]) :][:1] or sorted(model.ends)
                tables[sequence].append(float(np.logaddexp.reduce(row[follows])))
            yield
    return tables


Entry = tuple[int, int, int, bool]  # token, place, sequence, whether its logits are wanted
Opened = tuple[Any, Callable[[list[Entry]], None]]


@contextmanager
def _opened(model: Any, places: int, sequences: int) -> Iterator[Opened]:
    """(a context of its own for so many sequences, what computes entries there)."""
    import llama_cpp
    from llama_cpp import _internals

    how = llama_cpp.llama_context_default_params()
    how.n_ctx = places
    how.n_seq_max, how.kv_unified, how.n_batch, how.n_ubatch = sequences, True, ROOM, ROOM
    how.n_threads = how.n_threads_batch = model.threads
    context = llama_cpp.llama_init_from_model(model.llama.model, how)
    if not context:
        raise WorkbenchError(f"There is no memory for {sequences} answers at once.", todo="Ask for fewer at a time.")
    try:
        batch = _internals.LlamaBatch(n_tokens=ROOM, embd=0, n_seq_max=1, verbose=False)

        def decode(entries: list[Entry]) -> None:
            own = batch.batch
            own.n_tokens = len(entries)
            for i, (token, place, sequence, wanted) in enumerate(entries):
                own.token[i], own.pos[i], own.logits[i] = token, place, wanted
                own.n_seq_id[i], own.seq_id[i][0] = 1, sequence
            if code := llama_cpp.llama_decode(context, own):
                raise WorkbenchError(f"llama.cpp could not compute the batch (code {code}).", todo="Ask for fewer at a time.")

        yield context, decode
    finally:
        llama_cpp.llama_free(context)


def _begun(opened: Opened, start: list[int], sequences: int) -> Generator[None, None, None]:
    """Reads what all sequences begin with, once."""
    import llama_cpp

    context, decode = opened
    for at in range(0, len(start), ROOM):
        decode([(token, at + i, 0, False) for i, token in enumerate(start[at : at + ROOM])])
        yield
    memory = llama_cpp.llama_get_memory(context)
    for sequence in range(1, sequences):
        llama_cpp.llama_memory_seq_cp(memory, 0, sequence, 0, len(start))


def side_by_side(drafts: list[Draft]) -> list[Draft]:
    """The first of them, as many as are best written together: one at least, of short prompts all."""
    sizes = [len(draft.prompt.tokens) for draft in drafts]
    for count in range(2, len(drafts) + 1):
        shared = _common([draft.prompt.tokens for draft in drafts[:count]])
        if sum(sizes[:count]) - (count - 1) * shared > TOGETHER:
            return drafts[: count - 1]
    return drafts


def _common(tokens: list[list[int]]) -> int:
    """Length of the start that all share, leaving each at least one token of its own."""
    first, last = min(tokens), max(tokens)
    most = min(map(len, tokens)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def _logits(context: Any, place: int, vocabulary: int) -> Any:
    import llama_cpp

    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, place), shape=(vocabulary,))
