from collections.abc import Generator
from pathlib import Path
from typing import Literal

from core.config import knob
from core.corpus.jsonl import load_table
from core.corpus.protocol import Loader
from core.records import Corpus, Progress
from core.registry import part


@part("loader")
class CsvTable(Loader):
    """Documents as the rows of a CSV or TSV file with a header; questions in a file questions.* beside it.

    Comma, semicolon and tab are told apart by the header. Choose it for spreadsheets; long texts are safer in JSONL.
    """

    part: Literal["csv"] = "csv"
    text: str = knob("text", "Column that holds the text.")
    id: str = knob("id", "Column that holds the id; the line number where it is missing.")
    title: str = knob("title", "Column that holds the title.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        return (yield from load_table(self, path, name, ("*.csv", "*.tsv")))
