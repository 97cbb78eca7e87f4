"""The header of a GGUF file: its metadata and the sizes of its tensors. No weights are read.

Choose it over the `gguf` package's reader to look at a file: that one makes an object of every word of the vocabulary (2.3 s
for SmolLM2's 49,152 words and as many merges), this one steps over them.

The format: ggml's docs/gguf.md, versions 2 and 3, little-endian.
"""

import mmap
import struct
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError

STRING, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
KEPT = 4096  # longest array of numbers that is kept; a vocabulary's scores are longer


class TensorInfo(NamedTuple):
    name: str
    shape: tuple[int, ...]  # innermost first
    format: str  # of its numbers: F32, Q4_0 ...
    numbers: int
    bytes: int


class Header(NamedTuple):
    """metadata: without arrays of text and long arrays; lengths: of every array."""

    metadata: dict[str, Any]
    lengths: dict[str, int]
    tensors: tuple[TensorInfo, ...]


def read_header(path: Path) -> Header:
    """Raises WorkbenchError where the file is no GGUF file, is cut short, or tells nonsense."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise WorkbenchError("The file is not a GGUF file.", where=str(path), todo="It may be a failed download.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data).header()
    except (struct.error, ValueError, OverflowError, OSError) as error:
        said = "it ends within the header" if isinstance(error, struct.error) else str(error)
        raise WorkbenchError(
            f"The GGUF file cannot be read: {said}.",
            where=str(path),
            todo="It may be cut short: compare its size with the publisher's.",
        ) from None


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 4

    def number(self, kind: str) -> Any:
        value = struct.unpack_from("<" + kind, self.data, self.at)[0]
        self.at += struct.calcsize("<" + kind)
        return value

    def text(self) -> str:
        length = self.number("Q")
        self.skip(length)
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise ValueError("it ends within the header")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind not in NUMBERS:
            raise ValueError(f"it names a type of value that is not known ({kind})")
        return self.number(NUMBERS[kind])

    def array(self) -> tuple[int, list | None]:
        """Length, and the numbers where they are few."""
        kind, length = self.number("I"), self.number("Q")
        if kind == STRING:
            for _ in range(length):  # a wrong length soon meets the end of the file
                self.skip(self.number("Q"))
            return length, None
        if kind not in NUMBERS:
            raise ValueError(f"it names a type of value that is not known ({kind})")
        start = self.at
        self.skip(length * struct.calcsize("<" + NUMBERS[kind]))
        return length, list(struct.unpack_from(f"<{length}{NUMBERS[kind]}", self.data, start)) if length <= KEPT else None

    def header(self) -> Header:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        version, tensors, settings = self.number("I"), self.number("Q"), self.number("Q")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}, and 2 and 3 are known")
        metadata, lengths = {}, {}
        for _ in range(settings):
            name, kind = self.text(), self.number("I")
            if kind == ARRAY:
                lengths[name], values = self.array()
                if values is not None:
                    metadata[name] = values
            else:
                metadata[name] = self.value(kind)
        infos, ends = [], [0]
        for _ in range(tensors):
            name, axes = self.text(), self.number("I")
            if not 1 <= axes <= 4:
                raise ValueError(f"tensor '{name}' has {axes} axes")
            shape = tuple(self.number("Q") for _ in range(axes))
            ggml_type, offset = GGMLQuantizationType(self.number("I")), self.number("Q")
            block, size = GGML_QUANT_SIZES[ggml_type]
            count = prod(shape)
            infos.append(TensorInfo(name, shape, ggml_type.name, count, count // block * size))
            ends.append(offset + infos[-1].bytes)
        step = metadata.get("general.alignment", 32)
        if not isinstance(step, int) or step < 1:
            raise ValueError("its alignment is no number")
        whole = -(-self.at // step) * step + max(ends)
        if whole > len(self.data):
            raise ValueError(f"it has {len(self.data):,} of {whole:,} bytes")
        return Header(metadata, lengths, tuple(infos))
