"""A span of the passages, marked by a small encoder: no language model writes."""

import time
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import field_validator

from core.answering.bert_spans import SpanReader
from core.answering.protocol import Answering, Material, Writing, whole
from core.config import PartConfig, code_version, fingerprint, knob
from core.context.citations import marks
from core.context.prompt import UNKNOWN, written
from core.errors import WorkbenchError
from core.files import read_json
from core.generation.protocol import Generated, Read
from core.models import hub
from core.models.hub import bundled_folder
from core.models.identity import files_identity
from core.models.loading import check_sealed, load_once, readable
from core.records import Hit, Progress, Token
from core.registry import part

RECORD, SPANS = "training.json", "spans"  # of a model trained here, and what it is for
EMBEDDED = "squad-reader"
SHIPPED = Path(__file__).with_name("squad_reader")


class LikelySpan(NamedTuple):
    """A span of a passage, which is hit `number`. start, end: its characters in the document; margin, logprob: of `FoundSpan`."""

    text: str  # with single spaces
    number: int
    hit: Hit
    start: int
    end: int
    margin: float
    logprob: float


@part("answering")
class ByReader(Answering):
    """The words of the passages that a trained encoder finds likeliest to answer, with their place; no language model writes. Choose it
    over `one_prompt` for short facts: it reads many passages in the time of a few tokens, and is right more often where a language model
    weighs its candidates. The embedded one learnt from questions of SQuAD; train one on your own where you have marked answers. It puts
    nothing in words of its own.

    Each passage is read with the question alone, and the best of all is taken (Chen et al. 2017, "Reading Wikipedia to Answer
    Open-Domain Questions", arXiv:1704.00051, section 3.2; Devlin et al. 2019, arXiv:1810.04805, sections 4.2 and 4.3). With `candidates`
    two models decide as a product of experts (Hinton 2002, Neural Computation 14(8), equation 1).
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
    candidates: int = knob(
        0,
        "So many of its likeliest spans are weighed by the recipe's language model, too: its log-likelihood of the answer is added to the "
        "reader's log-odds. Right more often, and far slower; 0 or 1: the reader alone.",
        unit="spans",
        ge=0,
        le=20,
    )

    @field_validator("candidates")
    @classmethod
    def _none_of_one(cls, value: int) -> int:
        return 0 if value == 1 else value

    def identity(self) -> str:
        """Of the model that reads."""
        folder = self._folder()
        base = files_identity(bundled_folder()) if folder == SHIPPED else ""
        return fingerprint(files_identity(folder), base, code_version(self))

    def texts(self, passages: int) -> int:
        return max(2, min(self.candidates, passages)) if self.candidates else 0  # 1 would be timed as a written answer

    def check(self, generator: PartConfig) -> None:
        """Without candidates no engine is asked, so any will do."""
        self._folder()
        if self.candidates:
            self.needs_local(generator, "of several candidates it must tell how likely a given answer is.")

    def write(self, material: Material) -> Writing:
        started, prompt = time.perf_counter(), material.prompt(material.hits)
        asked = "\n\n".join(message["content"] for message in prompt.messages)
        folder = self._folder()
        weights = files_identity(folder)
        generated = Generated("", "failed: no time was left", asked, 0, 0, 0, 0.0, 0.0, self.model, weights)
        if material.left_s <= 0:
            return whole(material, generated, prompt.used, notes=prompt.notes)
        yield Progress(0, 0, "Reading the passages")
        likely, tokens = self._likely(load_once(f"reader {weights}", partial(_loaded, folder)), material.question, prompt.used)
        nats, detail = [0.0], {"calls": 0}  # no language model writes
        if len(likely) > 1:
            nats, read = yield from _log_likelihoods(material, likely)
            tokens += sum(len(each.tokens) for each in read)
            generated = generated._replace(prompt="\n\n".join(each.text for each in read))
            detail["candidates"] = [
                {"passage": each.number + 1, "text": each.text, "margin": each.margin, "logprob": nat}
                for each, nat in zip(likely, nats, strict=True)
            ]
        text, quotes, sure = UNKNOWN, [], ()
        if likely:
            best = likely[int(np.argmax([each.margin + nat for each, nat in zip(likely, nats, strict=True)]))]
            mark, sure = marks(material.context.citations, prompt.used)[best.number], (Token(best.text, best.logprob),)
            text, at = f"{best.text} {mark}", {"document_id": best.hit.document_id, "from": best.start, "to": best.end}
            quotes = [{"start": 0, "end": len(best.text), "passage": best.number + 1, **at}]
        yield text
        took = 1000 * (time.perf_counter() - started)
        size = {"prompt_tokens": tokens, "answer_tokens": len(text.split()), "first_token_ms": took, "generation_ms": took}
        generated = generated._replace(text=text, finish_reason="stop", tokens=sure, **size)
        return whole(material, generated, prompt.used, {"quotes": quotes, **detail}, notes=prompt.notes)

    def _likely(self, reader: SpanReader, question: str, hits: Sequence[Hit]) -> tuple[list[LikelySpan], int]:
        """(the spans that are ahead of no answer, likeliest first, one or `candidates` of them; the tokens that were read)."""
        most = max(1, self.candidates)
        pieces = [(number, hit, *place) for number, hit in enumerate(hits) for place in hit.excerpts or ((hit.start, hit.end),)]
        texts = [hit.text[start - hit.start : end - hit.start] for _, hit, start, end in pieces]
        spans, tokens = reader.read(question, texts, most)
        likely = [
            LikelySpan(" ".join(text[s.start : s.end].split()), number, hit, start + s.start, start + s.end, s.margin, s.logprob)
            for (number, hit, start, _), text, own in zip(pieces, texts, spans, strict=True)
            for s in own
            if s.margin > self.margin
        ]
        return sorted(likely, key=lambda each: -each.margin)[:most], tokens

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


def _log_likelihoods(
    material: Material, told: Sequence[LikelySpan]
) -> Generator[str | Progress, None, tuple[list[float], list[Read]]]:
    """(log p that the recipe's model answers with each of these words and the citation, over that passage alone; what it read)."""
    engine, nats, read = material.generator, [0.0] * len(told), []
    for number in dict.fromkeys(each.number for each in told):
        own = [place for place, each in enumerate(told) if each.number == number]
        hits, texts = [told[own[0]].hit], list(dict.fromkeys(told[place].text for place in own))
        [mark], messages = marks(material.context.citations, hits), written(material.question, hits, material.context)
        table = yield from engine.answer_logprobs([messages], [f"{text} {mark}" for text in texts], material.left_s)
        for place in own:
            nats[place] = sum(table[texts.index(told[place].text)][0])
        read.append(engine.read(messages))
    return nats, read


def is_reader(folder: Path) -> bool:
    """Whether it is that of an encoder that was trained here to mark answers."""
    return (folder / RECORD).is_file() and _record(folder).get("task") == SPANS


def _record(folder: Path) -> dict[str, Any]:
    return read_json(folder / RECORD, "The record of the training", of=dict)


def _loaded(folder: Path) -> SpanReader:
    check_sealed(folder, f"The reader '{folder.name}'")
    with readable("The reader cannot be read", where=str(folder)):
        return SpanReader(folder, _record(folder)["config"]["max_tokens"])
