"""A GGUF file loaded with llama.cpp, its attention cache, and one answer at a time."""

import codecs
import ctypes
import os
import threading
import time
import weakref
from collections.abc import Generator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.generation import structured
from core.generation.protocol import Generated, Read, Shown, Token, filled, marked
from core.models import amx
from core.models.identity import file_hash

# Spins of a thread that waits for its siblings before it sleeps; libgomp reads this once, when torch or llama.cpp first
# loads it. Its default of milliseconds is ruinous where other work shares the cores: on two of them 5 tokens/s instead
# of 33, at four times the load. With 1,000 a quiet machine still reaches its full speed (118 tokens/s), with 0 only 45.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Prompt tokens evaluated together. Pieces of 64 cost a quarter more time, larger ones are hardly faster on a CPU and wait
# longer for a cancel.
PIECE = 128


class LlamaModel:
    """One loaded model with its attention cache. Only the holder of `lock` may call `answer`: llama.cpp aborts the
    whole process when two threads use one context."""

    def __init__(self, path: Path, context_tokens: int, threads: int, gpu_layers: int) -> None:
        import llama_cpp

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
        self.path, self.lock = path, threading.Lock()
        weakref.finalize(self, _close, self.llama, self.lock)  # at exit too, while llama_cpp's functions still exist
        self._held: tuple[list[int], list[int]] = [], []  # tokens in the attention cache, and the ends of their pieces
        self.threads = threads
        self._vocab = llama_cpp.llama_model_get_vocab(self.llama.model)
        trained = int(self.llama.metadata.get(f"{self.llama.metadata.get('general.architecture')}.context_length", 0))
        if trained and context_tokens > trained:
            raise WorkbenchError(
                f"The model was trained for {trained:,} tokens of context, not {context_tokens:,}.",
                where=str(path),
                todo=f"Set generation.context_tokens to {trained} at most.",
            )

    def acquire(self, deadline: float) -> Generator[str, None, None]:
        while not self.lock.acquire(timeout=0.05):
            if time.perf_counter() > deadline:
                raise WorkbenchError(
                    "The model was busy with another answer until the deadline.", todo="Try again, or stop the other answer."
                )
            yield ""

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        return self.llama.tokenize(text.encode("utf-8", "replace"), add_bos=False, special=special)

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

    def plain(self, text: str) -> Read:
        tokens = self.llama.tokenize(text.encode("utf-8", "replace"), add_bos=True, special=False)
        return Read(text, tokens, [*range(PIECE, len(tokens), PIECE), len(tokens)])

    def read(self, tokens: list[int], ends: list[int], reuse: int | None = None) -> Generator[int, None, None]:
        """Brings the tokens into the attention cache piece by piece; yields how many of them are there, at first those
        that still were, `reuse` at most. At least the last piece is evaluated anew, so that its logits are at hand."""
        had, had_ends = self._held
        kept = 0
        for end, other in zip(ends[:-1], had_ends, strict=False):
            if end != other or tokens[kept:end] != had[kept:end] or (reuse is not None and end > reuse):
                break
            kept = end
        self._held = [], []  # until all is read: what a cancelled or failed call leaves behind is not known
        self.llama.n_tokens = kept  # eval() drops what the attention cache holds beyond it
        yield kept
        for end in ends:
            if end > kept:
                self.llama.eval(tokens[self.llama.n_tokens : end])
                yield end
        self._held = tokens, ends

    def logits(self) -> Any:
        """Of the token after the last one evaluated, [vocabulary] float32."""
        import numpy as np

        found = self.llama._ctx.get_logits_ith(-1)  # no `logits_all`: that would keep a row for each place of the context
        return np.ctypeslib.as_array(found, shape=(self.llama.n_vocab(),)).copy()

    def next_logits(self, prompt: Read, written: Sequence[int]) -> Any:
        for _ in self.read(*self._with(prompt, written)):
            pass
        return self.logits()

    def logits_of(self, prompt: Read, answer: Sequence[int]) -> Any:
        import numpy as np

        rows = np.empty((len(answer), self.llama.n_vocab()), np.float32)
        if len(answer):
            for done in self.read(*self._with(prompt, answer[:-1]), reuse=len(prompt.tokens) - 1):
                if done >= len(prompt.tokens):
                    rows[done - len(prompt.tokens)] = self.logits()
        return rows

    def _with(self, prompt: Read, written: Sequence[int]) -> tuple[list[int], list[int]]:
        """Tokens and ends of the prompt and what was written, which is evaluated token by token, as `answer` does."""
        size = len(prompt.tokens)
        if size + len(written) >= self.llama.n_ctx():
            raise WorkbenchError(
                f"Prompt and answer have {size + len(written):,} tokens, more than the context.",
                todo="Raise generation.context_tokens.",
            )
        return [*prompt.tokens, *written], [*prompt.ends, *range(size + 1, size + len(written) + 1)]

    def answer(
        self, knobs: Any, messages: list[dict[str, str]], seed: int, started: float, deadline: float
    ) -> Generator[str, None, Generated]:
        prompt = self.prompt(messages)
        room, grammar = self.room(knobs, len(prompt.tokens))
        llama, first, reason, written, kept = self.llama, 0.0, "length", [], []
        shown = Shown(knobs.stop)
        reading = self.read(prompt.tokens, prompt.ends, None if knobs.reuse_prefix else 0)
        reused = next(reading)
        for _ in reading:
            yield ""
            if time.perf_counter() > deadline:
                reason = "deadline"
                break
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be spread over several tokens
        llama.set_seed(seed)
        sampled = llama.generate(
            prompt.tokens,
            temp=knobs.temperature,
            top_k=knobs.top_k,
            top_p=knobs.top_p,
            min_p=knobs.min_p,
            repeat_penalty=knobs.repeat_penalty,
            grammar=grammar,
        )
        while reason == "length" and len(written) < room:
            token = next(sampled)
            first = first or time.perf_counter() - started
            if token in self.ends:
                reason = "stop"
                break
            written.append(token)
            if knobs.logprobs:
                kept.append(self.token(token, self.logits(), knobs.logprobs))
            yield shown.add(decoder.decode(self.bytes_of(token)))
            if shown.stopped:
                reason = "stop"
            elif time.perf_counter() > deadline:
                reason = "deadline"
        if not shown.stopped:
            yield shown.add(decoder.decode(b"", final=True), last=True)
        return self.generated(knobs, prompt, shown.text, reason, len(written), tuple(kept), reused, started, first)

    def room(self, knobs: Any, prompt_tokens: int) -> tuple[int, Any]:
        """(tokens that the answer may have, the grammar that binds it or None)."""
        room = knobs.context_tokens - prompt_tokens  # llama.cpp itself rounds the context up to a multiple of 256
        if room < 1:
            raise WorkbenchError(
                f"The prompt has {prompt_tokens:,} tokens, and prompt and answer have room for {knobs.context_tokens:,}.",
                todo="Raise generation.context_tokens, or lower context.passages or context.max_tokens.",
            )
        if not knobs.json_schema:
            return min(room, knobs.max_tokens), None
        import llama_cpp

        rules = structured.fitting(knobs.json_schema, room)
        return room, llama_cpp.LlamaGrammar.from_string(rules.gbnf, verbose=False)

    def token(self, token: int, logits: Any, most: int) -> Token:
        import numpy as np

        shifted = logits.astype(np.float64) - logits.max()
        logprobs = shifted - np.log(np.exp(shifted).sum())
        best = np.argpartition(-logprobs, most)[:most]
        best = best[np.argsort(-logprobs[best], kind="stable")]
        return Token(
            self.text_of(token), float(logprobs[token]), tuple((self.text_of(i), float(logprobs[i])) for i in best.tolist())
        )

    def generated(
        self,
        knobs: Any,
        prompt: Read,
        text: str,
        reason: str,
        written: int,
        tokens: tuple[Token, ...],
        reused: int,
        started: float,
        first_s: float,
    ) -> Generated:
        text, reason = structured.finished(text, reason, knobs.json_schema)
        return Generated(
            text,
            reason,
            prompt.text,
            len(prompt.tokens),
            reused,
            written,
            1000 * first_s,
            1000 * (time.perf_counter() - started),
            self.path.stem,
            file_hash(self.path),
            tokens if text else (),
        )

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
