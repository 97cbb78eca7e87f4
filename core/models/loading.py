"""One loaded model a process, and what damaged or strange model files raise, in words."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core import files
from core.errors import WorkbenchError, missing_package
from core.models import probes

HERE = {"local_files_only": True, "trust_remote_code": False}  # for `from_pretrained`: a folder's own code is never run
WEIGHTS_HERE = HERE | {"use_safetensors": True}
MODULES = {"Transformer", "Pooling", "Normalize", "Dense", "LogitScore"}  # of sentence-transformers
COPY_AGAIN = "Its files may be damaged or of another kind: copy the model again, or choose another."
_loaded: dict[str, object] = {}
_loading: dict[str, threading.Lock] = {}
importing = threading.Lock()  # of transformers: two threads at its first import found it without its classes


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
        if "trust_remote_code" in str(error):
            told = f"{what}: it brings code of its own, which is never run here."
            raise WorkbenchError(told, where=where, todo="Choose a model that the library knows by itself.") from None
        words = (str(error).strip().splitlines() or [""])[0][:300]
        raise WorkbenchError(f"{what}: {type(error).__name__}: {words}", where=where, todo=todo) from error


def data_only(folder: Path) -> Path:
    """The folder of a model, where its weights are its own and no pickles: those can run code when they are opened."""
    if (folder / "adapter_config.json").exists():
        told = "The model's folder is that of an adapter, for which the library would load whatever model it names."
        raise WorkbenchError(told, where=str(folder), todo="Give the folder of a whole model: merge the adapter into its own.")
    for file in folder.rglob("pytorch_model*.bin"):
        if not any(file.parent.glob("*.safetensors")):
            told = f"The model's weights are no safetensors but {file.relative_to(folder)}, which can run code when it is opened."
            raise WorkbenchError(
                told, where=str(folder), todo="Take a copy that has model.safetensors, or save it so where you trust it."
            )
    return folder


def check_modules(folder: Path, library: str = "SentenceTransformer") -> None:
    """Refuses a folder of sentence-transformers that does not say how a text's vector is made, where the library would guess, or
    that asks for more than it takes to read one."""
    what, todo = "", f"Give a folder that {library}.save has written, of {', '.join(sorted(MODULES))} alone."
    with readable("The model's settings cannot be read", str(folder), todo):
        about, modules = folder / "config_sentence_transformers.json", folder / "modules.json"
        kind = files.read_json(about, of=dict).get("model_type", "SentenceTransformer") if about.is_file() else ""
        named = files.read_json(modules) if modules.is_file() else []
        others = [each["type"] for each in named if not _is_usual(each["type"])]
        settings = [files.read_json(file, of=dict) for file in folder.glob("sentence_*_config.json")]
        asked = sorted({name for some in settings for name in some if name.endswith(("_args", "_kwargs")) and some[name]})
        if kind not in ("", library):
            what = f"The model is a {kind!s:.40}, no {library}."
        elif not named:
            what = "The model has no modules.json: how the vectors of its tokens become one is not said."
        elif others:
            what = f"The model asks for {others[0]!s:.80}, of which this workbench knows nothing."
        elif asked:
            what = f"The model's settings ask the library for {asked[0]}, which is not handed on."
    if what:
        raise WorkbenchError(what, where=str(folder), todo=todo)


def _is_usual(kind: str) -> bool:
    return kind.startswith("sentence_transformers.") and kind.rpartition(".")[2] in MODULES


def check_sealed(folder: Path, what: str) -> None:
    """Refuses a model made here that is not as it was written. Those of earlier versions carry no checksums."""
    if damaged := files.damage_in(folder):
        raise WorkbenchError(
            f"{what} is damaged: {damaged} is not as it was written.",
            where=str(folder),
            todo="Copy the folder back from a backup, or train it again.",
        )


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
