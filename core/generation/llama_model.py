"""A GGUF file loaded with llama.cpp, its attention cache, and one answer at a time."""

import codecs
import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from core.context.prompt import reading_order
from core.errors import WorkbenchError
from core.generation import llama_batch
from core.generation.copying import Copying
from core.generation.local_model import Draft, LocalModel, in_time
from core.generation.protocol import Generated, Read, filled, marked
from core.models import amx
from core.models.identity import file_hash
from core.progress import Running

# Spins of a thread that waits for its siblings before it sleeps; libgomp reads this once, when torch or llama.cpp first
# loads it. Its default of milliseconds is ruinous where other work shares the cores: on two of them 5 tokens/s instead
# of 33, at four times the load. With 1,000 a quiet machine still reaches its full speed (118 tokens/s), with 0 only 45.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Prompt tokens evaluated together. Pieces of 64 cost a quarter more time, larger ones are hardly faster on a CPU and wait
# longer for a cancel.
PIECE = 128


class LlamaModel(LocalModel):
    """One GGUF file as llama.cpp has loaded it."""

    piece = PIECE

    def __init__(self, path: Path, context_tokens: int, threads: int, gpu_layers: int) -> None:
        import llama_cpp

        super().__init__()
        log: list[str] = []
        self._log = llama_cpp.llama_log_callback(lambda level, text, data: log.append(text.decode("utf-8", "replace")))
        llama_cpp.llama_log_set(self._log, ctypes.c_void_p(0))  # kept for the error below, never printed
        try:
            with amx.left_out():
                self.llama = llama_cpp.Llama(
                    str(path),
                    n_ctx=context_tokens,
                    n_gpu_layers=gpu_layers,
                    n_threads=threads,
                    n_threads_batch=threads,
                    verbose=False,
                )
        except Exception as error:  # the binding raises ValueError, RuntimeError or AttributeError
            said = next((line.strip() for line in log if "error" in line), str(error))
            raise WorkbenchError(
                f"llama.cpp cannot load the model: {said}",
                where=str(path),
                todo="The file may be cut short: compare its size and checksum with the publisher's.",
            ) from None
        finally:
            quiet()
        self.path, self.name = path, path.stem
        weakref.finalize(self, _close, self.llama, self.lock)  # at exit too, while llama_cpp's functions still exist
        self.threads, self.vocabulary = threads, self.llama.n_vocab()
        self._vocab = llama_cpp.llama_model_get_vocab(self.llama.model)
        trained = int(self.llama.metadata.get(f"{self.llama.metadata.get('general.architecture')}.context_length", 0))
        if trained and context_tokens > trained:
            raise WorkbenchError(
                f"The model was trained for {trained:,} tokens of context, not {context_tokens:,}.",
                where=str(path),
                todo=f"Set generation.context_tokens to {trained} at most.",
            )

    @cached_property
    def sha256(self) -> str:
        return file_hash(self.path)

    def tokenize(self, text: str, special: bool = False, begins: bool = False) -> list[int]:
        return self.llama.tokenize(text.encode("utf-8", "replace"), add_bos=begins, special=special)

    def prompt(self, messages: list[dict[str, str]]) -> Read:
        """The whole prompt in the model's own chat template."""
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        template, marks = self.llama.metadata.get("tokenizer.chat_template"), marked(messages)
        if template:
            bos, eos = (self.text_of(token) for token in (self.llama.token_bos(), self.llama.token_eos()))
            frame = Jinja2ChatFormatter(template=template, bos_token=bos, eos_token=eos)(messages=marks).prompt
        else:  # a base model continues plain text
            frame = "\n\n".join(mark["content"] for mark in marks) + "\n"
        return filled(frame, messages, self, PIECE)

    def keep(self, tokens: int) -> int:
        self.llama.n_tokens = tokens  # eval() drops what the attention cache holds beyond it
        return tokens

    def evaluate(self, tokens: list[int], at: int) -> None:
        self.llama.eval(tokens)

    def logits(self) -> Any:
        import numpy as np

        row = self.llama._ctx.get_logits_ith(-1)  # no `logits_all`: that would keep a row for each place of the context
        return np.ctypeslib.as_array(row, shape=(self.vocabulary,)).copy()

    def decoder(self) -> Callable[[int | None], str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return lambda token: decoder.decode(b"" if token is None else self.bytes_of(token), final=token is None)

    def answer(
        self, knobs: Any, messages: list[dict[str, str]], seed: int, started: float, deadline: float, rules: Copying | None = None
    ) -> Generator[str, None, Generated]:
        draft = self.draft(knobs, messages, rules)
        reading = self.read(draft.prompt, None if knobs.reuse_prefix else 0)
        reused = next(reading)
        for _ in reading:
            yield ""
            if time.perf_counter() > deadline:
                break
        self.llama.set_seed(seed)
        sampler = self.llama._init_sampler(**self._sampling(knobs, draft))
        drawn: list[int] = []
        while True:
            piece = "".join(draft.add(token, self, self.logits) for token in drawn)
            forced = draft.forced()
            yield piece + "".join(draft.add(token, self, self.logits) for token in forced if not draft.reason)
            if not draft.reason and time.perf_counter() > deadline:
                yield draft.end("deadline")
            if draft.reason:
                break
            if new := [*drawn, *forced]:  # evaluated together
                self.llama.eval(new)
            drawn = [sampler.sample(self.llama._ctx, -1)]
        return self.generated(knobs, draft, reused, started)

    def answers(
        self, knobs: Any, prompts: list[list[dict[str, str]]], seeds: list[int], deadline: float
    ) -> Generator[int, None, list[Generated]]:
        started = time.perf_counter()
        drafts = [self.draft(knobs, messages) for messages in prompts]
        for draft, seed in zip(drafts, seeds, strict=True):
            self.llama.set_seed(seed)
            draft.sampler = self.llama._init_sampler(**self._sampling(knobs, draft))
        answers: list[Generated] = []
        while drafts[len(answers) :]:
            some = llama_batch.side_by_side(drafts[len(answers) :])
            shared = yield from llama_batch.write(self, some, deadline)
            answers += [self.generated(knobs, draft, shared, started) for draft in some]
        return answers

    def answer_logprobs(
        self, knobs: Any, prompts: Sequence[list[dict[str, str]]], answers: list[str], deadline: float
    ) -> Generator[int, None, list[list[list[float]]]]:
        told, columns = [self.tokenize(answer) for answer in answers], []
        for messages in prompts:
            prompt = self.prompt(messages)
            self.room(knobs, len(prompt.tokens) + max(map(len, told)))
            for _ in (running := Running(llama_batch.logprobs(self, prompt.tokens, told))):
                yield 0
                in_time(deadline)
            columns.append(running.result)
        return [list(rows) for rows in zip(*columns, strict=True)]

    def order(self, prompts: list[list[dict[str, str]]]) -> list[int]:
        return reading_order(prompts)

    def _sampling(self, knobs: Any, draft: Draft) -> dict[str, Any]:
        """The knobs by the names that llama.cpp's binding has for them."""
        import llama_cpp

        bound: dict[str, Any] = {}
        if draft.rules:
            bound["logits_processor"] = llama_cpp.LogitsProcessorList([lambda _, logits: draft.bound(logits)])
        return {
            "temp": knobs.temperature,
            "top_k": knobs.top_k,
            "top_p": knobs.top_p,
            "min_p": knobs.min_p,
            "repeat_penalty": knobs.repeat_penalty,
            **bound,
        }

    @cached_property
    def grammar_tokens(self) -> Any:
        from llguidance.llamacpp import lltokenizer_from_vocab

        return lltokenizer_from_vocab(self._vocab, eos_token=sorted(self.ends))

    @cached_property
    def ends(self) -> frozenset[int]:
        import llama_cpp

        return frozenset(i for i in range(self.llama.n_vocab()) if llama_cpp.llama_vocab_is_eog(self._vocab, i))

    def bytes_of(self, token: int, special: bool = False) -> bytes:
        # not Llama.detokenize: its 32-byte buffer garbles longer tokens
        import llama_cpp

        buffer = ctypes.create_string_buffer(1024)
        size = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, 1024, 0, special)
        return buffer.raw[: max(0, size)]

    def text_of(self, token: int) -> str:
        return self.bytes_of(token, special=True).decode("utf-8", "replace") if token >= 0 else ""


def _close(llama, lock: threading.Lock) -> None:
    if lock.acquire(blocking=False):  # a thread that still writes at exit keeps its model
        llama.close()


def quiet() -> None:
    """Keeps llama.cpp's own words out of the terminal."""
    import llama_cpp

    llama_cpp.llama_log_set(_silent(), ctypes.c_void_p(0))


@lru_cache(maxsize=1)
def _silent():
    import llama_cpp

    return llama_cpp.llama_log_callback(lambda level, text, data: None)
