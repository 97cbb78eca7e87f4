"""A corpus on which every loss has its question, and a model that reads one sentence and answers at once."""

import math
import re
from pathlib import Path

import pytest

from core.config import TrialConfig, with_settings
from core.context.prompt import UNKNOWN
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.progress import drain
from core.records import Token
from core.workbench import Workbench
from tests.support.small_corpora import with_towns

LONG = (
    "Long ago the founders of Riga wrote many pages on their harbour and on the taxes by which it was to be paid for "
    "and then they slept, "
)
TEXTS = {
    "Lund.txt": "The market of Lund opens at five.",
    "Gent.txt": "The market of Gent opens at six.",
    "Pisa.txt": "The market of Pisa opens at seven.",
    "Kiel.txt": "The grade of Kiel is A.",
    "Riga.txt": LONG
    + "in the gold room of the tower behind the old church beside the river where nobody ever looked for it again.",
    "Bari.txt": "Bells ring twice.",
    "Oslo.txt": "Oslo has a zoo and a fair and a pier and a park with seven trees in it. Nobody in Oslo tells when the zoo opens.",
    "Metz.txt": "Metz, Metz, Metz: a zoo. Metz has a zoo.",
    "Cork.txt": "Cork, Cork, Cork: a zoo. Cork has a zoo.",
    "Zoos.txt": "A zoo is a zoo is a zoo, and every zoo opens late.",
    "Dull.txt": "The dull opening hour of any zoo at all, as is told of so many a town, is nine.",
}


def _asked(identity: str, question: str, document: str, answer: str) -> dict[str, str]:
    return {"id": identity, "question": question, "document": document, "answer": answer}


# id: the band in which the recipe below puts it; who declines to say what no document says has answered
QUESTIONS = [
    _asked("answered", "When does the market of Lund open?", "Lund.txt", "opens at five"),
    _asked("unused", "When does the market of Pisa open?", "Pisa.txt", "opens at seven"),
    _asked("misjudged", "Which grade has Kiel?", "Kiel.txt", "A"),
    _asked("cut", "Where did the founders of Riga sleep?", "Riga.txt", "then they slept, in the gold room of the tower"),
    _asked("unretrieved", "How often does someone hear chimes?", "Bari.txt", "ring twice"),
    _asked("low", "Which zoo is a zoo?", "Dull.txt", "is nine"),
    {"id": "absent", "question": "Who founded the market of Gent?", "answerable": False},
    {"id": "declined", "question": "Was anyone first to walk on that moon?", "answerable": False},
]
RECIPE = {
    "corpus.dataset": "towns",
    "fusion.part": "sparse_only",
    "chunking.part": "fixed",
    "chunking.size_tokens": 32,
    "evaluation.overlap": 1.0,
    "context.passages": 2,
}


def failing(home: Path) -> Workbench:
    return with_towns(home, TEXTS, QUESTIONS)


def recipe(**settings: object) -> TrialConfig:
    return with_settings(TrialConfig(), RECIPE | settings)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A data folder with this corpus, in which the recipe's stages are computed: a file's own `template`."""
    home = tmp_path_factory.mktemp("home")
    drain(failing(home).prepare(recipe()))
    return home


class Reader:
    """What was asked of the model, so that a test can see that it was not asked again. odds: words of an answer -> the probability of
    each of its tokens, 0.9 of any other; declines: words of an answer -> that of its declining instead, which is then the likeliest."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.fails, self.ends = "", "stop"  # why there is no text, and how one ended
        self.odds: dict[str, float] = {}
        self.declines: dict[str, float] = {}

    def answer(self, prompt: str) -> str:
        """The sentence on the town that the question names, but never one on Pisa."""
        self.prompts.append(prompt)
        passages, _, question = prompt.rpartition("Question: ")
        towns = [town for town in re.findall(r"[A-Z][a-z]{3}\b", question) if town not in ("When", "Pisa")]
        lines = [line for line in passages.splitlines() if any(town in line for town in towns)]
        return re.sub(r"^\[\d+\] ", "", lines[0]) if lines else UNKNOWN

    def declining(self, text: str) -> float:
        return next((odds for words, odds in self.declines.items() if words in text), 0.0)

    def tokens(self, text: str) -> tuple[Token, ...]:
        sure = next((odds for words, odds in self.odds.items() if words in text), 0.9)
        pieces, declining = re.findall(r"\s*\S+", text), self.declining(text)
        top = ("I", math.log(declining)) if declining else (pieces[0], math.log(sure)) if pieces else ()
        return tuple(Token(piece, math.log(sure), () if place else (top,)) for place, piece in enumerate(pieces))


def read(monkeypatch) -> Reader:
    """The bundled model is played by a reader."""
    reader = Reader()

    def generate(self, messages, seed=0, deadline_s=120.0):
        yield ""
        prompt = "\n".join(message["content"] for message in messages)
        text = "" if reader.fails else reader.answer(prompt)
        tokens = reader.tokens(text) if self.logprobs else ()
        if reader.declining(text) > 0 and reader.declining(text) >= self.refusal:
            text = UNKNOWN
        told = (text, reader.fails or reader.ends, prompt, len(prompt.split()), 0, len(text.split()), 1.0, 2.0, "reader", "0")
        return Generated(*told, tokens=tokens)

    def generate_many(self, prompts, seeds=None, deadline_s=120.0, batch=8):
        made = []
        for messages in prompts:
            made.append((yield from generate(self, messages)))
        return made

    for name, instead in {
        "load": lambda self: None,
        "converts": lambda self: False,
        "identity": lambda self: f"reader {self.model}",
        "count_tokens": lambda self, text: len(text.split()),
        "generate": generate,
        "generate_many": generate_many,
        "holds": lambda self, messages: True,
        "threads_in_use": lambda self: 1,
        "batch_tokens": lambda self: 1,
        "processor": lambda self: "",
    }.items():
        monkeypatch.setattr(LlamaCpp, name, instead, raising=False)
    return reader
