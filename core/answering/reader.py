"""A span of the passages, marked by a small encoder: no language model writes."""

import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.answering.bert_spans import SpanReader
from core.answering.protocol import Answering, Material, Writing, whole
from core.config import PartConfig, code_version, fingerprint, knob
from core.context.citations import marks
from core.context.prompt import UNKNOWN
from core.errors import WorkbenchError
from core.files import read_json
from core.generation.protocol import Generated
from core.models import hub
from core.models.hub import bundled_folder
from core.models.identity import files_identity
from core.models.loading import check_sealed, load_once, readable
from core.records import Progress, Token
from core.registry import part

RECORD, SPANS = "training.json", "spans"  # of a model trained here, and what it is for
EMBEDDED = "squad-reader"
SHIPPED = Path(__file__).with_name("squad_reader")


@part("answering")
class ByReader(Answering):
    """The words of the passages that a trained encoder finds likeliest to answer, with their place; no language model writes. Choose it
    over `one_prompt` for short facts: it reads many passages in the time of a few tokens. The embedded one learnt from questions of SQuAD;
    train one on your own where you have marked answers. It puts nothing in words of its own.

    Each passage is read with the question alone, and the best of all is taken (Chen et al. 2017, "Reading Wikipedia to Answer
    Open-Domain Questions", arXiv:1704.00051, section 3.2; Devlin et al. 2019, arXiv:1810.04805, sections 4.2 and 4.3).
    """

    part: Literal["reader"] = "reader"
    model: str = knob(
        EMBEDDED, f"{EMBEDDED} (embedded), or the name of one trained on the page *Train an adapter*, or by `heads train-reader`."
    )
    margin: float = knob(
        0.0,
        'The answer is "I don\'t know." unless a span beats the no-answer score of its passage by this much.',
        unit="nats",
        ge=-20.0,
        le=20.0,
        step=0.5,
    )

    def identity(self) -> str:
        """Of the model that reads."""
        folder = self._folder()
        base = files_identity(bundled_folder()) if folder == SHIPPED else ""
        return fingerprint(files_identity(folder), base, code_version(self))

    def texts(self, passages: int) -> int:
        return 0

    def check(self, generator: PartConfig) -> None:
        """Any engine will do, for none is asked."""
        self._folder()

    def write(self, material: Material) -> Writing:
        started, prompt = time.perf_counter(), material.prompt(material.hits)
        asked = "\n\n".join(message["content"] for message in prompt.messages)
        folder = self._folder()
        weights = files_identity(folder)
        written = Generated("", "failed: no time was left", asked, 0, 0, 0, 0.0, 0.0, self.model, weights)
        if material.left_s <= 0:
            return whole(material, written, prompt.used, notes=prompt.notes)
        yield Progress(0, 0, "Reading the passages")
        pieces = [(n, hit, *place) for n, hit in enumerate(prompt.used) for place in hit.excerpts or ((hit.start, hit.end),)]
        texts = [hit.text[start - hit.start : end - hit.start] for _, hit, start, end in pieces]
        spans, tokens = load_once(f"reader {weights}", partial(_loaded, folder)).read(material.question, texts)
        place = int(np.argmax([each.margin for each in spans]))
        best, (number, hit, start, _) = spans[place], pieces[place]
        text, quotes, sure = UNKNOWN, [], ()
        if best.margin > self.margin:
            said = " ".join(texts[place][best.start : best.end].split())
            text, sure = f"{said} {marks(material.context.citations, prompt.used)[number]}", (Token(said, best.logprob),)
            at = {"from": start + best.start, "to": start + best.end}
            quotes = [{"start": 0, "end": len(said), "passage": number + 1, "document_id": hit.document_id, **at}]
        yield text
        took = 1000 * (time.perf_counter() - started)
        size = {"prompt_tokens": tokens, "answer_tokens": len(text.split()), "first_token_ms": took, "generation_ms": took}
        written = written._replace(text=text, finish_reason="stop", tokens=sure, **size)
        return whole(material, written, prompt.used, {"quotes": quotes}, notes=prompt.notes)

    def _folder(self) -> Path:
        if self.model == EMBEDDED:
            return SHIPPED
        folder = hub.heads_home() / self.model
        if folder.name == self.model and is_reader(folder):
            return folder
        readers = sorted(file.parent.name for file in hub.heads_home().glob(f"[!.]*/{RECORD}") if is_reader(file.parent))
        raise WorkbenchError(
            f"There is no reader '{self.model[:100]}' on this machine.",
            where="answering.model",
            todo=f"Readers here: {', '.join([EMBEDDED, *readers])}. The page Train an adapter trains one, or `heads train-reader`.",
        )


def is_reader(folder: Path) -> bool:
    """Whether it is that of an encoder that was trained here to mark answers."""
    return (folder / RECORD).is_file() and _record(folder).get("task") == SPANS


def _record(folder: Path) -> dict[str, Any]:
    return read_json(folder / RECORD, "The record of the training", of=dict)


def _loaded(folder: Path) -> SpanReader:
    check_sealed(folder, f"The reader '{folder.name}'")
    with readable("The reader cannot be read", where=str(folder)):
        return SpanReader(folder, _record(folder)["config"]["max_tokens"])
