"""The weights of a GGUF file as transformers reads them: for the encoder and the engine that compute with torch.

It is no part of the FRAME (core/config.py): what it writes decides vectors and answers.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.models.identity import file_hash
from core.models.loading import HERE, load_once
from core.models.merged_gguf import reader_of


def quiet() -> None:
    """No progress bars and warnings of transformers on the terminal."""
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    modeling_gguf_pytorch_utils.tqdm = logging.tqdm  # its own bar knows no such switch


def converted(file: Path) -> Path:
    """Folder of the GGUF file's weights as bfloat16 safetensors with its tokenizer, converted once by its content."""
    folder = files.models() / f"{file_hash(file)[:20]}-digits"
    return load_once(f"converted {folder}", partial(_convert, file, folder))


def _split_digits(reader: Any, tokenizer: Path) -> None:
    """SmolLM's tokenizer reads each digit by itself; transformers loses that when it reads a GGUF file."""
    kind = reader.fields.get("tokenizer.ggml.pre")
    if kind is None or kind.contents() != "smollm":
        return
    settings = files.read_json(tokenizer, of=dict, most=1 << 30)
    settings["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    tokenizer.write_text(json.dumps(settings, ensure_ascii=False), "utf-8")


@contextmanager
def _read_quickly(reader: Any) -> Iterator[None]:
    """transformers reads the file three times, here by plain arrays, and asks for the same names of tensors at each module."""
    import gguf

    before = gguf.GGUFReader, gguf.get_tensor_name_map
    gguf.GGUFReader, gguf.get_tensor_name_map = type(reader), cache(gguf.get_tensor_name_map)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = before


def _convert(file: Path, folder: Path) -> Path:
    import torch
    from transformers import AutoModel, AutoTokenizer, GgufConfig

    if folder.is_dir():
        if not (damaged := files.damage_in(folder)):
            return folder
        files.tell(f"The copy of a model was damaged ({damaged}) and is made again: {folder}.")
        shutil.rmtree(folder, ignore_errors=True)
    quiet()
    try:
        reader = reader_of(file)
        folder.parent.mkdir(parents=True, exist_ok=True)
        source = {"gguf_file": file.name, **HERE}
        with _read_quickly(reader), files.made_whole(folder, "The copy of the model", 2 * file.stat().st_size) as work:
            model, loaded = AutoModel.from_pretrained(
                file.parent,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
                output_loading_info=True,
                **source,
            )
            if missing := sorted(loaded["missing_keys"]):  # transformers has filled them with random numbers
                raise ValueError(f"it lacks {len(missing)} weights, such as {missing[0]}")
            model.save_pretrained(work)
            AutoTokenizer.from_pretrained(file.parent, **source).save_pretrained(work)
            _split_digits(reader, work / "tokenizer.json")
            files.seal_folder(work)
    except Exception as error:  # damaged files have many kinds
        if folder.is_dir():  # another process was faster
            return folder
        if isinstance(error, files.DiskError):
            raise
        what = f"The GGUF file cannot be converted: {(str(error).splitlines() or [type(error).__name__])[0]}"
        todo = "The file may be cut short, or of a kind that transformers does not read; give the model's folder."
        raise WorkbenchError(what, where=str(file), todo=todo) from None
    return folder
