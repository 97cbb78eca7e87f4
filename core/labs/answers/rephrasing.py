"""Questions in other words: written by the recipe's generator, or read from a file of people's rephrasings."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from core.config import TrialConfig
from core.corpus.reading import Notes, Source, decode, text_of
from core.errors import WorkbenchError
from core.files import read_json
from core.generation.model_texts import ModelText, Request, TextTools, at_hand, written
from core.judging.diversity import answer_f1
from core.pipeline.scores import judge_tools
from core.queries.by_model import NOTHING, ByModel, questions_in, same
from core.queries.protocol import Wording, as_it_stands
from core.records import Progress, Query
from core.workbench import Workbench

DRAFTS = 4  # of a question by a model of this machine; a service writes one
TEMPERATURE = 0.8  # of drafts
MEANING = 0.7  # cosine of question and draft below which the draft says something else
UNLIKE = f"no draft keeps the meaning (cosine below {MEANING})"
ABSENT = "the file has no other wording of it"
FORM = 'A line is an object with "question" (word for word, or "id") and "rephrased".'


class Rephrasing(NamedTuple):
    """A question in other words. note: why there are none, then `text` is ""; similarity: cosine with the question."""

    text: str
    note: str = ""
    similarity: float | None = None


class Rephrase(ByModel):
    """The same question in other words. No part of a recipe: what a rephrasing does to answers is asked, not to retrieval.

    Zhu et al. 2024, "Clean-Eval: Clean Evaluation on Contaminated Large Language Models", section 3: paraphrases, then those whose
    meaning has gone are thrown away.
    """

    part: Literal["rephrase"] = "rephrase"
    task: ClassVar[str] = "Ask the same question in other words."
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Why is the sky blue?", "What makes the sky look blue?"),
        ("Who wrote the opera Carmen?", "By whom was the opera Carmen composed?"),
        (
            "How long can you keep eggs in the fridge before they go bad?",
            "For how much time do eggs stay good when refrigerated?",
        ),
    )

    def requests(self, query: Query) -> list[Request]:
        """One draft; `drafts` asks for several."""
        return [request._replace(temperature=TEMPERATURE) for request in super().requests(query)]

    def asking(self, query: Query, text: ModelText) -> Wording:
        texts, note = questions_in(query, text, 1)
        return Wording((texts[0],), (texts[0],)) if texts else as_it_stands(query, note)

    def drafts(self, query: Query, tools: TextTools) -> list[Request]:
        number = DRAFTS if tools.generator.local else 1
        return [request._replace(draw=draw) for request in self.requests(query) for draw in range(number)]


def by_model(
    workbench: Workbench, config: TrialConfig, queries: Sequence[Query], known_only: bool = False
) -> Generator[Progress, None, list[Rephrasing | None]]:
    """Of each question's drafts that keep its meaning by the recipe's encoder the one that shares the fewest words with it.
    known_only: None where the model has not written it yet, and it is not asked."""
    rephrase = Rephrase()
    tools = workbench.pipeline.text_tools(config)._replace(generator=rephrase.writer(config.generation))
    wanted = [rephrase.drafts(query, tools) for query in queries]
    every = [request for requests in wanted for request in requests]
    texts = iter(at_hand(tools, every) if known_only else (yield from written(tools, every)))
    drafts = [[next(texts) for _ in requests] for requests in wanted]
    wordings = [
        None if None in some else [rephrase.asking(query, draft) for draft in some]
        for query, some in zip(queries, drafts, strict=True)
    ]
    alike = yield from similarities(
        workbench,
        config,
        [
            (query.text, wording.dense[0])
            for query, some in zip(queries, wordings, strict=True)
            for wording in some or ()
            if not wording.note
        ],
    )
    cosines = iter(alike)
    return [some if some is None else _best(query, some, cosines) for query, some in zip(queries, wordings, strict=True)]


def _best(query: Query, wordings: list[Wording], cosines) -> Rephrasing:
    drafts = [(wording.dense[0], next(cosines)) for wording in wordings if not wording.note]
    if not drafts:
        return Rephrasing("", next((wording.note for wording in wordings), NOTHING))
    near = [
        (answer_f1(text, [query.text]), place, text, cosine) for place, (text, cosine) in enumerate(drafts) if cosine >= MEANING
    ]
    if not near:
        return Rephrasing("", UNLIKE)
    _, _, text, cosine = min(near)
    return Rephrasing(text, "", cosine)


def similarities(
    workbench: Workbench, config: TrialConfig, pairs: Sequence[tuple[str, str]]
) -> Generator[Progress, None, list[float]]:
    """Cosine of each pair by the recipe's encoder, or 0 where a vector has no direction."""
    if not pairs:
        return []
    tools, texts = judge_tools(workbench.pipeline, config), list(dict.fromkeys(text for pair in pairs for text in pair))
    encoder = TrialConfig().embedding if tools.encoder.learns else tools.encoder  # what is fitted to a corpus reads no others
    vectors = yield from tools.embed(encoder, texts)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    row = {text: unit[place] for place, text in enumerate(texts)}
    return [float(row[text] @ row[other]) for text, other in pairs]


def of_file(
    workbench: Workbench, config: TrialConfig, queries: Sequence[Query], path: Path
) -> Generator[Progress, None, list[Rephrasing]]:
    """What people wrote: every wording is taken that has other words than its question."""
    by_question = read_file(path)
    texts = [by_question.get(query.id) or by_question.get(query.text.strip(), "") for query in queries]
    chosen = ["" if same(text, query.text) else text for text, query in zip(texts, queries, strict=True)]
    if not any(chosen):
        raise WorkbenchError(
            f"No line of the file is another wording of one of these {len(queries):,} questions.", where=str(path), todo=FORM
        )
    pairs = [(query.text, text) for query, text in zip(queries, chosen, strict=True) if text]
    cosines = iter((yield from similarities(workbench, config, pairs)))
    return [Rephrasing(text, "", next(cosines)) if text else Rephrasing("", ABSENT) for text in chosen]


def read_file(path: Path) -> dict[str, str]:
    """Question, and id where there is one -> its other wording. WorkbenchError where a line is none, naming it."""
    source, by_question = Source(path, Notes()), {}
    if path.is_dir() or len(source.sizes) != 1:
        raise WorkbenchError("This is no single file.", where=str(path), todo=f"Give a file of JSON lines. {FORM}")
    for number, line, _ in source.lines(next(iter(source.sizes))):
        if not line.strip():
            continue
        place = f"{path.name}:{number}"
        try:
            fields = read_json(decode(line, source.notes, place), of=dict, numbers="careless")
        except WorkbenchError:
            fields = {}
        text = text_of(fields, "rephrased").strip()
        names = [text_of(fields, name).strip() for name in ("id", "question")]
        if "rephrased" not in fields or not any(names):
            raise WorkbenchError("The line is not a rephrasing of a question.", where=place, todo=FORM)
        by_question |= {name: text for name in names if name}
    if not by_question:
        raise WorkbenchError("The file has no rephrasings: it is empty.", where=str(path), todo=FORM)
    return by_question
