"""A GGUF file that wears adapters, made once and kept in the cache: llama.cpp reads the sum as fast as the model alone.

A LoRA file beside the model would be computed anew for each token. Each matrix is the base's and what the adapters add, in float64,
then rounded to the number format in which the model itself is read here; a folder with its checksum.
"""

import shutil
import threading
from pathlib import Path

import numpy as np

from core import files
from core.config import fingerprint
from core.errors import WorkbenchError
from core.models.adapters import WEIGHTS, adapter_hash, adds_up, folder_of, lora_settings
from core.models.identity import file_hash
from core.models.loading import readable
from core.models.merged_gguf import add_to_gguf

_making = threading.Lock()
_whole: set[Path] = set()  # folders that this process has made or looked at

FORM = {"as_bundled": "F16", "bf16": "BF16", "q8_0": "Q8_0", "q4_0": "Q4_0"}  # number format -> as gguf calls it
PREFIX = "base_model.model."


def copy_of(base: Path, weights: str, worn: dict[str, float]) -> Path:
    """Folder of the copy, there or not."""
    key = fingerprint(FORM[weights], [[adapter_hash(name), scale] for name, scale in worn.items()])[:20]
    return files.models() / f"{file_hash(base)[:20]}-adapted-{key}"


def adapted(base: Path, weights: str, worn: dict[str, float]) -> Path:
    """The file, made now if it is not there or is damaged."""
    folder, name = copy_of(base, weights, worn), f"{base.stem}+{'+'.join(worn)}.gguf"
    with _making:
        if folder in _whole and folder.is_dir():
            return folder / name
        if folder.is_dir() and (damaged := files.damage_in(folder)):
            files.tell(f"The copy of a model with its adapter was damaged ({damaged}) and is made again: {folder}.")
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                with files.made_whole(folder, "The copy of the model with its adapter", 3 * base.stat().st_size) as work:
                    work.mkdir()
                    _write(base, work / name, FORM[weights], worn)
                    files.seal_folder(work)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
        _whole.add(folder)
        return folder / name


def _write(base: Path, out: Path, form: str, worn: dict[str, float]) -> None:
    added: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}  # matrix -> factors, whose product is added
    for name, scale in worn.items():
        folder = folder_of(name)
        with readable(f"The adapter '{name}' cannot be read", str(folder)):
            weights, settings = read_weights(folder / WEIGHTS), lora_settings(folder)
        if not adds_up(settings):
            todo = "Answer with generation.part=transformers, or merge it into the model first."
            raise WorkbenchError(f"llama.cpp takes plain LoRA, and '{name}' is more than that.", where=str(folder), todo=todo)
        for key in (key for key in weights if key.endswith(".lora_A.weight")):
            matrix = key.removesuffix(".lora_A.weight")
            a, b = weights[key], weights[f"{matrix}.lora_B.weight"]
            factor = scale * settings["lora_alpha"] / (len(a) ** 0.5 if settings.get("use_rslora") else len(a))
            added.setdefault(f"{matrix.removeprefix(PREFIX)}.weight", []).append((factor * b, a))

    def change(name: str, matrix: np.ndarray) -> np.ndarray:
        # in float64: by how many threads a product is summed would else show in a last digit, and the copy be another one
        return (matrix + sum(b.astype(np.float64) @ a for b, a in added[name])).astype(np.float32)

    add_to_gguf(base, out, change, added.keys(), form)


def read_weights(file: Path) -> dict[str, np.ndarray]:
    """Name -> float32, also of bfloat16, which numpy does not know."""
    from safetensors import deserialize

    kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
    made = {}
    for name, tensor in deserialize(file.read_bytes()):
        numbers = np.frombuffer(tensor["data"], kinds[tensor["dtype"]]).reshape(tensor["shape"])
        made[name] = (
            (numbers.astype(np.uint32) << 16).view(np.float32) if tensor["dtype"] == "BF16" else numbers.astype(np.float32)
        )
    return made
