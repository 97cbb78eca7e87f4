"""A cross-encoder: the one trained here, another trained on own questions, or any of sentence-transformers."""

import threading
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import code_version, fingerprint, knob
from core.errors import WorkbenchError
from core.files import read_json
from core.models import hardware, hub
from core.models.hub import bundled_folder
from core.models.identity import files_identity
from core.models.loading import HERE, check_modules, check_sealed, check_weights, data_only, load_once, readable
from core.models.text import encodable
from core.registry import part
from core.reranking.bert_pairs import ADAPTER, HEAD, PAIRS_AT_ONCE, POOLED, BertPairs, PairTokens, adapted_weights, long_first
from core.reranking.protocol import Pairwise, share

EMBEDDED = "minilm-squad"
SETTINGS = "reranker.json"


@part("reranker")
class CrossEncoder(Pairwise):
    """A model that reads question and passage together, and says how well the one answers the other.

    The embedded model is an adapter of the bundled encoder, trained here on questions of SQuAD: choose it for short English
    questions on prose, and measure it elsewhere, where it may hurt. Of a passage longer than the model reads, windows that
    overlap by half are read, and the best counts. `weight` mixes its score with the score so far.

    Nogueira and Cho 2019, "Passage Re-ranking with BERT", arXiv:1901.04085, section 3.
    """

    order: ClassVar[int] = 10
    part: Literal["cross_encoder"] = "cross_encoder"
    weight: float = share(0.5)
    model: str = knob(
        EMBEDDED,
        f"{EMBEDDED} (embedded), the name of a reranker trained here, or a sentence-transformers CrossEncoder: a folder, or its "
        "name on the Hugging Face hub.",
    )
    download: bool = knob(False, "Fetch the model from the Hugging Face hub when it is not on this machine.")
    max_tokens: int = knob(
        0, "Tokens of question and passage together that are read at once. 0: as the model says.", unit="tokens", ge=0, le=8192
    )
    dtype: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "Number format. Auto takes bfloat16 where the hardware is faster with it, which changes hardly a ranking."
    )

    def identity(self) -> str:
        folder = self._folder()
        base = files_identity(bundled_folder()) if (folder / ADAPTER).is_file() else ""
        return "cross_encoder-" + fingerprint(files_identity(folder), base, self.max_tokens, self._dtype(), code_version(self))

    def device(self) -> str:
        return hardware.device()

    def reads(self) -> int | None:
        return self.max_tokens or None

    def reads_like(self) -> str:
        return "minilm" if (self._folder() / SETTINGS).is_file() else ""  # trained here, on the bundled encoder

    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        yield from load_once(self.identity(), self._load).read(pairs)

    def windows(self, pairs: list[tuple[str, str]]) -> list[int]:
        count = load_once(f"windows of {self.identity()}", self._counter)
        with _counting:
            return count(pairs)

    def absent(self) -> bool:
        return self.download and self._present() is None

    def fetch(self) -> None:
        hub.fetch_model(self.model, "rerank.model")

    def _dtype(self) -> str:
        return hardware.fast_dtype() if self.dtype == "auto" else self.dtype

    def _present(self) -> Path | None:
        if self.model == EMBEDDED:
            return Path(__file__).with_name("minilm_squad")
        if ((trained := hub.rerankers_home() / self.model) / SETTINGS).is_file():
            return trained
        return hub.local_model(self.model, "rerank.model")

    def _folder(self) -> Path:
        if folder := self._present():
            return folder
        todo = f"Choose {EMBEDDED}, give a folder, or turn on `download` of the reranker and prepare the recipe to fetch it."
        raise WorkbenchError(f"The reranker '{self.model}' is not on this machine.", where="rerank.model", todo=todo)

    def _load(self) -> Any:
        folder = self._folder()
        check_sealed(folder, f"The reranker '{folder.name}'")
        with readable("The reranker cannot be read", where=str(folder)):
            base, most = self._native()
            if (folder / ADAPTER).is_file():
                settings = read_json(folder / SETTINGS, "The reranker's settings", of=dict)
                weights = adapted_weights(base, folder, settings, "reranker", HEAD, "train-reranker")
                return NativeReader(base, self._dtype(), weights, most)
            return NativeReader(base, self._dtype(), None, most) if most else LibraryReader(self, folder)

    def _counter(self) -> Callable[[list[tuple[str, str]]], list[int]]:
        """Counts windows without the weights, where the model is one of the fast path."""
        with readable("The reranker cannot be read", where=str(self._folder())):
            base, most = self._native()
            return PairTokens(base, most).counts if most else load_once(self.identity(), self._load).counts

    def _native(self) -> tuple[Path, int]:
        """(folder of the tokenizer, tokens of a pair that are read); 0 for a model that only the library reads."""
        folder = self._folder()
        if (folder / ADAPTER).is_file():
            settings = read_json(folder / SETTINGS, "The reranker's settings", of=dict)
            return bundled_folder(), min(self.max_tokens or settings["max_tokens"], 512)
        config = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")
        if not _is_native(folder, config):
            return folder, 0
        most = config["max_position_embeddings"]
        return folder, min(self.max_tokens or most, most)


_counting = threading.Lock()  # a tokenizer is asked by one thread at a time


def _is_native(folder: Path, config: dict) -> bool:
    """Whether the folder is a plain BERT with one output, which the fast path computes as the library would."""
    from safetensors import safe_open

    plain = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
    if config.get("architectures") != ["BertForSequenceClassification"] or "modules.json" in {p.name for p in folder.iterdir()}:
        return False
    if any(config.get(name, value) != value for name, value in plain.items()) or not (folder / "model.safetensors").is_file():
        return False
    with safe_open(folder / "model.safetensors", "pt") as file:
        names = {name.removeprefix("bert.") for name in file.keys()}  # noqa: SIM118, no mapping
        single = names >= set(POOLED) and file.get_slice("classifier.weight").get_shape()[0] == 1
    return single and (folder / "tokenizer.json").is_file()


class NativeReader:
    """A BERT cross-encoder by the own forward pass. Safe to use from several threads."""

    def __init__(self, folder: Path, dtype: str, weights: dict | None, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.model = BertPairs(folder, dtype, hardware.device(), weights)
        self._tokens, self._lock = PairTokens(folder, max_tokens), threading.Lock()

    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], scores [b] float32), long pairs first."""
        for block in map(np.array, long_first(pairs, PAIRS_AT_ONCE)):
            windows = self._windows([pairs[i] for i in block])
            scores, left = np.full(len(block), -np.inf, np.float32), np.array(list(map(len, windows)))
            sequences = ((owner, window) for owner, some in enumerate(windows) for window in some)
            for owners, some in self.model.computed(self.model.scores, sequences):
                np.maximum.at(scores, owners, some)
                np.subtract.at(left, owners, 1)
                whole = np.unique(owners)
                whole = whole[left[whole] == 0]
                yield block[whole], scores[whole]

    def _windows(self, pairs: list[tuple[str, str]]) -> list[list[tuple[np.ndarray, int]]]:
        """Of each pair the sequences that are read, of which the best counts."""
        place: dict[str, int] = {}
        for text in (text for pair in pairs for text in pair):
            place.setdefault(text, len(place))
        with self._lock:
            ids = self._tokens.ids(list(place))
        return [self._tokens.windows(ids[place[question]], ids[place[passage]]) for question, passage in pairs]


class LibraryReader:
    """A model of the library: one reads at a time. Its scores are taken before any sigmoid, which changes no ranking."""

    def __init__(self, config: CrossEncoder, folder: Path) -> None:
        import torch
        from sentence_transformers import CrossEncoder as LibraryModel

        if (folder / "modules.json").is_file():
            check_modules(folder, "CrossEncoder")
        self.model = LibraryModel(
            str(data_only(folder)),
            device=hardware.device(),
            max_length=config.max_tokens or None,
            model_kwargs={"dtype": getattr(torch, config._dtype()), "use_safetensors": True},
            **HERE,
        )
        check_weights(self.model.model, str(folder))
        if self.model.num_labels != 1:
            what = f"The model has {self.model.num_labels} outputs; a reranker has one."
            raise WorkbenchError(what, where=str(folder), todo="Choose a cross-encoder that scores pairs.")
        self.max_tokens = self.model.max_length or 512
        self._lock = threading.Lock()

    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        from torch.nn import Identity

        for block in map(np.array, long_first(pairs, 256)):
            with self._lock:
                windows = [(owner, pair) for owner, i in enumerate(block) for pair in self._windows(*map(encodable, pairs[i]))]
                some = self.model.predict(
                    [pair for _, pair in windows], batch_size=16, activation_fn=Identity(), show_progress_bar=False
                )
            scores = np.full(len(block), -np.inf, np.float32)
            np.maximum.at(scores, [owner for owner, _ in windows], np.asarray(some, np.float32).reshape(-1))
            yield block, scores

    def counts(self, pairs: list[tuple[str, str]]) -> list[int]:
        with self._lock:
            return [len(self._windows(*map(encodable, pair))) for pair in pairs]

    def _windows(self, question: str, passage: str) -> list[tuple[str, str]]:
        tokenizer, count = self.model.tokenizer, partial(self.model.tokenizer, add_special_tokens=False, verbose=False)
        spans = count(passage, return_offsets_mapping=True)["offset_mapping"]
        room = self.max_tokens - tokenizer.num_special_tokens_to_add(pair=True) - len(count(question)["input_ids"])
        room = max(room, self.max_tokens // 4)  # a question longer than that is cut by the library
        if len(spans) <= room:
            return [(question, passage)]
        starts = [*range(0, len(spans) - room, (room + 1) // 2), len(spans) - room]
        return [(question, passage[spans[start][0] : spans[start + room - 1][1]]) for start in starts]
