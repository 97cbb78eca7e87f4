"""The ladder: to what the failure of each question is given. Losses of retrieval need no model and stand for all questions;
those of the answer stand for the questions that were asked (`rungs.py`). Each band's questions and their sum are in
docs/methods.md."""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from core.errors import WorkbenchError
from core.evaluation.judged import NOT_FOUND, Judged, judge
from core.judging.reference import accepts, accepts_itself, declines
from core.labs.answers.answering import covers
from core.pipeline.answers import KeptAnswer
from core.pipeline.stages import Recipe
from core.records import Corpus, Hit, Progress, Query
from core.report.table import PERCENT, Column, Table, corrected_p
from core.retrieval.fusion import fused
from core.statistics.bootstrap import Interval
from core.statistics.corrections import correct_defined
from core.statistics.mcnemar import exact_p
from core.statistics.proportion import wilson
from core.workbench import Evaluation, Workbench


class Band(NamedTuple):
    title: str
    about: str  # which questions stand there


# in the order of the pipeline
BANDS = {
    "absent": Band("Not in the corpus", "No document contains evidence for them, or they cannot be answered at all."),
    "cut": Band("Cut by the chunker", "No chunk contains enough of the evidence, by the overlap rule of the evaluation."),
    "unretrieved": Band("Not retrieved", "No retriever found a chunk with the evidence."),
    "low": Band("Ranked too low", "The best chunk with the evidence is ranked behind the passages of the context."),
    "dropped": Band("Dropped from the context", "Ranked high enough, but not in the prompt: no room, or not similar enough."),
    "unused": Band("In the context, not used", "The evidence was in the prompt, and the answer is wrong."),
    "misjudged": Band("Judged wrongly", "The judge rejects the reference answer itself, so no answer could be right."),
    "answered": Band("Answered", "The judge accepts the answer."),
    "reached": Band("Within the passages", "Retrieval succeeded: the evidence is ranked within the context's passages."),
}
RETRIEVAL = ("absent", "cut", "unretrieved", "low", "reached")
ANSWERS = ("absent", "cut", "unretrieved", "low", "dropped", "unused", "misjudged", "answered")
RUNGS = {
    "closed_book": "Closed book",
    "retrieved": "Retrieved",
    "reranked": "Reranked",
    "gold": "Gold evidence alone",
    "distractors": "Gold among distractors",
    "reference": "Gold answer",
}
SHORT = {"closed_book": "Closed", "retrieved": "Retrieved", "reranked": "Reranked", "gold": "Gold", "distractors": "Among"}
EVIDENCE = {"any": "One piece is enough", "all": "All pieces are needed"}  # of several, a piece a unit: alternatives share one
MANY = 4  # pieces from which on questions are counted together
FINAL = "reranked"  # the rung of the recipe's own answer


@dataclass(frozen=True)
class Ladder:
    """One recipe's questions. retrieval: a band of RETRIEVAL a question; answers: a band of ANSWERS each row that was asked.

    rank, fused_rank [Q] int32: of the first chunk with evidence in the final and in the fusion's ranking of the whole pool.
    climbs: row -> rung -> its answer; only whole climbs. evidence: how many pieces a question needs, of EVIDENCE; rank and
    fused_rank are then of the last piece needed. pieces, within [Q] int64: pieces of evidence, and those of them that stand
    within the passages of the context.
    """

    evaluation: Evaluation
    rank: np.ndarray
    fused_rank: np.ndarray
    retrieval: tuple[str, ...]
    climbs: Mapping[int, Mapping[str, KeptAnswer]]
    answers: Mapping[int, str]
    evidence: str
    pieces: np.ndarray
    within: np.ndarray

    @property
    def corpus(self) -> Corpus:
        return self.evaluation.corpus

    def bands(self, asked: bool) -> dict[int, str]:
        """Row -> band, of the questions that were asked, or of all by retrieval alone."""
        return dict(self.answers) if asked else dict(enumerate(self.retrieval))

    def accepted(self, query: Query, text: str) -> bool:
        """By the reference answers; of a question that the documents do not answer, whether it declines."""
        style = self.evaluation.config.context.citations
        return accepts(text, query.answers, style) if query.answers else declines(text)

    def right(self, row: int, rung: str) -> bool | None:
        """Whether the judge accepts that rung's answer; None: not asked, or there is nothing to judge it by."""
        query = self.corpus.queries[row]
        if rung == "reference":
            words = self.evaluation.config.generation.max_tokens
            return accepts_itself(query.answers, words) if query.answers else None
        answer = self.climbs.get(row, {}).get(rung)
        return None if answer is None else self.accepted(query, answer.text)


def standing(workbench: Workbench, recipe: Recipe, evidence: str = "any") -> Generator[Progress, None, Ladder]:
    """The ladder before anything is asked: losses of retrieval, of all questions."""
    evaluation = yield from workbench.evaluating(recipe)
    pool, relevance, config = evaluation.pool, evaluation.judged.relevance, evaluation.config
    width, pieces = pool.chunk.shape[1], relevance.units
    final = judge(pool, evaluation.scores, relevance, width)
    first = judge(pool, fused(config.fusion, pool), relevance, width)
    rank, fused_rank = _rank_needed(final, evidence), _rank_needed(first, evidence)
    chunked = np.bincount(relevance.unit_row[np.unique(relevance.entry_unit)], minlength=len(pieces))
    whole = chunked >= (np.minimum(pieces, 1) if evidence == "any" else pieces)
    depth = min(config.context.passages, config.retrieval.top_k)
    conditions = [pieces == 0, ~whole, rank == NOT_FOUND, rank > depth]
    bands = np.select(conditions, RETRIEVAL[:-1], RETRIEVAL[-1])
    within = np.bincount(relevance.unit_row, final.unit_rank <= depth, minlength=len(pieces)).astype(np.int64)
    return Ladder(evaluation, rank, fused_rank, tuple(bands.tolist()), {}, {}, evidence, pieces, within)


def _rank_needed(judged: Judged, evidence: str) -> np.ndarray:
    """[Q] int32: of the first chunk with evidence, or of the one that brings the last piece."""
    if evidence == "any":
        return judged.first_rank
    rank = np.zeros_like(judged.first_rank)
    np.maximum.at(rank, judged.relevance.unit_row, judged.unit_rank)
    return np.where(judged.measured, rank, judged.first_rank)


def answered(ladder: Ladder, climbs: Mapping[int, Mapping[str, KeptAnswer]]) -> Ladder:
    """The ladder with the answers of the questions that were asked."""
    made = replace(ladder, climbs=climbs)
    return replace(made, answers={row: _band(made, row) for row in sorted(climbs)})


def _band(ladder: Ladder, row: int) -> str:
    query, answer, before = ladder.corpus.queries[row], ladder.climbs[row][FINAL], ladder.retrieval[row]
    if ladder.accepted(query, answer.text):
        return "answered"
    if before == "absent":
        return "absent"
    if covered(query, answer.passages, ladder.evaluation.config.evaluation.overlap, ladder.evidence):
        return "unused" if ladder.right(row, "reference") else "misjudged"
    return "dropped" if before == "reached" else before


def covered(query: Query, passages: Sequence[tuple[str, int, int]], overlap: float, evidence: str = "any") -> bool:
    """Whether one of these spans holds evidence of the question, by the overlap rule of the evaluation; or whether together they
    hold every piece of it."""
    met: dict[int, bool] = {}  # piece -> whether one of its spans is covered
    for gold in query.relevant:
        if not met.get(gold.unit):
            met[gold.unit] = any(covers(span, gold, overlap) for span in passages)
    return any(met.values()) if evidence == "any" else bool(met) and all(met.values())


def passages_of(hits: Sequence[Hit]) -> tuple[tuple[str, int, int], ...]:
    """What of the documents a model reads there."""
    return tuple((hit.document_id, *span) for hit in hits for span in hit.excerpts or ((hit.start, hit.end),))


# As tables -----------------------------------------------------------------------------------------------------------


def counts(ladder: Ladder, asked: bool) -> dict[str, Interval]:
    """Band -> its share of the questions with Wilson's interval; the counts add up to all of them."""
    bands, level = ladder.bands(asked), ladder.evaluation.config.evaluation.confidence
    tally = Counter(bands.values())
    return {name: wilson(tally[name], len(bands), level) for name in (ANSWERS if asked else RETRIEVAL)}


def band_rows(ladder: Ladder, asked: bool) -> list[dict[str, Any]]:
    tally = Counter(ladder.bands(asked).values())
    return [
        {
            "band": BANDS[name].title,
            "questions": tally[name],
            "share": share.mean,
            "low": share.low,
            "high": share.high,
            "of": share.n,
        }
        for name, share in counts(ladder, asked).items()
    ]


def piece_rows(ladder: Ladder) -> list[dict[str, Any]]:
    """How many pieces of evidence questions have, and how many of these stand within the passages; [] where none has several."""
    if ladder.pieces.max(initial=0) < 2:
        return []
    level, table = ladder.evaluation.config.evaluation.confidence, []
    for count in range(1, MANY + 1):
        mine = ladder.pieces >= MANY if count == MANY else ladder.pieces == count
        every = ladder.within[mine] >= ladder.pieces[mine]
        some = (ladder.within[mine] > 0) & ~every
        if number := int(mine.sum()):
            share = wilson(int(every.sum()), number, level)
            table.append(
                {
                    "pieces": f"{count} or more" if count == MANY else str(count),
                    "questions": number,
                    "all within": int(every.sum()),
                    "some within": int(some.sum()),
                    "none within": number - int(every.sum()) - int(some.sum()),
                    "share of all": share.mean,
                    "low": share.low,
                    "high": share.high,
                }
            )
    return table


def piece_table(ladder: Ladder, command: str = "") -> Table:
    columns = [Column(name) for name in ("pieces", "questions", "all within", "some within", "none within")]
    columns += [Column(name, "", PERCENT) for name in ("share of all", "low", "high")]
    note = "Within the first passages of the final ranking; Wilson's intervals of the share of which all stand there"
    return Table("pieces_table", columns, piece_rows(ladder), "Questions with several pieces of evidence", note, command)


def rung_rows(ladder: Ladder) -> list[dict[str, Any]]:
    """How many answers of each rung the judge accepts, of the questions that were asked and have a reference answer."""
    level = ladder.evaluation.config.evaluation.confidence
    rows = [row for row in ladder.climbs if ladder.corpus.queries[row].answers]
    table = []
    for name, title in RUNGS.items():
        verdicts = [verdict for row in rows if (verdict := ladder.right(row, name)) is not None]
        share = wilson(sum(verdicts), len(verdicts), level)
        table.append(
            {"rung": title, "accepted": sum(verdicts), "share": share.mean, "low": share.low, "high": share.high, "of": share.n}
        )
    return table


def question_rows(ladder: Ladder, asked: bool, band: str = "") -> list[dict[str, Any]]:
    """A row a question of the band, or of all, with its ranks and what the judge says of each rung."""
    table = []
    for row, name in ladder.bands(asked).items():
        if band in ("", name):
            query = ladder.corpus.queries[row]
            verdicts = {rung: ladder.right(row, rung) for rung in RUNGS} if asked else {}
            table.append(
                {
                    "id": query.id,
                    "question": query.text,
                    "group": query.group,
                    "band": BANDS[name].title,
                    "rank": rank_of(ladder.rank[row]),
                    "rank by the fusion": rank_of(ladder.fused_rank[row]),
                    **{RUNGS[rung]: verdict for rung, verdict in verdicts.items()},
                }
            )
    return table


def question_table(
    ladder: Ladder, asked: bool, pairs: Mapping[int, tuple[str, str]], rows: Sequence[int], command: str = ""
) -> Table:
    """These questions of the corpus. pairs: as `compared` gives them."""
    told = dict(zip(ladder.bands(asked), question_rows(ladder, asked), strict=True))
    for row, (before, _) in pairs.items():
        told[row]["was"] = BANDS[before].title
    shown = {RUNGS[name]: title for name, title in SHORT.items()} if asked else {}
    columns = (
        Column("question", width=220 if asked or pairs else 375),
        Column("band", "Outcome", width=165),
        *[Column("was", width=165)] * bool(pairs),
        Column("rank", "", "%d", "Of the first chunk with evidence, in all candidates."),
        *(Column(name, title, width=74) for name, title in shown.items()),
    )
    verdicts = {True: "right", False: "wrong", None: None}
    some = [told[row] | {name: verdicts[told[row][name]] for name in RUNGS.values() if name in told[row]} for row in rows]
    return Table("failures_table", columns, some, "Questions by outcome", f"n {len(some):,} of {len(told):,}", command)


def rank_of(rank: np.int32) -> int | None:
    return None if rank == NOT_FOUND else int(rank)


class Moved(NamedTuple):
    """What two recipes do with the same questions, by band. p: McNemar's exact one, corrected by Holm over the bands."""

    band: str
    only_other: int  # stand there under the other recipe only
    only_this: int
    p: float


def compared(ladder: Ladder, other: Ladder, asked: bool) -> tuple[dict[int, tuple[str, str]], list[Moved]]:
    """(row -> (the other's band, this one's) of the questions that both have, what each band lost and won)."""
    place = {query.id: row for row, query in enumerate(other.corpus.queries)}
    theirs, pairs = other.bands(asked), {}
    for row, band in ladder.bands(asked).items():
        before = theirs.get(place.get(ladder.corpus.queries[row].id, -1))
        if before is not None:
            pairs[row] = before, band
    names = [name for name in (ANSWERS if asked else RETRIEVAL) if any(name in pair for pair in pairs.values())]
    tally = Counter(pairs.values())
    only = [
        (sum(n for (a, b), n in tally.items() if a == name != b), sum(n for (a, b), n in tally.items() if b == name != a))
        for name in names
    ]
    corrected = correct_defined([exact_p(*each) for each in only])
    return pairs, [Moved(name, *each, p) for name, each, p in zip(names, only, corrected, strict=True)]


def moved_rows(pairs: Mapping[int, tuple[str, str]], moved: Sequence[Moved]) -> list[dict[str, Any]]:
    now = Counter(band for _, band in pairs.values())
    return [
        {
            "band": BANDS[each.band].title,
            "baseline": now[each.band] - each.only_this + each.only_other,
            "this recipe": now[each.band],
            "left": each.only_other,
            "came": each.only_this,
            "p (Holm)": each.p,
        }
        for each in moved
    ]


def moved_table(pairs: Mapping[int, tuple[str, str]], moved: Sequence[Moved], command: str = "") -> Table:
    columns = (
        Column("band", "Outcome", width=190),
        Column("baseline"),
        Column("this recipe"),
        Column("left", "Only baseline", help="Questions with this outcome under the baseline only."),
        Column("came", "Only this recipe", help="Questions with this outcome under this recipe only."),
        corrected_p()._replace(help="McNemar's exact test, Holm's correction."),
    )
    note = f"n {len(pairs):,}. McNemar's exact test, Holm's correction over the outcomes"
    return Table("moved", columns, moved_rows(pairs, moved), "Questions by outcome under two recipes", note, command)


def question_record(ladder: Ladder, identity: str) -> dict[str, Any]:
    """One question with its evidence and what each rung answered."""
    row = next((row for row, query in enumerate(ladder.corpus.queries) if query.id == identity), None)
    if row is None:
        raise WorkbenchError(f"There is no question '{identity}'.", todo="`python -m core corpus questions` lists their ids.")
    query, texts = ladder.corpus.queries[row], {document.id: document.text for document in ladder.corpus.documents}
    evidence = [
        {
            "document": gold.document_id,
            "start": gold.start,
            "end": gold.end,
            "text": texts[gold.document_id][gold.start : gold.end],
        }
        for gold in query.relevant
    ]
    answers = [
        {
            "rung": RUNGS[rung],
            "accepted": ladder.right(row, rung),
            "finish reason": answer.finish_reason,
            "passages": len(answer.passages),
            "text": answer.text,
        }
        for rung, answer in ladder.climbs.get(row, {}).items()
    ]
    return {"question": query.text, "reference answers": list(query.answers), "evidence": evidence, "rung answers": answers}
