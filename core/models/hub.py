"""What encoder parts share: identity of model files, what the hardware does well, one loaded model per process."""

import ctypes
import hashlib
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from core import files
from core.config import fingerprint
from core.errors import WorkbenchError, missing_package
from core.models import probes

ENCODER_FILES = ("config.json", "tokenizer.json", "model.safetensors")
COPY_AGAIN = "Its files may be damaged or of another kind: copy the model again, or choose another."
OTHER_FORMATS = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot"]  # the same weights again

_loaded: dict[str, object] = {}
_loading: dict[str, threading.Lock] = {}
_surrogates = re.compile("[\ud800-\udfff]")


def load_once(identity: str, make: Callable[[], object]) -> object:
    """The object that `make` made for this identity, made once however many threads ask."""
    with _loading.setdefault(identity, threading.Lock()):  # of its own: another model may take seconds to load
        if identity not in _loaded:
            probes.refuse("torch")  # all that is loaded here computes with it
            with readable():
                _loaded[identity] = make()
        return _loaded[identity]


@contextmanager
def readable(what: str = "The model cannot be read", where: str = "", todo: str = COPY_AGAIN) -> Iterator[None]:
    """The many exceptions of damaged, empty or strange model folders as one that says what to do."""
    try:
        yield
    except WorkbenchError:
        raise
    except ImportError as error:
        raise missing_package(error) from error
    except Exception as error:
        words = (str(error).strip().splitlines() or [""])[0][:300]
        raise WorkbenchError(f"{what}: {type(error).__name__}: {words}", where=where, todo=todo) from error


def check_weights(model, where: str) -> None:
    """Refuses a transformers model of which some weights were not in its files: the library fills those with random
    numbers and only warns. A pooling layer may be missing, as none of our encoders asks it."""
    held = set(model._keys_to_ignore_on_load_missing or ())
    missing = [
        name
        for name, weight in model.named_parameters()
        if not getattr(weight, "_is_hf_initialized", False)
        and "pooler." not in name
        and not any(re.search(pattern, name) for pattern in held)
    ]
    if missing:
        what = f"{len(missing)} tensors of the model are not in its files, the first is {missing[0]}"
        raise WorkbenchError(f"{what}: it would read texts with random weights.", where=where, todo=COPY_AGAIN)


@lru_cache(maxsize=64)
def _file_hash(path: Path, size: int, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hash(path: Path) -> str:
    status = path.stat()
    return _file_hash(path, status.st_size, status.st_mtime_ns)


def files_identity(path: Path) -> str:
    """Fingerprint of the contents of weights, tokenizer and settings of a model folder, or of a model that is one file
    (0.1 s for 90 MB, then kept)."""
    if path.is_file():
        return fingerprint(file_hash(path))
    kinds = {".safetensors", ".bin", ".json", ".txt", ".model"}
    files = sorted(p for p in path.rglob("*") if p.suffix in kinds and p.is_file() and not {"onnx", "openvino"} & set(p.parts))
    return fingerprint([[str(p.relative_to(path)), file_hash(p)] for p in files])


def encoders_home() -> Path:
    """Where trained encoders lie, each in a folder of its name."""
    return files.home() / "encoders"


def trained_encoders() -> list[str]:
    """Names of the trained encoders that are complete, sorted."""
    folders = encoders_home().glob("[!.]*/")
    return sorted(f.name for f in folders if all((f / file).is_file() for file in ENCODER_FILES))


def local_model(model: str) -> Path | None:
    """Folder of a model given as a folder or by its name on the Hugging Face hub; None if it is not on this machine."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except HFValidationError:
        what = f"'{model}' is neither a folder nor a name of the Hugging Face hub."
        todo = "Give an existing folder, or a name like owner/model."
        raise WorkbenchError(what, where="embedding.model", todo=todo) from None
    except LocalEntryNotFoundError:
        return None


def present_model(model: str) -> Path:
    """Folder of a model that has to be on this machine."""
    if folder := local_model(model):
        return folder
    todo = "Turn on embedding.download and prepare the recipe to fetch it, or give a local folder."
    raise WorkbenchError(f"The model '{model}' is not on this machine.", where="embedding.model", todo=todo)


def fetch_model(model: str) -> None:
    """Downloads a model from the Hugging Face hub. Only long verbs do, never a page that is merely opened."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(model, ignore_patterns=OTHER_FORMATS)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        what = f"The model '{model}' could not be fetched: {error}"
        todo = "Check its name and the network (make sets HF_HUB_OFFLINE=1), or give the folder of a copy."
        raise WorkbenchError(what, where="embedding.model", todo=todo) from None


@lru_cache(maxsize=1)
def fast_dtype() -> str:
    """ "bfloat16" where the hardware multiplies it faster than float32, else "float32". Found without importing torch.

    Elsewhere bfloat16 works too, converted number by number, and is slower than float32.
    """
    if _torch_has_gpu() and (major := _cuda_major()) is not None:
        return "bfloat16" if major >= 8 else "float32"
    try:
        return _cpu_dtype(Path("/proc/cpuinfo").read_text())
    except OSError:  # macOS, Windows
        return "float32"


def _cpu_dtype(cpuinfo: str) -> str:
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return "bfloat16" if flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()) else "float32"


def _torch_has_gpu() -> bool:
    """Whether the installed torch is a CUDA or ROCm build, read from its source."""
    spec = find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    return bool(version and version.exists() and re.search(r"^(cuda|hip)\b.*= *'", version.read_text(), re.MULTILINE))


def _cuda_major() -> int | None:
    """Compute capability (major) of the first GPU, from the driver; None without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    major, device = ctypes.c_int(), ctypes.c_int()
    ok = driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
    # 75 is CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    return major.value if ok and driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device) == 0 else None


def device() -> str:
    """Where torch computes best on this machine: cuda, mps or cpu."""
    if sys.platform != "darwin" and not _torch_has_gpu():
        return "cpu"  # known without importing torch
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def keep_freed_memory() -> None:
    """Tells glibc to keep up to 128 MB that were freed, for the next matrix of the same size. By default it hands
    matrices back to the system and gets them again page by page, some 8% of the time of a forward pass on a CPU."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
        mallopt(-1, 128 << 20)  # M_TRIM_THRESHOLD


def encodable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced one for one: offsets stay."""
    return text if text.isascii() else _surrogates.sub("\ufffd", text)
