"""Several answers at once through llama.cpp's batches: what the prompts share is read once, and each step writes one
token of every answer, so the weights are fetched from memory once for all of them.
"""

import codecs
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from core.context.prompt import reading_order
from core.errors import WorkbenchError
from core.generation.protocol import Generated, Shown, Token
from core.progress import Running
from core.records import Progress

ROOM = 512  # tokens of one call to llama.cpp


@dataclass
class Row:
    """One answer as it grows."""

    number: int  # of the prompt, as it was given
    prompt: Any  # protocol.Read
    room: int
    shown: Shown
    sampler: Any
    decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    written: list[int] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    reason: str = ""
    first_s: float = 0.0


def answers(
    engine: Any, knobs: Any, prompts: list[list[dict[str, str]]], seeds: list[int], deadline: float, batch: int
) -> Generator[Progress, None, list[Generated]]:
    """One answer a prompt, in the order given; only the holder of the engine's lock may call it."""
    order, found = reading_order(prompts), {}
    for at in range(0, len(order), batch):
        group = order[at : at + batch]
        steps = _together(engine, knobs, {n: (prompts[n], seeds[n]) for n in group}, deadline)
        for tokens in (running := Running(steps)):
            yield Progress(at, len(prompts), f"{len(group)} answers at once, {tokens} tokens")
        found.update(running.result)
    return [found[n] for n in range(len(prompts))]


def _together(engine: Any, knobs: Any, asked: dict[int, Any], deadline: float) -> Generator[int, None, dict[int, Generated]]:
    """Yields the number of tokens written so far."""
    import llama_cpp
    from llama_cpp import _internals

    started, rows = time.perf_counter(), []
    for number, (messages, seed) in asked.items():
        prompt = engine.prompt(messages)
        room, grammar = engine.room(knobs, len(prompt.tokens))
        engine.llama.set_seed(seed)
        sampler = engine.llama._init_sampler(
            temp=knobs.temperature,
            top_k=knobs.top_k,
            top_p=knobs.top_p,
            min_p=knobs.min_p,
            repeat_penalty=knobs.repeat_penalty,
            grammar=grammar,
        )
        rows.append(Row(number, prompt, room, Shown(knobs.stop), sampler))
    shared = _common([row.prompt.tokens for row in rows])
    how = llama_cpp.llama_context_default_params()
    how.n_ctx = shared + sum(len(row.prompt.tokens) - shared + row.room for row in rows)
    how.n_seq_max, how.kv_unified, how.n_batch, how.n_ubatch = len(rows), True, ROOM, ROOM
    how.n_threads = how.n_threads_batch = engine.threads
    context = llama_cpp.llama_init_from_model(engine.llama.model, how)
    if not context:
        raise WorkbenchError(f"There is no memory for {len(rows)} answers at once.", todo="Ask for fewer at a time.")
    try:
        batch = _internals.LlamaBatch(n_tokens=ROOM, embd=0, n_seq_max=1, verbose=False)

        def decode(entries: list[tuple[int, int, int, bool]]) -> None:
            """Entries are (token, place, sequence, whether its logits are wanted)."""
            own = batch.batch
            own.n_tokens = len(entries)
            for i, (token, place, sequence, wanted) in enumerate(entries):
                own.token[i], own.pos[i], own.logits[i] = token, place, wanted
                own.n_seq_id[i], own.seq_id[i][0] = 1, sequence
            if code := llama_cpp.llama_decode(context, own):
                raise WorkbenchError(f"llama.cpp could not compute the batch (code {code}).", todo="Ask for fewer at a time.")

        def write(row: Row, place: int) -> None:
            token = llama_cpp.llama_sampler_sample(row.sampler.sampler, context, place)
            row.first_s = row.first_s or time.perf_counter() - started
            if token in engine.ends:
                row.reason = "stop"
                return
            row.written.append(token)
            if knobs.logprobs:
                row.tokens.append(engine.token(token, _logits(context, place, engine.llama.n_vocab()), knobs.logprobs))
            row.shown.add(row.decoder.decode(engine.bytes_of(token)))
            if row.shown.stopped:
                row.reason = "stop"
            elif len(row.written) >= row.room:
                row.reason = "length"

        start = rows[0].prompt.tokens[:shared]
        rest = [
            (token, shared + i, sequence, i + 1 == len(row.prompt.tokens) - shared)
            for sequence, row in enumerate(rows)
            for i, token in enumerate(row.prompt.tokens[shared:])
        ]
        for at in range(0, shared, ROOM):
            decode([(token, at + i, 0, False) for i, token in enumerate(start[at : at + ROOM])])
            yield 0
        memory = llama_cpp.llama_get_memory(context)
        for sequence in range(1, len(rows)):
            llama_cpp.llama_memory_seq_cp(memory, 0, sequence, 0, shared)
        for at in range(0, len(rest), ROOM):
            part = rest[at : at + ROOM]
            decode(part)
            for place, (_, _, sequence, wanted) in enumerate(part):
                if wanted:
                    write(rows[sequence], place)
            yield 0
        while live := [(sequence, row) for sequence, row in enumerate(rows) if not row.reason]:
            if time.perf_counter() > deadline:
                for _, row in live:
                    row.reason = "deadline"
                break
            decode([(row.written[-1], len(row.prompt.tokens) + len(row.written) - 1, sequence, True) for sequence, row in live])
            for place, (_, row) in enumerate(live):
                write(row, place)
            yield sum(len(row.written) for row in rows)
        for row in rows:
            row.shown.add(row.decoder.decode(b"", final=True), last=True)
        return {
            row.number: engine.generated(
                knobs, row.prompt, row.shown.text, row.reason, len(row.written), tuple(row.tokens), shared, started, row.first_s
            )
            for row in rows
        }
    finally:
        llama_cpp.llama_free(context)


def _common(tokens: list[list[int]]) -> int:
    """Length of the start that all share, leaving each at least one token of its own."""
    first, last = min(tokens), max(tokens)
    most = min(map(len, tokens)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def _logits(context: Any, place: int, vocabulary: int) -> Any:
    import llama_cpp
    import numpy as np

    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, place), shape=(vocabulary,))
