"""Any encoder that the sentence-transformers library reads."""

import logging
import threading
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core.config import code_version, fingerprint, knob
from core.embedding.protocol import Encoder, Offer
from core.files import read_json
from core.models import hardware, hub
from core.models.identity import files_identity
from core.models.loading import HERE, check_modules, check_weights, data_only, load_once, readable
from core.models.text import encodable
from core.registry import part

TEXTS_AT_ONCE = 256  # progress is told this often


@part("encoder")
class SentenceTransformers(Encoder):
    """Any sentence-transformers model, by its name on the Hugging Face hub or as a folder.

    Choose it for other languages, longer texts or higher accuracy than the bundled `minilm`, which is smaller and
    several times as fast. Nothing is fetched unless `download` is on.

    Reimers & Gurevych 2019, "Sentence-BERT", arXiv:1908.10084.
    """

    order: ClassVar[int] = 60
    part: Literal["sentence_transformers"] = "sentence_transformers"
    model: str = knob("sentence-transformers/all-mpnet-base-v2", "Name on the Hugging Face hub, or a local folder.")
    download: bool = knob(False, "Fetch the model from the Hugging Face hub when it is not on this machine.")
    query_prefix: str = knob("", 'Put before each question, such as "query: ". Empty: what the model declares, if anything.')
    passage_prefix: str = knob("", 'Put before each chunk, such as "passage: ". Empty: what the model declares, if anything.')
    max_tokens: int = knob(
        0, "Tokens of a text that are read, the rest is cut off. 0: as the model says.", unit="tokens", ge=0, le=32768
    )
    normalize: bool = knob(True, "Scale vectors to length 1. Off for models trained for the dot product.")
    dtype: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "Number format. Auto takes bfloat16 where the hardware is faster with it, which changes hardly a ranking."
    )

    @classmethod
    def offers(cls) -> list[Offer]:
        return []  # which of its models, the recipe says

    def identity(self) -> str:
        settings = [self.max_tokens, self.normalize, self._dtype(), code_version(self)]
        return "sentence_transformers-" + fingerprint(files_identity(self._folder()), settings)

    def prefix(self, query: bool) -> str:
        """What is put before each text: as set, else as the model's own settings declare."""
        if own := self.query_prefix if query else self.passage_prefix:
            return own
        file = self._folder() / "config_sentence_transformers.json"
        names = ("query",) if query else ("document", "passage", "corpus")
        with readable(where=str(file)):
            settings = read_json(file, "The encoder's settings", of=dict, numbers="careless") if file.exists() else {}
            prompts = settings.get("prompts") or {}
            # an empty one is declared too: the default is for texts of which the model says nothing
            declared = [prompts[n] for n in names if prompts.get(n) is not None] or [
                prompts.get(settings.get("default_prompt_name"))
            ]
            return next(filter(None, declared), "")

    def device(self) -> str:
        return hardware.device()

    def reads(self) -> int | None:
        return self.max_tokens or None

    def load(self) -> "LibraryEncoder":
        """The encoder, one per process. The weights, and torch, are loaded when first needed."""
        prefixes = self.prefix(True), self.prefix(False)
        return load_once(f"{self.identity()} {prefixes}", partial(LibraryEncoder, self, self._folder(), *prefixes))

    def _dtype(self) -> str:
        return hardware.fast_dtype() if self.dtype == "auto" else self.dtype

    def absent(self) -> bool:
        return self.download and hub.local_model(self.model, "embedding.model") is None

    def fetch(self) -> None:
        hub.fetch_model(self.model, "embedding.model")

    def _folder(self) -> Path:
        return hub.present_model(self.model)


class LibraryEncoder:
    """A model of the library. Safe to use from several threads: one encodes at a time."""

    def __init__(self, config: SentenceTransformers, folder: Path, query_prefix: str, passage_prefix: str) -> None:
        self.name, self.dtype = config.model, config._dtype()
        self._config, self._folder, self._prefixes = config, folder, (passage_prefix, query_prefix)
        self._made, self._tokenizer_made, self._lock = None, None, threading.RLock()

    @property
    def dim(self) -> int:
        return self._model().get_embedding_dimension()

    @property
    def max_tokens(self) -> int:
        return self._model().max_seq_length or 512

    def token_offsets(self, texts: list[str]) -> list[np.ndarray]:
        """Characters [start, end) of every token of each whole text, specials left out: [num_tokens, 2] int32 each."""
        tokenizer = self._tokenizer()
        texts = [encodable(text) for text in texts]
        blocks = [texts[i : i + 256] for i in range(0, len(texts), 256)]  # bounds memory
        encodings = (e for block in blocks for e in tokenizer.encode_batch(block, add_special_tokens=False))
        return [np.array(e.offsets, np.int32).reshape(-1, 2) for e in encodings]

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], vectors [b, dim] float32) block by block, long texts first."""
        model = self._model()
        order = np.array(sorted(range(len(texts)), key=lambda i: -len(texts[i])), np.int64)
        for indices in (order[i : i + TEXTS_AT_ONCE] for i in range(0, len(order), TEXTS_AT_ONCE)):
            some = [encodable(texts[i]) for i in indices]
            size = 8 if len(some[0]) > 1000 else 32 if len(some[0]) > 250 else 128
            with self._lock:  # its tokenizer keeps its settings in itself
                vectors = model.encode(some, prompt=self._prefixes[query], batch_size=size, show_progress_bar=False)
            vectors = vectors.astype(np.float32)
            if self._config.normalize:  # in float32, whatever the model's own normalisation rounds to
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            yield indices, vectors

    def _model(self):
        with self._lock:
            if self._made is None:
                import torch
                from sentence_transformers import SentenceTransformer

                logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
                check_modules(self._folder)
                weights = {"dtype": getattr(torch, self.dtype), "use_safetensors": True}
                with readable(where=str(self._folder)):
                    made = SentenceTransformer(
                        str(data_only(self._folder)), device=hardware.device(), model_kwargs=weights, **HERE
                    )
                for module in made:
                    if hasattr(module, "auto_model"):
                        check_weights(module.auto_model, str(self._folder))
                if self._config.max_tokens:
                    made.max_seq_length = self._config.max_tokens
                self._made = made
            return self._made

    def _tokenizer(self):
        """The tokenizers library alone where the folder has its file: no torch."""
        with self._lock:
            if self._tokenizer_made is None:
                from tokenizers import Tokenizer

                file = self._folder / "tokenizer.json"
                with readable(where=str(file)):
                    source = file.read_text("utf-8") if file.exists() else self._model().tokenizer.backend_tokenizer.to_str()
                    made = Tokenizer.from_str(source)
                made.no_padding()
                made.no_truncation()
                self._tokenizer_made = made
            return self._tokenizer_made
