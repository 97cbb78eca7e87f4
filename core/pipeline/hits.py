"""A ranking as passages for a person: where each stands, what found it, and whether the rerankers read it whole."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.context.passages import page_at
from core.pipeline.pipeline import Pipeline
from core.pipeline.results import Evaluation, final_scores
from core.pipeline.stages import Resolved, Stage, rankers
from core.progress import drain
from core.records import Hit, Query
from core.reranking.protocol import Asked, Reranker
from core.retrieval.pool import Pool, ranking
from core.retrieval.top import best

Steps = Mapping[str, np.ndarray]  # stage that ranks -> its scores [Q, P], in the order of the stages


class LongerPassages(NamedTuple):
    """What of the passages that a step ranked again it does not read at once."""

    stage: str
    part: str
    passages: int  # read, each counted once
    how: dict[str, int]  # how the longer ones are read -> how many of them

    def sentence(self) -> str:
        longer, ways = sum(self.how.values()), "; ".join(f"{how}: {count:,}" for how, count in sorted(self.how.items()))
        return (
            f"{longer:,} of {self.passages:,} passages are longer than the {self.part.replace('_', ' ')} reads at once. How they are "
            f"read: {ways}."
        )


def hits_of(
    pipeline: Pipeline, run: Resolved, pool: Pool, scores: np.ndarray, row: int, queries: Sequence[Query], steps: Steps
) -> list[Hit]:
    """The final ranking of one row of a pool. queries: of its rows; steps: what ranked it, {} where that is not known."""
    chunks, final = drain(pipeline.chunks(run)), ranking(pool, scores, row, run.config.retrieval.top_k)
    columns = np.array([np.flatnonzero(pool.chunk[row] == chunk)[0] for chunk in final.chunk], int)
    longer: list[dict[str, str]] = [{} for _ in columns]
    for stage, part, before in _rerankers(run, steps):
        mine = np.flatnonzero(np.isin(columns, best(before[row][None], part.depth).chunk[0]))
        asked = _asked(pipeline, run, pool, queries)
        for place, how in zip(mine.tolist(), part.longer(asked, np.full(len(mine), row), columns[mine]), strict=True):
            longer[place] |= {stage.name: how} if how else {}
    hits = []
    for rank, (chunk, score, column) in enumerate(zip(final.chunk, final.score, columns, strict=True), 1):
        document = run.corpus.documents[chunks.document[chunk]]
        start, end = int(chunks.start[chunk]), int(chunks.end[chunk])
        each = {name: float(values[row, column]) for name, values in pool.score.items() if not np.isnan(values[row, column])}
        pages = page_at(document, start), page_at(document, end - 1)
        text = document.text[start:end]
        about = (float(score), document.id, document.title, start, end, text, pages[0], each)
        hits.append(Hit(rank, *about, longer=longer[rank - 1], last_page=pages[1]))
    return hits


def steps_of(pipeline: Pipeline, evaluation: Evaluation) -> dict[str, np.ndarray]:
    """What ranked the recipe's own pool; {} for another pool or another ranking, of which that is not kept."""
    run, steps = evaluation.run, {}
    if len(rankers(run.config)) > 1 and evaluation.pool is pipeline.pool_at_hand(run):
        final = drain(final_scores(pipeline, run, evaluation.pool, steps=steps))
        if final is evaluation.scores or np.array_equal(final, evaluation.scores):
            return steps
    return {}


def longer_passages(pipeline: Pipeline, evaluation: Evaluation) -> list[LongerPassages]:
    """Of each step of reranking that met passages longer than it reads, how many and what it did. Each is told beside the
    longest of the questions that it was ranked for, which leaves it the least room."""
    run, pool, queries = evaluation.run, evaluation.pool, evaluation.corpus.queries

    def made() -> list[LongerPassages]:
        counted, asked_for = [], np.array([len(query.text) for query in queries])
        for stage, part, before in _rerankers(run, steps_of(pipeline, evaluation)):
            top = best(before, part.depth).chunk
            rows, places = np.nonzero(top >= 0)
            columns = top[rows, places]
            # a depth that is dragged has hundreds of thousands of pairs, and a few hundred passages
            long_first = np.argsort(-asked_for[rows], kind="stable")
            passages, first = np.unique(pool.chunk[rows, columns][long_first], return_index=True)
            chosen = long_first[first]
            told = part.longer(_asked(pipeline, run, pool, queries), rows[chosen], columns[chosen])
            if any(told):
                counted.append(LongerPassages(stage.name, part.part, len(passages), Counter(filter(None, told))))
        return counted

    return pipeline.remember("longer", run.ranking_key(), made)


def _rerankers(run: Resolved, steps: Steps) -> list[tuple[Stage, Reranker, np.ndarray]]:
    """The steps that read passages, with the scores [Q, P] of the stage above."""
    before = dict(zip(list(steps)[1:], steps.values(), strict=False))
    parts = [(stage, getattr(run.config, stage.field)) for stage in rankers(run.config)]
    return [(stage, part, before[stage.name]) for stage, part in parts if isinstance(part, Reranker) and stage.name in before]


def _asked(pipeline: Pipeline, run: Resolved, pool: Pool, queries: Sequence[Query]) -> Asked:
    return Asked(run.corpus, drain(pipeline.chunks(run)), tuple(queries), pool, None, drain(pipeline.rank_tools(run)))
