"""Settings and verdicts of an index in words."""

from app.ui.index import figures
from app.ui.tables import minus
from core.config import TrialConfig
from core.labs.index.cost import Effect

WORDS = {
    "opq True": "OPQ",
    "bits 8bit": "8 bits",
    "bits 4bit": "4 bits",
    "bits fp16": "16-bit floats",
    "quantise pq": "PQ codes",
    "quantise opq": "OPQ codes",
    "quantise ": "stored as ",
    "ef_search": "efSearch",
    "ef_construction": "efConstruction",
}


def told(effect: Effect, config: TrialConfig) -> str:
    """The sentence of the test with the index's name as the page writes it."""
    return minus(named(effect.sentence, config.index.part))


def named(text: str, part: str) -> str:
    """A setting's label as a person writes it: "FAISS HNSW, efSearch 24"."""
    text = text.replace(part, figures.title(part), 1)
    for coded, words in WORDS.items():
        text = text.replace(coded, words)
    return text.replace("_", " ")
