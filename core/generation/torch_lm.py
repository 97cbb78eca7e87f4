"""Answers from any causal language model through torch and transformers, on this machine."""

import time
from collections.abc import Callable, Generator
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal

from core.config import knob
from core.errors import WorkbenchError
from core.generation import knobs as shared
from core.generation import structured, torch_mixture, torch_texts
from core.generation.local import Local
from core.generation.protocol import Stops
from core.generation.refusing import refusal_knob
from core.generation.torch_model import TorchModel
from core.generation.torch_model import identity as model_identity
from core.models import hardware, hub
from core.models.adapters import Adapter, adapter_hash, adapter_knob, adapter_scale_knob, wearing
from core.models.loading import importing
from core.models.own_process import Own, at_model, own_process_knob
from core.progress import Running
from core.records import Progress
from core.registry import part


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

    package: ClassVar[str] = "transformers"
    mixes: ClassVar[bool] = True
    added: ClassVar[dict[str, Any]] = {"refusal": 0.0}
    part: Literal["transformers"] = "transformers"
    model: str = knob("bundled", "The bundled SmolLM2-135M-Instruct, a GGUF file, or a causal model's folder or hub name.")
    download: bool = knob(False, "Fetch the model from the Hugging Face hub when it is not on this machine.")
    temperature: float = shared.temperature()
    top_p: float = shared.top_p()
    top_k: int = shared.top_k()
    min_p: float = shared.min_p()
    repeat_penalty: float = shared.repeat_penalty("Above 1 makes a token of the answer's last 64 less likely to come again.")
    max_tokens: int = shared.max_tokens()
    context_tokens: int = shared.context_tokens()
    stop: Stops = shared.stop()
    json_schema: str = structured.schema_knob()
    logprobs: int = shared.logprobs()
    device: Literal["auto", "cuda", "mps", "cpu"] = knob("auto", "Where it computes. Auto takes the GPU where there is one.")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "nf4"] = knob(
        "auto",
        "Number format; auto takes bfloat16 where the hardware is faster with it, and answers may differ by a word. nf4 holds the "
        "matrices in four bits (package bitsandbytes): less memory, for adapters of larger models on a GPU.",
    )
    reuse_prefix: bool = shared.reuse_prefix()
    adapter: Adapter = adapter_knob()
    adapter_scale: float = adapter_scale_knob()
    refusal: float = refusal_knob(0.0)
    own_process: Own = own_process_knob()

    def wears(self) -> str:
        return self.adapter

    def base(self) -> str:
        """The identity of the model's files, by which its adapters know it."""
        return model_identity(self.source())

    def identity(self) -> str:
        """What besides the knobs decides the text: the files' content, the engine, and where and in what it computes."""
        where, source = f"{self._device()} {self._dtype()}", self.base()
        for name, weight in wearing(self.adapter, self.adapter_scale, source).items():
            where += f" adapter {adapter_hash(name)} scale {weight:g}"  # logits are kept by it
        return f"{source[:20]} {where} transformers {version('transformers')} torch {version('torch')}"

    def absent(self) -> bool:
        return self.download and self._file() is None and hub.local_model(self.model, "generation.model") is None

    def fetch(self) -> None:
        hub.fetch_model(self.model, "generation.model")

    def opens(self) -> tuple[tuple, Callable[[], TorchModel]]:
        source, device, dtype = self.source(), self._device(), self._dtype()
        return (model_identity(source), device, dtype), lambda: TorchModel(source, device, dtype)

    @at_model
    def mix(
        self, prompts: torch_mixture.Prompts, log_prior: list[float], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, torch_mixture.Mixed]:
        """One answer to all prompts, each token by the sum of what they say of it; pieces as those of `generate`."""
        started, model = time.perf_counter(), self.load()
        until = started + deadline_s
        yield from model.acquire(until)
        try:
            return (yield from torch_mixture.mixed(model, self, prompts, log_prior, seed, started, until))
        finally:
            model.lock.release()

    def _logprobs(
        self, model: TorchModel, prompts: torch_mixture.Prompts, answers: list[str], until: float
    ) -> Generator[int, None, list[list[list[float]]]]:
        return torch_mixture.answer_logprobs(model, self, prompts, answers, until)  # all prompts at once

    @at_model
    def text_nats(
        self, texts: list[str], most_tokens: int, deadline_s: float = 120.0
    ) -> Generator[Progress, None, list[tuple[float, int]]]:
        """Of each text's first tokens the sum of -ln p(token | those before), and how many were foretold."""
        until, model = time.perf_counter() + deadline_s, self.load()
        for _ in model.acquire(until):
            yield Progress(0, len(texts), "waiting for the model")
        try:
            for done in (running := Running(torch_texts.text_nats(model, self, texts, most_tokens, until))):
                yield Progress(done, len(texts), "reading texts")
            return running.result
        finally:
            model.lock.release()

    @at_model
    def import_engine(self) -> None:
        import torch  # noqa: F401

        with importing:
            from transformers import AutoModelForCausalLM  # noqa: F401

    @at_model
    def threads_in_use(self) -> int:
        import torch

        return torch.get_num_threads()

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

    def source(self) -> Path:
        if file := self._file():
            return file
        if folder := hub.local_model(self.model, "generation.model"):
            return folder
        raise WorkbenchError(
            f"The model '{self.model}' is not on this machine.",
            where="generation.model",
            todo="Turn on generation.download and prepare the recipe to fetch it, or give a local folder.",
        )
