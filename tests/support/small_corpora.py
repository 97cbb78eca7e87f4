"""Corpora so small that a test embeds them at once."""

import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from core.corpus.library import Library
from core.embedding import minilm
from core.progress import drain
from core.workbench import Workbench

THINGS = ("tea", "bread", "cheese", "violins", "glaciers", "bridges", "beetles", "clocks", "harbours", "kites", "maps", "salt")
WAYS = ("is made from old recipes", "was first seen in the north", "breaks when it gets too warm", "costs more every year")

MARKET = "The market of {town} opens at {hour} and closes late. Nearby stands the old mill of {town}."

# a question in other words than its evidence, and one that shares some: what query transforms are tried on
MARKETS = {
    "lund.txt": "The market of Lund opens at five.",
    "gent.txt": "The market of Gent opens at six.",
    "pisa.txt": "Nearby stands an old mill, and nothing else.",
}
MARKET_QUESTIONS = [
    {"id": "a", "question": "When does it open in Lund?", "document": "lund.txt", "answer": "at five"},
    {"id": "b", "question": "Who grinds the flour there?", "document": "pisa.txt", "answer": "an old mill"},
]


def markets(towns: Sequence[str], text: str = MARKET) -> tuple[dict[str, str], list[dict[str, str]]]:
    """A document of each town, and the question that it answers."""
    names = {town: f"{town}.txt" for town in towns}
    texts = {names[town]: text.format(town=town, hour=hour) for hour, town in enumerate(towns, 5)}
    asked = [
        {
            "id": f"q{hour}",
            "question": f"When does the market of {town} open?",
            "document": names[town],
            "answer": f"opens at {hour}",
        }
        for hour, town in enumerate(towns, 5)
    ]
    return texts, asked


def with_towns(home: Path, texts: dict[str, str], questions: list[dict[str, str]]) -> Workbench:
    """A workbench with these documents twice: `towns` with the questions, `silent` without. Each file takes a process to read, so
    that a process of tests reads the same ones once."""
    ingested = _ingested(tuple(texts.items()), "\n".join(map(json.dumps, questions)).encode())
    shutil.copytree(ingested.name, home, dirs_exist_ok=True)
    return Workbench(home)


@cache
def _ingested(texts: tuple[tuple[str, str], ...], asked: bytes) -> TemporaryDirectory:
    """The home of these two, there until the process ends."""
    folder, files = TemporaryDirectory(prefix="towns-"), [(name, text.encode()) for name, text in texts]
    library = Library(Path(folder.name), 0)
    drain(library.ingest("towns", files, ("questions.jsonl", asked)))
    drain(library.ingest("silent", files, None))
    return folder


def small_bert(folder: Path) -> None:
    """A BERT of one layer and 32 dimensions with the bundled tokenizer, as training writes it."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = BertModel(BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64))
    model.config.save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "modules.json", "sentence_bert_config.json"):
        shutil.copy(minilm.bundled_folder() / name, folder / name)
    (folder / "1_Pooling").mkdir()
    pooling = json.loads((minilm.bundled_folder() / "1_Pooling/config.json").read_text())
    (folder / "1_Pooling/config.json").write_text(json.dumps({**pooling, "word_embedding_dimension": 32}))
    (folder / "training.json").write_text(json.dumps({"settings": {"max_tokens": 64, "pooling": "mean"}}))
