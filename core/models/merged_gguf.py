"""A GGUF file with other weights in the place of its own: what llama.cpp reads of a model that torch has changed.

Vocabulary, chat template and settings stay as they are. Matrices are written as float16 or as asked for, vectors as float32: in its
own format of four bits llama.cpp would round what it multiplies, too, and come to other texts. Source: llama.cpp's
convert_hf_to_gguf.py, for names and for the order of the rows of queries and keys.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from core import files
from core.errors import WorkbenchError

ROWS_APART = ("attn_q.weight", "attn_k.weight")  # whose rows llama.cpp has in pairs that rotate together
Change = Callable[[str, np.ndarray], np.ndarray]  # of a matrix by its name in transformers, the other one


def add_to_gguf(base: Path, out: Path, change: Change, names: Collection[str], form: str) -> None:
    """Writes base with these matrices changed and all matrices in the number format `form`, as gguf calls it."""
    from gguf.quants import dequantize

    reader = reader_of(base)
    heads, theirs = _heads(reader), _names(_blocks(reader))
    held = {theirs[tensor.name]: tensor for tensor in reader.tensors if tensor.name in theirs}

    def weight(name: str) -> np.ndarray | None:
        tensor = held[name]
        if len(tensor.shape) < 2:
            return None
        matrix, apart = dequantize(tensor.data, tensor.tensor_type), heads.get(_own(tensor.name))
        matrix = from_pairs(matrix, apart) if apart else matrix
        return change(name, matrix) if name in names else matrix

    _write(reader, base, out, weight, form)


def write_gguf(base: Path, out: Path, weight: Callable[[str], np.ndarray | None]) -> None:
    """Writes base with the matrices for which `weight`, of their names in transformers, is not None."""
    _write(reader_of(base), base, out, weight, "F16")


def reader_of(file: Path) -> Any:
    """gguf's reader of the file, through plain arrays: over slices of a memory map it takes twice as long."""
    from gguf import GGUFReader

    class Plain(GGUFReader):
        def _get(self, *arguments: Any, **options: Any) -> np.ndarray:
            self.data = np.asarray(self.data)
            return super()._get(*arguments, **options)

    return Plain(file)


def _write(reader: Any, base: Path, out: Path, weight: Callable[[str], np.ndarray | None], form: str) -> None:
    from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
    from gguf.quants import quantize

    architecture = reader.get_field("general.architecture").contents()
    if architecture != "llama":
        todo = "Use the merged folder with transformers, or convert it with llama.cpp's convert_hf_to_gguf.py."
        raise WorkbenchError(f"GGUF files of the architecture '{architecture}' are not merged here.", where=str(base), todo=todo)
    names, heads, kind_of = _names(_blocks(reader)), _heads(reader), GGMLQuantizationType[form]
    size = sum(2 * int(tensor.n_elements) for tensor in reader.tensors)
    with files.made_whole(out, "The merged model", size) as temporary:
        writer = GGUFWriter(temporary, architecture)
        for field in reader.fields.values():
            if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
                continue
            kind = field.types[0]
            inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
        for tensor in reader.tensors:
            matrix = weight(names[tensor.name]) if tensor.name in names else None
            if matrix is None:
                writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
                continue
            if list(matrix.shape) != [int(size) for size in tensor.shape[::-1]]:
                raise WorkbenchError(
                    f"{names[tensor.name]} has the shape {list(matrix.shape)}, the file's {[int(size) for size in tensor.shape[::-1]]}.",
                    where=str(base),
                    todo="Merge into the file that the adapter was trained on.",
                )
            apart = heads.get(_own(tensor.name))
            matrix = in_pairs(matrix, apart) if apart else matrix
            if matrix.ndim < 2:
                writer.add_tensor(tensor.name, matrix.astype(np.float32))
            else:
                writer.add_tensor(tensor.name, quantize(matrix.astype(np.float32), kind_of), raw_dtype=kind_of)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _blocks(reader: Any) -> int:
    return int(reader.get_field("llama.block_count").contents())


def _heads(reader: Any) -> dict[str, int]:
    """Matrices whose rows are in pairs -> their heads."""
    counts = ("llama.attention.head_count", "llama.attention.head_count_kv")
    return {name: int(reader.get_field(count).contents()) for name, count in zip(ROWS_APART, counts, strict=True)}


def _own(name: str) -> str:
    """Of a tensor its name within its block."""
    return name.partition(".")[2].partition(".")[2]


def from_pairs(matrix: np.ndarray, heads: int) -> np.ndarray:
    """The inverse of `in_pairs`."""
    return matrix.reshape(heads, -1, 2, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def in_pairs(matrix: np.ndarray, heads: int) -> np.ndarray:
    """The rows of [heads * size, width] as llama.cpp has them: of each head, row i beside row i + size / 2."""
    return matrix.reshape(heads, 2, -1, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def _names(blocks: int) -> dict[str, str]:
    """Name in the file -> in transformers."""
    parts = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    layers = {
        f"blk.{block}.{own}.weight": f"model.layers.{block}.{theirs}.weight"
        for block in range(blocks)
        for own, theirs in parts.items()
    }
    ends = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    return layers | {f"{own}.weight": f"{theirs}.weight" for own, theirs in ends.items()}
