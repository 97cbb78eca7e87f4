import ast
import hashlib
import os
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal

from core.config import knob
from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, clean
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

NOT_READ = {"site-packages", "__pycache__", "tests", "test", "testing", "idlelib", "lib2to3", "_vendor", "vendor"}
MAX_SOURCE = 512 << 10  # bytes; larger files are generated
WORDS = (4, 40)  # of a summary that makes a question


@part("loader")
class PythonApi(Loader):
    """The docstrings of the standard library and of every installed package, read from source, nothing imported.

    A document is the docstring of a module, class or function without its summary (its first paragraph, mostly one
    line); the summaries of some are the questions, so each has one known item to find. Summaries that several
    docstrings share make no question, identical docstrings one document. It differs between environments: it is for
    speed and scale, not for numbers to publish. Choose it for 10,000 documents and more without network.
    """

    part: Literal["python_api"] = "python_api"
    per_package: int = knob(
        400, "Documents of one package at most, its outermost modules first. Fewer is faster.", unit="documents", ge=1, le=100000
    )
    max_source_mb: float = knob(
        2.0, "Source read of one package at most. It bounds the time: about 0.1 s a MB.", unit="MB", gt=0.0, le=1000.0
    )
    min_characters: int = knob(
        120, "Shortest docstring, without its summary, that is a document.", unit="characters", ge=1, le=10000
    )
    questions: int = knob(2000, "Summaries taken as questions.", unit="questions", ge=1, le=100000)

    def environment(self) -> list[str]:
        """What the corpus depends on beside its settings: Python and the packages with their versions."""
        return [sys.version, *sorted(str(path) for root in roots() for path in root.glob("*.dist-info"))]

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        packages = sorted({(entry.name, entry) for root in roots() for entry in root.iterdir() if is_package(entry)})
        documents: dict[str, Document] = {}  # text -> first document with it
        summaries: dict[str, list[str]] = {}  # summary -> ids
        notes = Notes()
        for done, (package, place) in enumerate(packages):
            if done % 5 == 0:
                yield Progress(done, len(packages), f"Reading docstrings of {package.removesuffix('.py')}")
            before, left = len(documents), self.max_source_mb * 1e6
            for file in sources(place):
                for identity, docstring in docstrings(file, place.parent, notes):
                    summary, _, rest = docstring.partition("\n\n")
                    summary, rest = " ".join(summary.split()), rest.strip()
                    if len(rest) >= self.min_characters and rest not in documents:
                        documents[rest] = Document(identity, rest, identity, package.removesuffix(".py"))
                        summaries.setdefault(summary, []).append(identity)
                left -= file.stat().st_size
                if len(documents) - before >= self.per_package or left < 0:
                    break
        queries = [
            Query(f"summary of {ids[0]}", summary, (Gold(ids[0], 0, WHOLE),), group=ids[0].partition(".")[0])
            for summary, ids in summaries.items()
            if len(ids) == 1 and WORDS[0] <= len(summary.split()) <= WORDS[1]
        ]
        queries.sort(key=lambda query: hashlib.sha256(query.id.encode()).digest())  # a sample that stays the same
        return assemble(name, documents.values(), queries[: self.questions], notes)


def roots() -> list[Path]:
    return list(dict.fromkeys(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib")))


def is_package(entry: Path) -> bool:
    importable = entry.name.split(".")[0].isidentifier() and entry.name not in NOT_READ
    return importable and (entry.suffix == ".py" or entry.is_dir())


def sources(place: Path) -> list[Path]:
    """Source files of a package, the outermost first: what people import stands there."""
    if place.is_file():
        return [place]
    paths = []
    for folder, folders, files in os.walk(place):
        folders[:] = [name for name in folders if name not in NOT_READ]
        paths += (Path(folder) / file for file in files if file.endswith(".py"))
    return sorted(paths, key=lambda file: (len(file.parts), str(file)))


def docstrings(file: Path, root: Path, notes: Notes) -> Iterator[tuple[str, str]]:
    """(dotted name, docstring) of a file's module, its classes and its public functions and methods."""
    try:
        source = file.read_bytes()
        if len(source) > MAX_SOURCE or (b'"""' not in source and b"'''" not in source):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        notes.add("Source file that cannot be read or parsed, skipped", str(file.relative_to(root)))
        return
    seen: Counter[str] = Counter()
    parts = file.relative_to(root).with_suffix("").parts
    waiting = [(".".join(parts[:-1] if parts[-1] == "__init__" else parts), tree)]
    while waiting:
        name, node = waiting.pop(0)
        seen[name] += 1
        if docstring := ast.get_docstring(node):
            # a name defined again, under another condition or as a setter, gets a number
            yield name if seen[name] == 1 else f"{name}({seen[name]})", clean(docstring)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += (
                (f"{name}.{child.name}", child)
                for child in node.body
                if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and child.name[0] != "_"
            )
