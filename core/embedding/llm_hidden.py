"""The hidden states of a causal language model as an encoder."""

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core import files
from core.config import code_version, fingerprint, knob
from core.embedding.minilm import TokenEncoder
from core.embedding.protocol import Encoder, Offer
from core.errors import WorkbenchError
from core.models import hardware, hub, llama_packages
from core.models.gguf_weights import converted, quiet
from core.models.identity import files_identity
from core.models.loading import WEIGHTS_HERE, check_weights, data_only, load_once, readable
from core.registry import part


@part("encoder")
class LLMHidden(Encoder):
    """What a language model thinks while it reads, pooled over the tokens: the bundled generator, or any causal model.

    Choose it to study what a generator knows of its passages without having been trained to retrieve; `minilm`, which
    was, is better and many times as fast. The vectors fill a narrow cone; whether centring (`transform.centre`) helps
    differs from layer to layer. The model's last normalisation is applied to whichever layer is taken. The first
    reading of a GGUF file converts it (some 15 s), once.

    Jiang et al. 2023, "Scaling Sentence Embeddings with Large Language Models", arXiv:2307.16645, section 3; layers:
    Skean et al. 2025, "Layer by Layer: Uncovering Hidden Representations in Language Models", arXiv:2502.02013; first
    token: Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", arXiv:2309.17453.
    """

    order: ClassVar[int] = 40
    title: ClassVar[str] = "Generator"
    quick: ClassVar[bool] = False
    part: Literal["llm_hidden"] = "llm_hidden"
    model: str = knob("bundled", "The bundled SmolLM2-135M-Instruct, a GGUF file, or a causal model's folder or hub name.")
    download: bool = knob(False, "Fetch the model from the Hugging Face hub when it is not on this machine.")
    pooling: Literal["mean", "last"] = knob(
        "mean", "How a text's token vectors become one: their mean, or the last token's, which alone has read all."
    )
    layer: int = knob(
        -1,
        "Layer whose states are taken: 1 is the first, -1 the last. A middle one often retrieves better, and sooner.",
        ge=-200,
        le=200,
    )
    query_prefix: str = knob("", "Put before each question, such as an instruction.")
    passage_prefix: str = knob("", "Put before each chunk, such as an instruction.")
    max_tokens: int = knob(
        256,
        "Tokens of a text that are read, the rest is cut off. More reads more of long texts, slower.",
        unit="tokens",
        ge=16,
        le=8192,
    )
    dtype: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "Number format. Auto takes bfloat16 where the hardware is faster with it, which changes hardly a ranking."
    )

    @classmethod
    def offers(cls) -> list[Offer]:
        return [Offer(f"generator-{pooling}", f"Generator {pooling}", cls(pooling=pooling)) for pooling in ("mean", "last")]

    def identity(self) -> str:
        settings = [self.pooling, self.layer, self.max_tokens, self._dtype(), code_version(self)]
        return "llm_hidden-" + fingerprint(files_identity(self._source()), settings)

    def prefix(self, query: bool) -> str:
        return self.query_prefix if query else self.passage_prefix

    def device(self) -> str:
        return hardware.device()

    def reads(self) -> int:
        return self.max_tokens

    def load(self) -> TokenEncoder:
        """The encoder, one per process. The weights, and torch, are loaded when first needed."""
        prefixes = self.query_prefix, self.passage_prefix
        return load_once(f"{self.identity()} {prefixes}", self._load)

    def absent(self) -> bool:
        return self.download and self._file() is None and hub.local_model(self.model, "embedding.model") is None

    def fetch(self) -> None:
        hub.fetch_model(self.model, "embedding.model")

    def _load(self) -> TokenEncoder:
        source = self._source()
        folder = source if source.is_dir() else converted(source)
        weights = f"hidden states {files_identity(source)} {self._dtype()} {self.layer}"
        make = partial(load_once, weights, partial(Hidden, folder, self._dtype(), hardware.device(), self.layer))
        return TokenEncoder(
            source.stem, folder, self._dtype(), self.max_tokens, self.pooling, make, (self.passage_prefix, self.query_prefix)
        )

    def _dtype(self) -> str:
        return hardware.fast_dtype() if self.dtype == "auto" else self.dtype

    def _file(self) -> Path | None:
        """The GGUF file, where the model is one."""
        if self.model == "bundled":
            return llama_packages.bundled()
        return files.path_of(self.model, "embedding.model") if self.model.endswith(".gguf") else None

    def _source(self) -> Path:
        file = self._file()
        if file is None:
            return hub.present_model(self.model)
        if not file.is_file():
            raise WorkbenchError(
                "The model file is not there.",
                where=str(file),
                todo="Set embedding.model to a GGUF file, a model's folder, or 'bundled'.",
            )
        return file


class Hidden:
    """The first layers of a causal model on one device."""

    def __init__(self, folder: Path, dtype: str, device: str, layer: int) -> None:
        import torch
        from transformers import AutoModel

        quiet()
        with readable(where=str(folder), todo="Set embedding.model to a causal model, or copy its folder again."):
            model = AutoModel.from_pretrained(data_only(folder), dtype=getattr(torch, dtype), **WEIGHTS_HERE)
        check_weights(model, str(folder))
        name = next((name for name in ("layers", "h") if hasattr(model, name)), None)
        if name is None:
            raise WorkbenchError(
                f"A {type(model).__name__} is no causal model with a stack of layers.",
                where="embedding.model",
                todo="Choose a decoder such as Llama, Qwen, Mistral, Gemma or GPT-2.",
            )
        stack = getattr(model, name)
        if not 1 <= abs(layer) <= len(stack):
            raise WorkbenchError(
                f"The model has {len(stack)} layers, there is none numbered {layer}.",
                where="embedding.layer",
                todo=f"Allowed: 1 to {len(stack)}, or -{len(stack)} to -1.",
            )
        keep = layer if layer > 0 else len(stack) + 1 + layer
        setattr(model, name, stack[:keep])
        model.config.num_hidden_layers = keep
        self.device, self._model = device, model.eval().to(device)
        marks = (model.config.bos_token_id, model.config.eos_token_id, 0)
        self._start = next(mark for mark in marks if isinstance(mark, int))

    def vectors(self, texts: list[np.ndarray], pooling: str) -> np.ndarray:
        """Pooled, L2-normalised vectors [len(texts), width] float32 of token ids.

        A start token goes before each text: it draws the attention that has nowhere else to go, its state is many
        times as long as any other and says nothing, so the mean leaves it out. Padding follows the texts, where a
        causal model never looks.
        """
        import torch

        # where the tokenizer puts it there itself it would stand twice, and the second be counted
        texts = [text[1:] if len(text) and text[0] == self._start else text for text in texts]
        lengths = torch.tensor([len(text) for text in texts], device=self.device)
        ids = np.full((len(texts), 1 + max(map(len, texts))), self._start, np.int64)
        for row, text in zip(ids, texts, strict=True):
            row[1 : 1 + len(text)] = text
        with torch.inference_mode():
            states = self._model(input_ids=torch.from_numpy(ids).to(self.device), use_cache=False).last_hidden_state
            states = states.float()  # [texts, tokens, width]
            if pooling == "last":
                pooled = states[torch.arange(len(texts), device=self.device), lengths]
            else:
                place = torch.arange(ids.shape[1], device=self.device)
                first = (lengths > 0).long()  # an empty text has the start token only
                counted = (place >= first[:, None]) & (place <= lengths[:, None])
                pooled = (states * counted[..., None]).sum(1)
            return torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
