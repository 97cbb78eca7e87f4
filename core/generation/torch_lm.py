"""Answers from any causal language model through torch and transformers, on this machine."""

import json
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from core.config import knob
from core.embedding import llm_hidden
from core.errors import WorkbenchError
from core.generation import structured
from core.generation.local import Local
from core.generation.protocol import Generated, Read, Shown, Stops, Token, filled, logprobs_knob, marked, stop_knob
from core.jobs.child import end_others
from core.models import hardware, hub
from core.models.identity import file_hash, files_identity
from core.models.loading import check_weights, readable
from core.models.own_process import Own, at_model, own_process_knob
from core.models.text import encodable
from core.progress import Running
from core.records import Progress
from core.registry import part

PIECE = 256  # prompt tokens read at once; the caller can cancel in between
LAST = 64  # tokens of the answer that the repeat penalty looks back on, as llama.cpp does


@part("generator")
class Transformers(Local):
    """Any causal model of the transformers library: a folder, a name on the Hugging Face hub, a GGUF file, or the
    bundled SmolLM2-135M-Instruct.

    Choose it for CUDA and Apple GPUs, for models that exist only as safetensors, for many prompts in one batch, or to
    look inside the model; `llama_cpp` is faster on a CPU and takes quantised files as they are. A GGUF file is
    converted to bfloat16 once (some 20 s of processor time for the bundled one). Filters follow in llama_cpp's order: repeat penalty
    (Keskar et al. 2019, arXiv:1909.05858, section 4.1), top-k, top-p (Holtzman et al. 2020, arXiv:1904.09751, section 3.1), min-p
    (Nguyen et al. 2024, arXiv:2407.01082), then temperature. Rows of a batch have seeds of their own.
    """

    part: Literal["transformers"] = "transformers"
    model: str = knob("bundled", "The bundled SmolLM2-135M-Instruct, a GGUF file, or a causal model's folder or hub name.")
    download: bool = knob(False, "Fetch the model from the Hugging Face hub when it is not on this machine.")
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
        1.0, "Above 1 makes a token of the answer's last 64 less likely to come again.", ge=1.0, le=2.0, step=0.05
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
    stop: Stops = stop_knob()
    json_schema: str = structured.schema_knob()
    logprobs: int = logprobs_knob()
    device: Literal["auto", "cuda", "mps", "cpu"] = knob("auto", "Where it computes. Auto takes the GPU where there is one.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = knob(
        "auto", "Number format. Auto takes bfloat16 where the hardware is faster with it; answers may differ by a word."
    )
    reuse_prefix: bool = knob(
        True,
        "Keeps the shared start of successive prompts in memory, so the first token comes sooner. Off times every prompt cold.",
    )
    own_process: Own = own_process_knob()

    def identity(self) -> str:
        """What besides the knobs decides the text: the files' content, the engine, and where and in what it computes."""
        where = f"{self._device()} {self._dtype()}"
        return f"{_identity(self._source())[:20]} {where} transformers {version('transformers')} torch {version('torch')}"

    def absent(self) -> bool:
        return self.download and self._file() is None and hub.local_model(self.model) is None

    def fetch(self) -> None:
        hub.fetch_model(self.model)

    @at_model
    def load(self) -> "Engine | None":
        """The loaded model: one in this process, loaded anew only when the files, device or number format change; None
        where it is loaded in a process of its own."""
        global _loaded
        source, device, dtype = self._source(), self._device(), self._dtype()
        key = (_identity(source), device, dtype)
        with _loading:
            if _loaded is None or _loaded[0] != key:
                end_others(self.part)
                _loaded = None  # the old model's memory is free before the new one takes its own
                _loaded = (key, Engine(source, device, dtype))
            return _loaded[1]

    @at_model
    def import_engine(self) -> None:
        import torch  # noqa: F401
        from transformers import AutoModelForCausalLM  # noqa: F401

    @at_model
    def threads_in_use(self) -> int:
        import torch

        return torch.get_num_threads()

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
            [result] = yield from engine.answers(self, [messages], [seed], started, started + deadline_s)
            return result
        finally:
            engine.lock.release()

    @at_model
    def generate_many(
        self, prompts: list[list[dict[str, str]]], seeds: list[int] | None = None, deadline_s: float = 120.0, batch: int = 8
    ) -> Generator[Progress, None, list[Generated]]:
        """One answer to each prompt, `batch` of them computed together; seeds default to 0, 1, 2 …

        Rows of a batch are computed with other rounding than alone, so a greedy answer may differ by a word.
        """
        started, results = time.perf_counter(), []
        seeds = list(range(len(prompts))) if seeds is None else seeds
        engine = self.load()
        for _ in engine.acquire(started + deadline_s):
            yield Progress(0, len(prompts), "waiting for the model")
        try:
            for at in range(0, len(prompts), batch):
                some = slice(at, at + batch)
                steps = engine.answers(self, prompts[some], seeds[some], time.perf_counter(), started + deadline_s)
                for _ in (running := Running(steps)):
                    yield Progress(at, len(prompts), f"{len(prompts[some])} answers at once, token {engine.written:,}")
                results += running.result
            return results
        finally:
            engine.lock.release()

    @at_model
    def next_logits(self, prompt: Read, written: Sequence[int] = ()) -> Any:
        """Logits [vocabulary] float32 of the token that follows, the very numbers that `generate` has there.

        One step on from the call before costs one token.
        """
        engine = self.load()
        with engine.lock:
            return engine.next_logits(self, prompt, written)

    @at_model
    def logits_of(self, prompt: Read, answer: Sequence[int]) -> Any:
        """Logits [len(answer), vocabulary] float32 from which each token of the answer was chosen: as long as writing it."""
        engine = self.load()
        with engine.lock:
            return engine.logits_of(self, prompt, answer)

    def _device(self) -> str:
        return hardware.device() if self.device == "auto" else self.device

    def _dtype(self) -> str:
        return hardware.fast_dtype() if self.dtype == "auto" else self.dtype

    def _file(self) -> Path | None:
        """The GGUF file, where the model is one."""
        from core.generation.llama_engine import LlamaCpp

        if self.model == "bundled" or self.model.endswith(".gguf"):
            return LlamaCpp(model=self.model).path()
        return None

    def _source(self) -> Path:
        if file := self._file():
            return file
        if folder := hub.local_model(self.model):
            return folder
        raise WorkbenchError(
            f"The model '{self.model}' is not on this machine.",
            where="generation.model",
            todo="Turn on generation.download and prepare the recipe to fetch it, or give a local folder.",
        )


@dataclass
class Row:
    """One answer of a batch as it grows."""

    shown: Shown
    random: Any  # torch.Generator
    decoder: Any  # tokenizers' DecodeStream
    room: int
    follow: Any  # structured.Follower, or None
    ids: list[int] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    reason: str = ""
    first_at: float = 0.0
    ended_at: float = 0.0


class Engine:
    """One loaded model with its tokenizer. Only the holder of `lock` may call `answers`: two answers at once would take
    the same cores from each other, and twice the memory."""

    def __init__(self, source: Path, device: str, dtype: str) -> None:
        with readable(
            "transformers cannot load the model", str(source), "Give the folder of a whole causal model, or a GGUF file."
        ):
            self._open(source, device, dtype)
        self.lock, self.written = threading.Lock(), 0
        self._cache: Any = None  # of attention, one row, and what it holds: tokens and the ends of their pieces
        self._held: tuple[list[int], list[int]] = [], []

    def _open(self, source: Path, device: str, dtype: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

        llm_hidden.quiet()
        if device != "cpu" and not getattr(torch, "cuda" if device == "cuda" else "mps").is_available():
            raise WorkbenchError(f"There is no {device} here.", where="generation.device", todo="Set it to auto or cpu.")
        folder = source if source.is_dir() else llm_hidden.converted(source)
        self.model, loaded = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, output_loading_info=True
        )
        self.model = self.model.eval().to(device)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if (settings := folder / "generation_config.json").exists():
            json.loads(settings.read_text("utf-8"))  # transformers does without a damaged one, and does not know the end
        self._core = self.tokenizer.backend_tokenizer
        if missing := sorted(loaded["missing_keys"]):  # transformers would fill them with random numbers
            raise WorkbenchError(
                f"The model lacks {len(missing)} weights, such as {missing[0]}.",
                where=str(source),
                todo="Choose a model made for generation, such as Llama, Qwen, Gemma or SmolLM.",
            )
        check_weights(self.model, str(source))
        if not all(hasattr(layer, "batch_select_indices") for layer in DynamicCache(config=self.model.config).layers):
            raise WorkbenchError(
                "The model keeps a recurrent state instead of an attention cache.",
                where=str(source),
                todo="Choose a model that has attention in every layer; llama_cpp reads some others.",
            )
        self.name, self.sha256, self.device = (source.stem if source.is_file() else source.name, _identity(source), device)
        self.trained = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        ends = (self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id)
        self.ends = frozenset(i for given in ends for i in (given if isinstance(given, list) else [given]) if i is not None)
        self._special = {i for i, token in self._core.get_added_tokens_decoder().items() if token.special}
        self._letters = _letters() if "ByteLevel" in repr(self._core.decoder) else {}
        self.vocabulary = self.model.get_output_embeddings().weight.shape[0]
        if self._core.get_vocab_size() > self.vocabulary:
            raise WorkbenchError(
                f"The tokenizer has {self._core.get_vocab_size():,} tokens, the model {self.vocabulary:,}.",
                where=str(source),
                todo="The files are of two models: copy the model again.",
            )

    def acquire(self, deadline: float) -> Generator[str, None, None]:
        while not self.lock.acquire(timeout=0.05):
            if time.perf_counter() > deadline:
                raise WorkbenchError(
                    "The model was busy with another answer until the deadline.", todo="Try again, or stop the other answer."
                )
            yield ""

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        return self.tokenizer(encodable(text), add_special_tokens=False, split_special_tokens=not special)["input_ids"]

    def bytes_of(self, token: int) -> bytes:
        name = self._core.id_to_token(token) or ""
        if token in self._special:
            return b""
        if self._letters:
            return b"".join(self._letters.get(letter) or letter.encode() for letter in name)
        if len(name) == 6 and name.startswith("<0x"):  # a byte, where the vocabulary is one of characters
            return bytes.fromhex(name[3:5])
        return name.replace("\u2581", " ").encode()

    def text_of(self, token: int) -> str:
        if token in self._special:
            return self._core.id_to_token(token)
        return self.bytes_of(token).decode("utf-8", "replace")

    def prompt(self, messages: list[dict[str, str]]) -> Read:
        """The whole prompt in the model's own chat template."""
        marks = marked(messages)
        if self.tokenizer.chat_template:
            try:
                frame = self.tokenizer.apply_chat_template(marks, tokenize=False, add_generation_prompt=True)
            except Exception as error:  # a template is a program of the model's maker
                raise WorkbenchError(
                    f"The model's chat template does not take this prompt: {error!s:.200}",
                    where=self.name,
                    todo="Choose another model.",
                ) from None
        else:  # a base model continues plain text
            frame = (self.tokenizer.bos_token or "") + "\n\n".join(mark["content"] for mark in marks) + "\n"
        return filled(frame, messages, self, PIECE)

    def plain(self, text: str) -> Read:
        tokens = self.tokenizer(encodable(text), split_special_tokens=True)["input_ids"]
        return Read(text, tokens, [*range(PIECE, len(tokens), PIECE), len(tokens)])

    def read(self, prompt: Read, reuse: int | None = None) -> Generator[int, None, None]:
        """Brings the tokens into the attention cache piece by piece; yields how many of them are there, at first those
        that still were, `reuse` at most. At least the last piece is evaluated anew; `_logits` are those of the last token."""
        import torch
        from transformers import DynamicCache

        had, had_ends = self._held
        kept, tokens = 0, prompt.tokens
        for end, other in zip(prompt.ends[:-1], had_ends, strict=False):
            if end != other or tokens[kept:end] != had[kept:end] or (reuse is not None and end > reuse):
                break
            kept = end
        self._held = [], []  # until all is read: what a cancelled or failed call leaves behind is not known
        if not kept or any(layer.is_sliding for layer in self._cache.layers):  # a sliding one forgets its start
            kept, self._cache = 0, DynamicCache(config=self.model.config)
        else:
            for layer in self._cache.layers:
                layer.crop(min(0, kept - layer.get_seq_length()))
        yield kept
        at = kept
        for end in prompt.ends:
            if end > kept:
                mask = torch.ones(1, end, dtype=torch.long)
                self._logits = self._forward(torch.tensor([tokens[at:end]]), mask, self._cache)
                at = end
                yield end
        self._held = tokens, prompt.ends

    def next_logits(self, knobs: Transformers, prompt: Read, written: Sequence[int]) -> Any:
        for _ in self.read(self._with(knobs, prompt, written)):
            pass
        return self._logits[0].numpy()

    def logits_of(self, knobs: Transformers, prompt: Read, answer: Sequence[int]) -> Any:
        import numpy as np

        rows = np.empty((len(answer), self.vocabulary), np.float32)
        if len(answer):
            for done in self.read(self._with(knobs, prompt, answer[:-1]), reuse=len(prompt.tokens) - 1):
                if done >= len(prompt.tokens):
                    rows[done - len(prompt.tokens)] = self._logits[0]
        return rows

    def _with(self, knobs: Transformers, prompt: Read, written: Sequence[int]) -> Read:
        """The prompt and what was written, which is evaluated token by token, as `answers` does."""
        size = len(prompt.tokens)
        self._room(knobs, size + len(written))
        ends = [*prompt.ends, *range(size + 1, size + len(written) + 1)]
        return Read(prompt.text, [*prompt.tokens, *written], ends)

    def answers(
        self, knobs: Transformers, prompts: list[list[dict[str, str]]], seeds: list[int], started: float, deadline: float
    ) -> Generator[str, None, list[Generated]]:
        """One answer a prompt, all in one batch. Yields after each step what is new of the first row's text."""
        import torch
        from tokenizers.decoders import DecodeStream

        read = [self.prompt(messages) for messages in prompts]
        rows = []
        for prompt, seed in zip(read, seeds, strict=True):
            room, follow = self._room(knobs, len(prompt.tokens)), None
            if knobs.json_schema:
                structured.fitting(knobs.json_schema, room)
                follow = structured.Follower(self.tokenizer, knobs.json_schema, self.vocabulary)
            rows.append(
                Row(
                    Shown(knobs.stop),
                    torch.Generator().manual_seed(seed),
                    DecodeStream(skip_special_tokens=True),
                    room if follow else min(knobs.max_tokens, room),
                    follow,
                )
            )
        choose, live, self.written, reused = _choice(knobs), rows, 0, 0
        if len(read) == 1:
            reading = self.read(read[0], None if knobs.reuse_prefix else 0)
            reused = next(reading)
        else:
            reading = self._read_all(read)
        for _ in reading:
            yield ""
            if time.perf_counter() > deadline:
                break
        width = max(len(prompt.tokens) for prompt in read)
        mask, cache, logits = _mask(read, width), self._cache, self._logits
        while live:
            late = time.perf_counter() > deadline
            pieces = {id(row): self._write(knobs, row, one, choose, late) for row, one in zip(live, logits, strict=True)}
            self.written += 1
            yield pieces.get(id(rows[0]), "")
            kept = [i for i, row in enumerate(live) if not row.reason]
            if len(kept) < len(live):  # a finished row computes no further
                live, mask = [live[i] for i in kept], mask[kept]
                if live:
                    cache.batch_select_indices(torch.tensor(kept, device=self.device))
            if live:
                mask = torch.nn.functional.pad(mask, (0, 1), value=1)
                logits = self._forward(torch.tensor([row.ids[-1:] for row in live]), mask, cache)
        return [self._whole(knobs, row, prompt, reused, started) for row, prompt in zip(rows, read, strict=True)]

    def _read_all(self, prompts: list[Read]) -> Generator[int, None, None]:
        """As `read`, several at once, padded on the left; nothing of them can be reused."""
        import torch
        from transformers import DynamicCache

        self._held, self._cache = ([], []), DynamicCache(config=self.model.config)
        width = max(len(prompt.tokens) for prompt in prompts)
        ids = torch.tensor([[0] * (width - len(prompt.tokens)) + prompt.tokens for prompt in prompts])  # [rows, width]
        mask = _mask(prompts, width)
        for at in range(0, width, PIECE):
            self._logits = self._forward(ids[:, at : at + PIECE], mask[:, : at + PIECE], self._cache)
            yield at + PIECE

    def _room(self, knobs: Transformers, prompt_tokens: int) -> int:
        """Tokens left for the answer."""
        if self.trained and knobs.context_tokens > self.trained:
            raise WorkbenchError(
                f"The model was trained for {self.trained:,} tokens of context, not {knobs.context_tokens:,}.",
                where=self.name,
                todo=f"Set generation.context_tokens to {self.trained} at most.",
            )
        if prompt_tokens >= knobs.context_tokens:
            raise WorkbenchError(
                f"The prompt has {prompt_tokens:,} tokens, and prompt and answer have room for {knobs.context_tokens:,}.",
                todo="Raise generation.context_tokens, or lower context.passages or context.max_tokens.",
            )
        return knobs.context_tokens - prompt_tokens

    def _forward(self, ids: Any, mask: Any, cache: Any) -> Any:
        """Logits of each row's last token [rows, vocabulary] float32 on the CPU; ids [rows, new], mask [rows, all]."""
        import torch

        places = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        with torch.inference_mode():  # here and not around the loop, whose caller computes in between
            out = self.model(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                position_ids=places.to(self.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits = out.logits[:, -1].float().cpu()
        if logits.isnan().any():
            raise WorkbenchError(
                "The model computes what is no number.",
                where=self.name,
                todo="Its weights may be damaged: copy the model again, or set generation.dtype to float32.",
            )
        return logits

    def _write(self, knobs: Transformers, row: Row, logits: Any, choose: Any, late: bool) -> str:
        """Adds a token to the answer or ends it; returns the text that is new."""
        import torch

        if late:
            row.reason = "deadline"
        else:
            ids, allowed = torch.tensor([row.ids], dtype=torch.long), logits[None]
            if row.follow:
                allowed = row.follow(ids, allowed)
            token = int(choose(ids[:, -LAST:], allowed, row.random))
            row.first_at = row.first_at or time.perf_counter()
            if token in self.ends:
                row.reason = "stop"
        if row.reason:
            row.ended_at = time.perf_counter()
            return row.shown.add("", last=True)
        row.ids.append(token)
        if knobs.logprobs:
            row.tokens.append(self._token(torch.log_softmax(logits, 0), token, knobs.logprobs))
        piece = row.shown.add(row.decoder.step(self._core, token) or "")
        if row.shown.stopped:
            row.reason = "stop"
        elif len(row.ids) >= row.room:
            row.reason, piece = "length", piece + row.shown.add("", last=True)
        row.ended_at = time.perf_counter()
        return piece

    def _token(self, logprobs: Any, token: int, most: int) -> Token:
        values, indices = logprobs.topk(most)
        top = tuple((self.text_of(i), value) for i, value in zip(indices.tolist(), values.tolist(), strict=True))
        return Token(self.text_of(token), float(logprobs[token]), top)

    def _whole(self, knobs: Transformers, row: Row, prompt: Read, reused: int, started: float) -> Generated:
        text, reason = structured.finished(row.shown.text, row.reason, knobs.json_schema)
        return Generated(
            text,
            reason,
            prompt.text,
            len(prompt.tokens),
            reused,
            len(row.ids),
            1000 * max(0.0, row.first_at - started),
            1000 * (row.ended_at - started),
            self.name,
            self.sha256,
            tuple(row.tokens) if text else (),
        )


def _mask(prompts: list[Read], width: int) -> Any:
    """[rows, width]: 0 where the left is padded."""
    import torch

    return torch.tensor([[0] * (width - len(prompt.tokens)) + [1] * len(prompt.tokens) for prompt in prompts])


def _letters() -> dict[str, bytes]:
    """The letters that stand for bytes in GPT-2's and all byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): bytes([byte]) for byte in plain} | {chr(256 + i): bytes([byte]) for i, byte in enumerate(others)}


def _choice(knobs: Transformers):
    """The function that takes the next token from (the answer's last ids [1, n], logits [1, vocabulary], random)."""
    import torch
    from transformers import LogitsProcessorList
    from transformers.generation import logits_process as hf

    steps = LogitsProcessorList()
    if knobs.repeat_penalty != 1:
        steps.append(hf.RepetitionPenaltyLogitsProcessor(knobs.repeat_penalty))
    if knobs.temperature == 0:
        return lambda ids, logits, random: steps(ids, logits).argmax()
    if knobs.top_k:
        steps.append(hf.TopKLogitsWarper(knobs.top_k))
    if knobs.top_p < 1:
        steps.append(hf.TopPLogitsWarper(knobs.top_p))
    if knobs.min_p:
        steps.append(hf.MinPLogitsWarper(knobs.min_p))
    if knobs.temperature != 1:
        steps.append(hf.TemperatureLogitsWarper(knobs.temperature))
    return lambda ids, logits, random: torch.multinomial(steps(ids, logits).softmax(-1), 1, generator=random)


def _identity(source: Path) -> str:
    """SHA-256 of a model file, or the fingerprint of a folder's files."""
    return file_hash(source) if source.is_file() else files_identity(source)


_loading = threading.Lock()
_loaded: tuple[tuple, Engine] | None = None
