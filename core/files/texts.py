"""Texts that others wrote: the one door for YAML, and for JSON that a person, another program or a stranger may have made.

Files, pasted texts, addresses and options alike: whatever is wrong with a text, or asks for more than it is worth, is a
WorkbenchError with its place and a remedy, before anything is made of it. A pipe or a device in place of a file is refused.
"""

import json
import os
import re
import stat
from collections.abc import Callable
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import yaml

from core.errors import WorkbenchError

try:
    from yaml import CSafeLoader as PlainLoader
except ImportError:  # PyYAML without libyaml: the same values, in ten times the time
    from yaml import SafeLoader as PlainLoader

MOST_TEXT = 1 << 20  # bytes of a text that a person writes
MOST_JSON = 16 << 20  # of JSON, which programs write
MOST_DATA = 1 << 30  # of a file of data
MOST_VALUES = 100_000  # of a YAML text
DEEPEST = 64  # of lists and mappings in one another
LONGEST_NAME = 1_024  # characters, as YAML has it of a name that stands on its line
LONGEST_NUMBER = 100  # characters; the cost of YAML's numbers of base 60 grows with their square
BRACKETED = "{[\"'|>!&*"  # beginnings of what YAML is asked to read
_KINDS = {dict: "mapping of names to values", list: "list"}


def read_yaml(
    source: Path | str | bytes,
    what: str = "The text",
    *,
    of: Any = object,
    where: str = "",
    todo: str = "",
    most: int = MOST_TEXT,
) -> Any:
    """The plain values of a YAML file (a Path) or text: bounded in size, depth, digits and what its aliases write out.

    what: begins the error, which names `where` and `todo`. of: the type that it has to be. most: bytes.
    """

    def parsed(text: str) -> Any:
        _check_yaml(text, most)
        return yaml.load(text, _BoundedLoader)

    return _read(parsed, source, what, of, where, todo or "Give plain YAML.", most)


def read_json(
    source: Path | str | bytes,
    what: str = "The text",
    *,
    of: Any = object,
    where: str = "",
    todo: str = "",
    most: int = MOST_JSON,
    numbers: Literal["bounded", "careless", "any"] = "bounded",
) -> Any:
    """The same of JSON. numbers: "bounded" refuses NaN, infinity and whole numbers beyond 64 bits; "careless", for data that any
    program wrote, makes null of the first two and text of the last; "any", for records of ours, refuses NaN only."""

    def parsed(text: str) -> Any:
        value = _DECODERS[numbers].decode(text)
        _check_depth(value, text)
        return value

    return _read(parsed, source, what, of, where, todo or "Give plain JSON.", most)


def read_text(
    path: Path, what: str = "The file", *, todo: str = "", most: int = MOST_DATA, errors: Literal["strict", "replace"] = "strict"
) -> str:
    """The text of a file, for what is neither. errors: in its UTF-8, as of `bytes.decode`."""
    return _read(str, path, what, str, "", todo, most, errors)


def read_value(text: str) -> Any:
    """A value as YAML reads it; what is no YAML is a word, and so is what stands in no brackets or quotes and would be a mapping, a list,
    a date, a number of base 60, or less than is written: a prompt may hold ": " and " # "."""
    try:
        value = read_yaml(text)
    except WorkbenchError:
        return text
    written = text.strip()
    if not written or written[0] in BRACKETED:
        return value
    cut = value != written if isinstance(value, str) else value is None and written[0] == "#"
    other = isinstance(value, dict | list | date) or isinstance(value, int | float) and ":" in written
    return text if cut or other else value


def contents(path: Path, most: int | None = None) -> bytes:
    """The bytes of a file, and of nothing else: to read a pipe or a device could wait for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is no file but a pipe or a device")
        data = file.read(-1 if most is None else most + 1)
    if most is not None and len(data) > most:
        raise ValueError(f"it is larger than {most / MOST_TEXT:g} MB")
    return data


def path_of(text: str | Path, where: str = "") -> Path:
    """A path as a person types it, ~ for their folder; the system need not have it, but must be able to look."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        todo = "Give the path of a file or folder that may be read."
        raise WorkbenchError(f"'{text!s:.60}' is no path: {_why(error)}.", where=where, todo=todo) from None
    return path


def regular(path: Path, todo: str = "Give a file.") -> Path:
    """The same path, where a file is there that may be read otherwise than by `contents`."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise WorkbenchError(f"The file cannot be read: {_why(error)}.", where=str(path), todo=todo) from None
    if kind != stat.S_IFREG:
        what = "a folder" if kind == stat.S_IFDIR else "a pipe or a device"
        raise WorkbenchError(f"This is no file but {what}.", where=str(path), todo=todo)
    return path


def _read(
    parsed: Callable[[str], Any],
    source: Path | str | bytes,
    what: str,
    of: Any,
    where: str,
    todo: str,
    most: int,
    errors: str = "strict",
) -> Any:
    try:
        data = contents(source, most) if isinstance(source, Path) else source
        if len(data) > most:
            raise ValueError(f"it is larger than {most / MOST_TEXT:g} MB")
        value = parsed(data.decode("utf-8", errors).removeprefix("\ufeff") if isinstance(data, bytes) else data)
        if not isinstance(value, of):
            raise ValueError(f"it holds no {_KINDS.get(of, of)}")
        return value
    except (
        OSError,
        yaml.YAMLError,
        ValueError,
        ArithmeticError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        where = where or (str(source) if isinstance(source, Path) else "")
        why = _why(error)
        line = re.search(r" \(line (\d+)", why)
        place = f"{where}:{line[1]}" if where and line else where
        todo = todo or ("Give the path of a file that may be read." if isinstance(error, OSError) else "Save it as UTF-8.")
        raise WorkbenchError(f"{what} cannot be read: {why}.", where=place, todo=todo) from None


def _why(error: Exception) -> str:
    """In one line, with the place in the text."""
    match error:
        case yaml.MarkedYAMLError(problem=str(problem), problem_mark=mark) if mark:
            words = f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
        case json.JSONDecodeError():
            words = f"{error.msg} (line {error.lineno}, column {error.colno})"
        case UnicodeDecodeError():
            words = f"it is not UTF-8 (line {error.object[: error.start].count(bytes([10])) + 1}, byte {error.start + 1})"
        case RecursionError():
            words = "it is nested too deeply"
        case OSError():
            words = error.strerror or str(error)
        case LookupError() | AttributeError() | TypeError():  # of PyYAML, which tries what a tag names
            words = "a value is not what its tag says"
        case _:
            words = str(error) or type(error).__name__
    return " ".join(words.split())[:300].rstrip(".")


class _Collection:
    """A list or mapping while its events pass."""

    def __init__(self, anchor: str | None, start: int, mapping: bool) -> None:
        self.anchor, self.start, self.mapping = anchor, start, mapping
        self.height = 1  # of lists and mappings in one another, itself among them
        self.entries, self.names = 0, set()

    def take(self, event: Any) -> None:
        """Counts an entry; of a mapping every other one is a name."""
        if self.mapping and self.entries % 2 == 0 and isinstance(event, yaml.ScalarEvent):
            if len(event.value) > LONGEST_NAME:
                raise ValueError(f"a name has {len(event.value):,} characters (line {event.start_mark.line + 1})")
            name = event.value, event.tag, event.style or ""
            if name in self.names and event.value != "<<":
                raise ValueError(f"'{event.value:.60}' stands twice in a mapping (line {event.start_mark.line + 1})")
            self.names.add(name)
        self.entries += 1


def _check_yaml(text: str, most: int) -> None:
    """Refuses, while reading and before anything is made of it, what a few lines of YAML can make endless."""
    if re.search("(^|[\r\n\x85\u2028\u2029])%TAG", text):
        raise ValueError("it declares tags (%TAG), which libyaml compares each with each")
    around = [_Collection(None, 0, False)]
    anchors: dict[str, tuple[int, int]] = {}  # name -> (characters that it stands for, their height)
    length = values = 0
    for event in yaml.parse(text, PlainLoader):
        values += isinstance(event, yaml.NodeEvent)
        if values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if isinstance(event, yaml.CollectionEndEvent):
            closed = around.pop()
            around[-1].height = max(around[-1].height, closed.height + 1)
            if closed.anchor:
                anchors[closed.anchor] = length - closed.start, closed.height
        elif isinstance(event, yaml.NodeEvent):
            around[-1].take(event)
            height = 0
            if isinstance(event, yaml.AliasEvent):
                if event.anchor not in anchors:
                    raise ValueError(f"*{event.anchor:.60} names nothing, or what it stands in")
                more, height = anchors[event.anchor]
                length += more
                if length > most:
                    raise ValueError(f"its aliases (*{event.anchor:.60}), written out, are larger than {most / MOST_TEXT:g} MB")
                around[-1].height = max(around[-1].height, height + 1)
            elif isinstance(event, yaml.ScalarEvent):
                if event.anchor:
                    anchors[event.anchor] = len(event.value) + 1, 0
                length += len(event.value) + 1
            else:
                anchors.pop(event.anchor, None)
                around.append(_Collection(event.anchor, length, isinstance(event, yaml.MappingStartEvent)))
                length += 2
            if len(around) - 1 + height > DEEPEST:
                raise ValueError(f"its lists and mappings lie more than {DEEPEST} deep in one another")


class _BoundedLoader(PlainLoader):
    """YAML's plain values, without numbers that only cost."""


def _whole(loader: PlainLoader, node: Any) -> int:
    value = loader.construct_yaml_int(_short(node))
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"the number {node.value:.30} has more than 64 bits")
    return value


def _decimal(loader: PlainLoader, node: Any) -> float:
    value = loader.construct_yaml_float(_short(node))
    if not isfinite(value):
        raise ValueError(f"{value} is no number")
    return value


def _short(node: Any) -> Any:
    if len(node.value) > LONGEST_NUMBER:
        raise ValueError(f"a number has {len(node.value):,} digits")
    return node


_BoundedLoader.add_constructor("tag:yaml.org,2002:int", _whole)
_BoundedLoader.add_constructor("tag:yaml.org,2002:float", _decimal)


def _refused(text: str) -> None:
    raise ValueError(f"{text:.30} is no number of 64 bits")


def _decoder(odd: Callable[[str], Any], long: Callable[[str], Any]) -> json.JSONDecoder:
    """odd: what becomes of NaN and infinity. long: of a whole number beyond 64 bits."""

    def whole(digits: str) -> Any:
        value = int(digits) if len(digits) <= 20 else 2**63
        return value if -(2**63) <= value < 2**63 else long(digits)

    def decimal(digits: str) -> Any:
        value = float(digits)
        return value if isfinite(value) else odd(digits)

    return json.JSONDecoder(parse_int=whole, parse_float=decimal, parse_constant=odd)


_DECODERS = {
    "bounded": _decoder(_refused, _refused),
    "careless": _decoder(lambda text: None, str),
    "any": json.JSONDecoder(parse_constant=_refused),
}


def _check_depth(value: Any, text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    level = [[value]]
    for _ in range(DEEPEST + 1):
        inside = (child for each in level for child in (each.values() if isinstance(each, dict) else each))
        level = [child for child in inside if isinstance(child, dict | list)]
        if not level:
            return
    raise ValueError(f"its lists and mappings lie more than {DEEPEST} deep in one another")
