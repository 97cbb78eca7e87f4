"""Answers from a GGUF file through llama.cpp, on this machine and without network."""

import importlib.metadata
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from core import files
from core.config import knob
from core.errors import WorkbenchError
from core.generation import adapted_gguf, gguf_files, structured
from core.generation import knobs as shared
from core.generation.llama_model import LlamaModel
from core.generation.local import Local
from core.generation.protocol import Stops
from core.generation.refusing import refusal_knob
from core.models import llama_packages
from core.models.adapters import SHIPPED, Adapter, adapter_hash, adapter_knob, adapter_scale_knob, wearing
from core.models.identity import file_hash
from core.models.own_process import Own, at_model, own_process_knob
from core.registry import part


@part("generator")
class LlamaCpp(Local):
    """Any GGUF model through llama.cpp (llama-cpp-python), with SmolLM2-135M-Instruct bundled as the default.

    Choose it for answers on a laptop, on a Mac's GPU, or wherever no network is wanted. The bundled model is small: it
    shows the whole pipeline within a second or two, and is often wrong. Sampling filters follow in llama.cpp's order:
    top-k, top-p (Holtzman et al. 2020, section 3.1), min-p (Nguyen et al. 2024), then temperature.
    """

    package: ClassVar[str] = "llama-cpp-python"
    copies: ClassVar[bool] = True
    added: ClassVar[dict[str, Any]] = {"adapter": "", "adapter_scale": 1.0, "refusal": 0.0}
    part: Literal["llama_cpp"] = "llama_cpp"
    model: str = knob("bundled", "The bundled SmolLM2-135M-Instruct, or the path of a GGUF file.")
    temperature: float = shared.temperature()
    top_p: float = shared.top_p()
    top_k: int = shared.top_k()
    min_p: float = shared.min_p()
    repeat_penalty: float = shared.repeat_penalty(
        "Above 1 makes a token of the last 64 less likely to come again. Small models loop less, and quote less."
    )
    max_tokens: int = shared.max_tokens()
    context_tokens: int = shared.context_tokens()
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
    stop: Stops = shared.stop()
    json_schema: str = structured.schema_knob()
    logprobs: int = shared.logprobs()
    reuse_prefix: bool = shared.reuse_prefix()
    adapter: Adapter = adapter_knob(SHIPPED)
    adapter_scale: float = adapter_scale_knob()
    refusal: float = refusal_knob(0.25)  # chosen on articles of SQuAD's training set that the answerer did not learn
    own_process: Own = own_process_knob()

    def path(self) -> Path:
        """The model file, checked as far as that goes without loading it."""
        path = llama_packages.bundled() if self.model == "bundled" else files.path_of(self.model, "generation.model")
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
        """The file that is loaded: the given one, or a copy of it in another number format or with adapters, made if it is not there."""
        return self.choice().path

    def choice(self) -> gguf_files.WeightsChoice:
        return self._made_choice() if self.converts() else self._choice()

    @at_model
    def _made_choice(self) -> gguf_files.WeightsChoice:
        return self._choice()

    def _choice(self) -> gguf_files.WeightsChoice:
        choice, worn = gguf_files.choice(self.path(), self.weights), self._worn()
        return choice._replace(path=adapted_gguf.adapted(self.path(), choice.copied, worn)) if worn else choice

    def wears(self) -> str:
        return self.adapter

    def base(self) -> str:
        """The identity of the model's files, by which its adapters know it."""
        return file_hash(self.path())

    def _worn(self) -> dict[str, float]:
        """Adapter -> how much of it counts, of those that this file wears."""
        return wearing(self.adapter, self.adapter_scale, self.base()) if self.adapter else {}

    def usable(self) -> "LlamaCpp":
        """With the file as given, until a faster copy of it has been made."""
        waits = self.weights == "auto" and self.converts()
        return self.model_copy(update={"weights": "as_bundled"}) if waits else self

    def converts(self) -> bool:
        """Whether the next `load` converts the file first, and for `auto` measures the copies: seconds to a minute."""
        if not gguf_files.ready(self.path(), self.weights):
            return True
        worn = self._worn()
        return (
            bool(worn)
            and not adapted_gguf.copy_of(self.path(), gguf_files.choice(self.path(), self.weights).copied, worn).is_dir()
        )

    def identity(self) -> str:
        """What besides the knobs decides the text: the content of the loaded file, of what it wears, and the engine's version."""
        alone, worn = self.model_copy(update={"adapter": ""}), self._worn()  # a copy that wears them follows from both
        told = "".join(f" adapter {adapter_hash(name)} scale {weight:g}" for name, weight in worn.items())
        return f"{file_hash(alone.file())[:20]}{told} llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"

    def opens(self) -> tuple[tuple, Callable[[], LlamaModel]]:
        path, threads = self.file(), self.threads or _cores()
        key = str(path), *_version(path), self.context_tokens, self.threads, self.gpu_layers
        return key, lambda: LlamaModel(path, self.context_tokens, threads, self.gpu_layers)

    @at_model
    def import_engine(self) -> None:
        import llama_cpp  # noqa: F401

    @at_model
    def batch_tokens(self) -> int:
        from core.generation.llama_model import PIECE

        return PIECE

    def processor(self) -> str:
        """What the build of llama.cpp uses of the processor."""
        import llama_cpp

        return llama_cpp.llama_print_system_info().decode().strip(" |")

    @at_model
    def threads_in_use(self) -> int:
        return self.load().threads


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _cores() -> int:
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))
