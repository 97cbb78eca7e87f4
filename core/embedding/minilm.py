"""The bundled encoder."""

from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core.config import code_version, fingerprint, knob
from core.embedding import bert
from core.embedding.protocol import Encoder, Offer
from core.files import read_json
from core.models import hardware
from core.models.all_cores import BATCH_TOKENS, FEWEST_TOKENS, on_all_cores, workers_alone
from core.models.hub import bundled_folder
from core.models.identity import files_identity
from core.models.loading import load_once
from core.models.text import encodable
from core.registry import part

TEXTS_AT_ONCE = 1024  # tokenised and sorted together: bounds memory
PIECE_CHARACTERS = 20_000  # longer texts are tokenised in pieces, on all cores
QUESTIONS = "questions.safetensors"  # weights that read questions, where they are others than those that read passages


@part("encoder")
class MiniLM(Encoder):
    """all-MiniLM-L6-v2: 384 dimensions, 22 million weights, bundled, so it needs no network and no choice of model.

    English, and the first 256 tokens of a text. Choose `sentence_transformers` for other languages, longer texts or
    higher accuracy. Its own forward pass is several times as fast as the general library's on a CPU.

    Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation", arXiv:2002.10957; fine-tuned as in Reimers & Gurevych
    2019, "Sentence-BERT", arXiv:1908.10084, section 3 (mean pooling).
    """

    order: ClassVar[int] = 10
    title: ClassVar[str] = "MiniLM"
    part: Literal["minilm"] = "minilm"
    pooling: Literal["mean", "cls", "max"] = knob(
        "mean",
        "How a text's token vectors become one: their mean, the first token's (CLS), or the maximum. It was "
        "trained with the mean; the others show what pooling is worth.",
    )
    max_tokens: int = knob(
        256,
        "Tokens of a text that are read, the rest is cut off; it was trained with 256. More reads more of long texts, slower.",
        unit="tokens",
        ge=16,
        le=512,
    )
    dtype: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "Number format. Auto takes bfloat16 where the hardware is faster with it, which changes hardly a ranking."
    )

    @classmethod
    def offers(cls) -> list[Offer]:
        names = {"mean": "MiniLM mean", "cls": "MiniLM CLS", "max": "MiniLM max"}
        return [Offer(f"minilm-{pooling}", name, cls(pooling=pooling)) for pooling, name in names.items()]

    def identity(self) -> str:
        return "minilm-" + fingerprint(
            files_identity(bundled_folder()), self.pooling, self.max_tokens, self._dtype(), code_version(self)
        )

    def device(self) -> str:
        return hardware.device()

    def reads(self) -> int:
        return self.max_tokens

    def load(self) -> "TokenEncoder":
        """The encoder, one per process. The weights, and torch, are loaded by its first `encode`."""
        made = partial(bert_encoder, "all-MiniLM-L6-v2", bundled_folder(), self._dtype(), self.max_tokens, self.pooling)
        return load_once(self.identity(), made)

    def _dtype(self) -> str:
        return hardware.fast_dtype() if self.dtype == "auto" else self.dtype


def bert_encoder(name: str, folder: Path, dtype: str, max_tokens: int, pooling: str) -> "TokenEncoder":
    weights = f"bert {files_identity(folder)} {dtype}"  # encoders that only pool differently share them
    make = partial(load_once, weights, lambda: bert.Bert(folder, dtype, hardware.device()))
    asking = None
    if (folder / QUESTIONS).exists():
        asking = partial(load_once, f"{weights} questions", lambda: question_side(folder, dtype))
    return TokenEncoder(name, folder, dtype, max_tokens, pooling, make, asking=asking)


def question_side(folder: Path, dtype: str) -> bert.Bert:
    """What reads questions, of an encoder that has two sides."""
    from safetensors.torch import load_file

    return bert.Bert(folder, dtype, hardware.device(), load_file(folder / QUESTIONS))


class TokenEncoder:
    """A folder with config.json and tokenizer.json, and a model of its tokens. Safe to use from several threads.

    make: gives the model, which has a `device` and `vectors(token ids of texts, pooling)`.
    prefixes: put before each passage and each question. asking: gives the model that reads questions, where it is another.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        dtype: str,
        max_tokens: int,
        pooling: str,
        make: Callable,
        prefixes: tuple[str, str] = ("", ""),
        asking: Callable | None = None,
    ) -> None:
        from tokenizers import Tokenizer

        config = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")
        self.name, self.dim = name, config["hidden_size"]
        self.dtype, self.max_tokens, self._pooling, self._model = dtype, max_tokens, pooling, make
        self._prefixes, self._asking = prefixes, asking or make
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        mask = self._tokenizer.encode("a").special_tokens_mask
        self._closing = mask[::-1].index(0)  # special tokens after a text

    def token_offsets(self, texts: list[str]) -> list[np.ndarray]:
        """Characters [start, end) of every token of each whole text, specials left out: [num_tokens, 2] int32 each."""
        offsets: list[list[np.ndarray]] = [[] for _ in texts]
        pieces = ((i, *piece) for i, text in enumerate(texts) for piece in _pieces(encodable(text)))
        while some := list(islice(pieces, 512)):  # tokenised together on all cores; bounds memory
            encodings = self._tokenizer.encode_batch([text for _, _, text in some], add_special_tokens=False)
            for (i, start, _), encoding in zip(some, encodings, strict=True):
                offsets[i].append(np.array(encoding.offsets, np.int32).reshape(-1, 2) + np.int32(start))
        return [np.concatenate(parts) for parts in offsets]

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], vectors [b, dim] float32, L2-normalised) batch by batch, long texts first."""
        model, prefix = (self._asking if query else self._model)(), self._prefixes[query]
        texts = [prefix + text for text in texts] if prefix else texts
        most, vectors = BATCH_TOKENS[model.device], partial(model.vectors, pooling=self._pooling)
        if model.device == "cpu":
            pool, workers = workers_alone()
            yield from on_all_cores(pool, workers, vectors, self._batches(texts, most, 2 * workers))
        else:
            yield from ((indices, vectors(ids)) for indices, ids in self._batches(texts, most, 1))

    def _batches(self, texts: list[str], most_tokens: int, shares: int) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """(indices, token ids) with texts of one length side by side, up to `most_tokens` in a batch."""
        by_characters = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for i in range(0, len(texts), TEXTS_AT_ONCE):
            block = np.array(by_characters[i : i + TEXTS_AT_ONCE])
            ids = self._token_ids([texts[i] for i in block])
            lengths = np.array([len(some) for some in ids])
            order = np.argsort(-lengths, kind="stable")
            ends = np.cumsum(lengths[order])
            start = done = 0
            while start < len(order):
                # ever smaller towards the end, so that all cores finish together
                size = max(min(most_tokens, (ends[-1] - done) // shares), FEWEST_TOKENS)
                stop = max(np.searchsorted(ends, done + size, side="right"), start + 1)
                yield block[order[start:stop]], [ids[i] for i in order[start:stop]]
                start, done = stop, ends[stop - 1]

    def _token_ids(self, texts: list[str]) -> list[np.ndarray]:
        """Token ids with specials, cut to max_tokens. Only the head of a long text is tokenised where that suffices."""
        texts = [encodable(text) for text in texts]
        heads = [_head(text, 8 * self.max_tokens) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(heads)
        short = [i for i, e in enumerate(encodings) if len(e) < self.max_tokens and len(heads[i]) < len(texts[i])]
        for i, encoding in zip(short, self._tokenizer.encode_batch_fast([texts[i] for i in short]), strict=True):
            encodings[i] = encoding
        ids = [np.array(encoding.ids, np.int64) for encoding in encodings]
        most, closing = self.max_tokens, self._closing
        return [i if len(i) <= most else np.append(i[: most - closing], i[len(i) - closing :]) for i in ids]


def _head(text: str, size: int) -> str:
    """The first `size` characters, cut back to white space, where no token can straddle; the whole text if none."""
    return text if len(text) <= size else text[: text.rfind(" ", 0, size)] if " " in text[:size] else text


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """(start, text) of pieces cut before a space, where no token can straddle."""
    start = 0
    while (cut := text.find(" ", start + PIECE_CHARACTERS)) >= 0:
        yield start, text[start:cut]
        start = cut
    yield start, text[start:]
