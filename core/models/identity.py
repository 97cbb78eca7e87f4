"""What a model's files are, by their contents: two models are the same where their files are."""

import hashlib
from functools import lru_cache
from pathlib import Path

from core.config import fingerprint


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
    inside = sorted(p.relative_to(path) for p in path.rglob("*") if p.suffix in kinds and p.is_file())
    own = [place for place in inside if not {"onnx", "openvino"} & set(place.parts)]  # the folder may itself lie below such a one
    return fingerprint([[str(place), file_hash(path / place)] for place in own])
