"""A causal language model loaded with torch and transformers, its attention cache, and a batch of answers at a time."""

import time
from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.files import read_json
from core.generation.copying import Copying
from core.generation.local_model import Draft, LocalModel
from core.generation.protocol import Generated, Read, filled, marked
from core.generation.torch_adapter import Wearing
from core.models.four_bits import NF4, four_bits
from core.models.gguf_weights import converted, quiet
from core.models.hardware import fast_dtype
from core.models.identity import file_hash, files_identity
from core.models.loading import HERE, WEIGHTS_HERE, check_weights, data_only, importing, readable
from core.models.text import encodable
from core.progress import Running

PIECE = 256  # prompt tokens read at once; the caller can cancel in between
LAST = 64  # tokens of the answer that the repeat penalty looks back on, as llama.cpp does


class TorchModel(LocalModel):
    """One causal model with its tokenizer as transformers has loaded them."""

    piece = PIECE

    def __init__(self, source: Path, device: str, dtype: str) -> None:
        with readable(
            "transformers cannot load the model", str(source), "Give the folder of a whole causal model, or a GGUF file."
        ):
            self._open(source, device, dtype)
        super().__init__()

        def load_again() -> Any:
            self.model = None
            self._open(source, device, dtype)
            return self.model

        self.adapter = Wearing(self.model, self.sha256, load_again)
        self.written = 0
        self._cache: Any = None  # of attention

    def _open(self, source: Path, device: str, dtype: str) -> None:
        import torch

        with importing:
            from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

        quiet()
        if device != "cpu" and not getattr(torch, "cuda" if device == "cuda" else "mps").is_available():
            raise WorkbenchError(f"There is no {device} here.", where="generation.device", todo="Set it to auto or cpu.")
        folder = source if source.is_dir() else converted(source)
        computes, quantised = dtype, {}
        if dtype == NF4:
            computes = fast_dtype()
            quantised = {"quantization_config": four_bits(computes), "device_map": {"": device}}
        self.model, loaded = AutoModelForCausalLM.from_pretrained(
            data_only(folder), dtype=getattr(torch, computes), output_loading_info=True, **WEIGHTS_HERE, **quantised
        )
        self.model, self.dtype = self.model.eval() if quantised else self.model.eval().to(device), dtype
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **HERE)
        if (settings := folder / "generation_config.json").exists():
            read_json(
                settings, "The settings", numbers="careless"
            )  # transformers does without damaged ones, and does not know the end
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
        self.name, self.sha256, self.device = (source.stem if source.is_file() else source.name, identity(source), device)
        self.trained = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        ends = (self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id)
        self.ends = frozenset(i for end in ends for i in (end if isinstance(end, list) else [end]) if i is not None)
        self._special = {i for i, token in self._core.get_added_tokens_decoder().items() if token.special}
        self._letters = _letters() if "ByteLevel" in repr(self._core.decoder) else {}
        self.vocabulary = self.model.get_output_embeddings().weight.shape[0]
        if self._core.get_vocab_size() > self.vocabulary:
            raise WorkbenchError(
                f"The tokenizer has {self._core.get_vocab_size():,} tokens, the model {self.vocabulary:,}.",
                where=str(source),
                todo="The files are of two models: copy the model again.",
            )

    def ready(self, knobs: Any) -> None:
        """Puts on the adapter that the knobs ask for, before anything is computed for them; takes off any other."""
        changed = True  # where it fails half-way
        try:
            changed = self.adapter.change(knobs.adapter, knobs.adapter_scale)
        finally:
            if changed:
                self._held = [], []  # what the attention cache holds was read with other weights

    def draft(self, knobs: Any, messages: list[dict[str, str]], rules: Copying | None = None) -> Draft:
        self.ready(knobs)
        return super().draft(knobs, messages, rules)

    def _with(self, knobs: Any, prompt: Read, written: Sequence[int]) -> Read:
        self.ready(knobs)
        return super()._with(knobs, prompt, written)

    def tokenize(self, text: str, special: bool = False, begins: bool = False) -> list[int]:
        return self.tokenizer(encodable(text), add_special_tokens=begins, split_special_tokens=not special)["input_ids"]

    def bytes_of(self, token: int) -> bytes:
        name = self._core.id_to_token(token) or ""
        if token in self._special:
            return b""
        if self._letters:
            return b"".join(self._letters.get(letter) or letter.encode() for letter in name)
        if len(name) == 6 and name.startswith("<0x"):  # a byte, where the vocabulary is one of characters
            return bytes.fromhex(name[3:5])
        return name.replace("\u2581", " ").encode()

    @cached_property
    def grammar_tokens(self) -> Any:
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self.tokenizer, n_vocab=self.vocabulary, eos_token=sorted(self.ends))

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

    def keep(self, tokens: int) -> int:
        from transformers import DynamicCache

        if not tokens or any(layer.is_sliding for layer in self._cache.layers):  # a sliding one forgets its start
            self._cache = DynamicCache(config=self.model.config)
            return 0
        for layer in self._cache.layers:
            layer.crop(min(0, tokens - layer.get_seq_length()))
        return tokens

    def evaluate(self, tokens: list[int], at: int) -> None:
        import torch

        mask = torch.ones(1, at + len(tokens), dtype=torch.long)
        self._logits = self._forward(torch.tensor([tokens]), mask, self._cache)

    def logits(self) -> Any:
        return self._logits[0].numpy()

    def decoder(self) -> Callable[[int | None], str]:
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=True)
        return lambda token: "" if token is None else stream.step(self._core, token) or ""

    def room(self, knobs: Any, prompt_tokens: int) -> int:
        if self.trained and knobs.context_tokens > self.trained:
            raise WorkbenchError(
                f"The model was trained for {self.trained:,} tokens of context, not {knobs.context_tokens:,}.",
                where=self.name,
                todo=f"Set generation.context_tokens to {self.trained} at most.",
            )
        return super().room(knobs, prompt_tokens)

    def answer(
        self, knobs: Any, messages: list[dict[str, str]], seed: int, started: float, deadline: float, rules: Copying | None = None
    ) -> Generator[str, None, Generated]:
        [draft], reused = yield from self._write(knobs, [messages], [seed], deadline, rules)
        return self.generated(knobs, draft, reused, started)

    def answers(
        self, knobs: Any, prompts: list[list[dict[str, str]]], seeds: list[int], deadline: float
    ) -> Generator[int, None, list[Generated]]:
        started = time.perf_counter()
        for _ in (running := Running(self._write(knobs, prompts, seeds, deadline))):
            yield self.written
        drafts, reused = running.result
        return [self.generated(knobs, draft, reused, started) for draft in drafts]

    def _write(
        self, knobs: Any, prompts: list[list[dict[str, str]]], seeds: list[int], deadline: float, rules: Copying | None = None
    ) -> Generator[str, None, tuple[list[Draft], int]]:
        """All in one batch: (the whole answers, tokens of the prompt that were still there). Yields after each step what
        is new of the first one's text."""
        import torch

        drafts = [self.draft(knobs, messages, rules) for messages in prompts]
        for draft, seed in zip(drafts, seeds, strict=True):
            draft.sampler = self.sampler(knobs, seed)
        read, live, self.written, reused = [draft.prompt for draft in drafts], drafts, 0, 0
        if len(read) == 1:
            reading = self.read(read[0], None if knobs.reuse_prefix else 0)
            reused = next(reading)
        else:
            reading = self.read_all(read)
        for _ in reading:
            yield ""
            if time.perf_counter() > deadline:
                break
        width = max(len(prompt.tokens) for prompt in read)
        mask, cache, logits = _mask(read, width), self._cache, self._logits
        while live:
            late = time.perf_counter() > deadline
            pieces = {
                id(draft): draft.end("deadline")
                if late
                else draft.add(draft.sampler(draft.ids, torch.from_numpy(draft.bound(row.numpy()))), self, row.numpy)
                for draft, row in zip(live, logits, strict=True)
            }
            self.written += len(live)
            yield pieces.get(id(drafts[0]), "")
            rest = [i for i, draft in enumerate(live) if not draft.reason]
            if len(rest) < len(live):  # a finished row computes no further
                live, mask = [live[i] for i in rest], mask[rest]
                if live:
                    cache.batch_select_indices(torch.tensor(rest, device=self.device))
            if live:
                mask = torch.nn.functional.pad(mask, (0, 1), value=1)
                logits = self._forward(torch.tensor([draft.ids[-1:] for draft in live]), mask, cache)
        return drafts, reused

    def sampler(self, knobs: Any, seed: int) -> Callable[[list[int], Any], int]:
        """Takes an answer's next token from (its ids so far, logits [vocabulary])."""
        import torch

        choose, random = _choice(knobs), torch.Generator().manual_seed(seed)
        return lambda ids, logits: int(choose(torch.tensor([ids[-LAST:]], dtype=torch.long), logits[None], random))

    def read_all(self, prompts: list[Read]) -> Generator[int, None, None]:
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

    @property
    def last(self) -> Any:
        """Logits [rows, vocabulary] behind the last token read."""
        return self._logits

    def mask(self, prompts: list[Read]) -> Any:
        return _mask(prompts, max(len(prompt.tokens) for prompt in prompts))

    def after(self, ids: Any, mask: Any, keep: int = 1) -> Any:
        """As `_forward`, behind what was read last."""
        return self._forward(ids, mask, self._cache, keep)

    def _forward(self, ids: Any, mask: Any, cache: Any, keep: int = 1) -> Any:
        """Logits of each row's last token [rows, vocabulary] float32 on the CPU, or of the last so many that are kept [rows,
        keep, vocabulary]; ids [rows, new], mask [rows, all]."""
        import torch

        places = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        with torch.inference_mode():  # here and not around the loop, whose caller computes in between
            out = self.model(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                position_ids=places.to(self.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=keep,
            )
            logits = out.logits[:, -keep:].float().cpu()
            logits = logits if keep > 1 else logits[:, -1]
        if logits.isnan().any():
            raise WorkbenchError(
                "The model computes what is no number.",
                where=self.name,
                todo="Its weights may be damaged: copy the model again, or set generation.dtype to float32.",
            )
        return logits


def _mask(prompts: list[Read], width: int) -> Any:
    """[rows, width]: 0 where the left is padded."""
    import torch

    return torch.tensor([[0] * (width - len(prompt.tokens)) + [1] * len(prompt.tokens) for prompt in prompts])


def _letters() -> dict[str, bytes]:
    """The letters that stand for bytes in GPT-2's and all byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): bytes([byte]) for byte in plain} | {chr(256 + i): bytes([byte]) for i, byte in enumerate(others)}


def _choice(knobs: Any):
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


def identity(source: Path) -> str:
    """SHA-256 of a model file, or the fingerprint of a folder's files."""
    return file_hash(source) if source.is_file() else files_identity(source)
