"""What a query transform made of the questions: what was asked instead, what that cost, what it gained, and how near its
rewritings are to people's."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of
from core.config import TrialConfig, with_settings
from core.corpus.canard import turns
from core.corpus.reading import Notes
from core.errors import WorkbenchError
from core.evaluation.metric import headlines
from core.generation.model_texts import TextTools, at_hand
from core.judging.diversity import answer_f1
from core.pipeline import retrieving
from core.progress import told_within
from core.queries.by_model import ByModel, fell_back, same
from core.queries.follow_up import FollowUp
from core.queries.protocol import Wording
from core.records import Progress, Query
from core.statistics.paired import Paired
from core.statistics.proportion import unit_interval_grouped
from core.workbench import Evaluation, Recipe, Resolved, Workbench, fetched


class TextCost(NamedTuple):
    """Of the texts that a model wrote for questions, once. None: an endpoint does not tell."""

    questions: int
    texts: int
    prompt_tokens: int | None
    tokens: int | None
    seconds: float
    usd: float | None

    @property
    def tokens_a_question(self) -> float | None:
        return None if self.tokens is None or not self.questions else self.tokens / self.questions

    @property
    def seconds_a_question(self) -> float:
        return self.seconds / max(1, self.questions)


class AskedWords(NamedTuple):
    """Words that BM25 is asked for a question with their weights, which sum to 1, the heaviest first."""

    own: dict[str, float]  # of the question
    added: dict[str, float]


class AskedInstead(NamedTuple):
    """A recipe's questions as they are asked."""

    queries: tuple[Query, ...]
    wordings: list[Wording]
    fell_back: dict[str, int]  # why questions stand as they were, and how many
    cost: TextCost | None  # None: no model was asked


def asked(workbench: Workbench, recipe: Recipe, most: int | None = None) -> Generator[Progress, None, AskedInstead]:
    """What is asked in place of the recipe's questions; the model writes what it did not write before."""
    run = yield from workbench.pipeline.resolve(recipe)
    wordings = yield from workbench.pipeline.queries(run, most)

    def made() -> AskedInstead:
        spent = cost(run.config, run.corpus.queries, tools(workbench, run))
        return AskedInstead(run.corpus.queries, wordings, fell_back(wordings), spent)

    return workbench.pipeline.remember("asked instead", run.key("queries"), made)


def words(workbench: Workbench, run: Resolved, queries: Sequence[Query]) -> Generator[Progress, None, list[AskedWords]]:
    """What a transform that searches with weighted words asks for each question; [] with any other."""
    pairs = yield from retrieving.words_asked(workbench.pipeline, run, queries)
    made = []
    for own, weights in pairs:
        heaviest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
        made.append(AskedWords(*({word: w for word, w in heaviest if (word in own) == here} for here in (True, False))))
    return made


def listed(weights: dict[str, float]) -> str:
    """Words with their weights, for people."""
    return ", ".join(f"{word} {weight:.3f}" for word, weight in weights.items())


def tools(workbench: Workbench, run: Resolved) -> TextTools:
    return workbench.pipeline.query_tools(run.config, None)


def cost(config: TrialConfig, queries: Sequence[Query], using: TextTools) -> TextCost | None:
    """Of the texts that are kept for these questions."""
    if not isinstance(config.query, ByModel):
        return None
    texts = [text for text in at_hand(using, [request for query in queries for request in config.query.requests(query)]) if text]
    return TextCost(
        len(queries),
        len(texts),
        _sum(text.prompt_tokens for text in texts),
        _sum(text.tokens for text in texts),
        sum(text.seconds for text in texts),
        _sum(text.cost_usd for text in texts),
    )


def _sum(values: Any) -> Any:
    values = list(values)
    return None if None in values else sum(values)


def as_asked(config: TrialConfig) -> TrialConfig:
    """The same recipe without its transform."""
    return with_settings(config, {"query.part": "as_asked"})


def gain(workbench: Workbench, current: Evaluation) -> Generator[Progress, None, dict[str, Paired]]:
    """metric -> what the transform gains, paired over the questions, against the same recipe that asks them as they stand."""
    other = yield from workbench.evaluating(current.run.of(as_asked(current.config)))
    return workbench.differences(current, other, headlines())


def rows(made: AskedInstead, weighted: Sequence[AskedWords] = ()) -> list[dict[str, Any]]:
    """A row a question. weighted: what a transform that searches with weighted words asks."""
    table = [
        {"id": query.id, "question": query.text, "asked": " | ".join(texts(query, wording)), "fell back": wording.note}
        for query, wording in zip(made.queries, made.wordings, strict=True)
    ]
    return [{**row, "added": listed(each.added)} for row, each in zip(table, weighted, strict=True)] if weighted else table


def texts(query: Query, wording: Wording) -> list[str]:
    """All that is asked in a question's place, each once."""
    return list(dict.fromkeys((*wording.sparse, *wording.dense, *wording.passages)))


def transformed(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, dict[str, Any]]:
    """The texts of a recipe's transform, written and kept, with their cost; where there is evidence, with their gain."""
    if config.query.asks_model:
        yield from fetched(config, answering=True)
    run = yield from workbench.pipeline.resolve(config)
    made = yield from asked(workbench, run)
    record: dict[str, Any] = {"questions": len(made.queries), "fell back": sum(made.fell_back.values())}
    if made.cost:
        each = {"tokens a question": made.cost.tokens_a_question, "seconds a question": made.cost.seconds_a_question}
        record |= {**made.cost._asdict(), **each}
    record["why"] = [{"why": note, "questions": number} for note, number in made.fell_back.items()]
    if any(query.relevant for query in made.queries) and not config.query.idle:
        current = yield from told_within(workbench.evaluating(run), Progress(0, 0, "Measuring the gain"))
        differences = yield from told_within(gain(workbench, current), Progress(0, 0, "Measuring the gain"))
        record["gain"] = [{"metric": name, **paired._asdict()} for name, paired in differences.items()]
    return {**record, "asked": rows(made, (yield from words(workbench, run, made.queries)))}


# Rewritings beside people's ------------------------------------------------------------------------------------------


def rewrites(
    workbench: Workbench, config: TrialConfig, path: Path, questions: int | None = None
) -> Generator[Progress, None, dict[str, Any]]:
    """How near rewritings of follow-up questions are to people's, beside copying the question: token F1 as SQuAD counts it.

    path: CANARD's file or folder. questions: so many, spread evenly over the file. Conversations are drawn whole for the
    intervals, for the questions of one are alike.
    """
    part = FollowUp() if config.query.idle else config.query
    every = turns(path, Notes())
    chosen = every[:: max(1, len(every) // questions)][:questions] if questions else every
    queries = [Query(f"{turn.dialog}#{turn.number}", turn.question, history=turn.history) for turn in chosen]
    if part.asks_model and config.generation.absent():
        raise WorkbenchError("The model is not here yet.", where=config.generation.model, todo="`recipe prepare` fetches it.")
    config = config.model_copy(update={"query": part})
    using = workbench.pipeline.query_tools(config, None)
    wordings = yield from part.texts(queries, using)
    groups = [turn.dialog for turn in chosen]
    copied = np.array([answer_f1(turn.question, [turn.rewrite]) for turn in chosen])
    made = np.array([answer_f1(w.dense[0], [turn.rewrite]) for w, turn in zip(wordings, chosen, strict=True)])
    changed = np.array([not same(turn.question, turn.rewrite) for turn in chosen])
    spent = cost(config, queries, using)

    def row(what: str, values: np.ndarray) -> dict[str, Any]:
        mean = unit_interval_grouped(values, groups, *rules_of(config))
        return {"what": what, "f1": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n}

    only = np.where(changed, 1.0, np.nan)
    return {
        "questions": len(chosen),
        "conversations": len(set(groups)),
        "changed by people": int(changed.sum()),
        "nearer than copying": int((made > copied).sum()),
        "farther than copying": int((made < copied).sum()),
        "fell back": sum(1 for wording in wordings if wording.note),
        "tokens a question": spent.tokens_a_question if spent else 0.0,
        "seconds a question": spent.seconds_a_question if spent else 0.0,
        "f1": [
            row("copying the question", copied),
            row(part.part, made),
            row("difference", made - copied),
            row("copying, of those that people changed", copied * only),
            row(f"{part.part}, of those that people changed", made * only),
        ],
        "why": [{"why": note, "questions": number} for note, number in fell_back(wordings).items()],
        "examples": [
            {"question": turn.question, "asked": wording.dense[0], "people": turn.rewrite, "fell back": wording.note}
            for wording, turn in list(zip(wordings, chosen, strict=True))[:20]
        ],
    }
