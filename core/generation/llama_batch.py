"""Several answers at once through llama.cpp's batches: what the prompts share is read once, and each step writes one
token of every answer, so the weights are fetched from memory once for all of them.
"""

import time
from collections.abc import Generator
from typing import Any

from core.errors import WorkbenchError
from core.generation.local_model import Draft

ROOM = 512  # tokens of one call to llama.cpp


def write(model: Any, drafts: list[Draft], deadline: float) -> Generator[int, None, int]:
    """Writes the answers to their ends, each with its own sampler; returns how many tokens their prompts share. Yields
    the number of tokens written so far."""
    import llama_cpp
    from llama_cpp import _internals

    shared = _common([draft.prompt.tokens for draft in drafts])
    how = llama_cpp.llama_context_default_params()
    how.n_ctx = shared + sum(len(draft.prompt.tokens) - shared + draft.room for draft in drafts)
    how.n_seq_max, how.kv_unified, how.n_batch, how.n_ubatch = len(drafts), True, ROOM, ROOM
    how.n_threads = how.n_threads_batch = model.threads
    context = llama_cpp.llama_init_from_model(model.llama.model, how)
    if not context:
        raise WorkbenchError(f"There is no memory for {len(drafts)} answers at once.", todo="Ask for fewer at a time.")
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

        def add_token(draft: Draft, place: int) -> None:
            token = llama_cpp.llama_sampler_sample(draft.sampler.sampler, context, place)
            draft.add(token, model, lambda: _logits(context, place, model.vocabulary))

        start = drafts[0].prompt.tokens[:shared]
        rest = [
            (token, shared + i, sequence, i + 1 == len(draft.prompt.tokens) - shared)
            for sequence, draft in enumerate(drafts)
            for i, token in enumerate(draft.prompt.tokens[shared:])
        ]
        for at in range(0, shared, ROOM):
            decode([(token, at + i, 0, False) for i, token in enumerate(start[at : at + ROOM])])
            yield 0
        memory = llama_cpp.llama_get_memory(context)
        for sequence in range(1, len(drafts)):
            llama_cpp.llama_memory_seq_cp(memory, 0, sequence, 0, shared)
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
