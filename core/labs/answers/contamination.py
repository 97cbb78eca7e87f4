"""Whether a model knows a question set by heart: the same questions in their own and in other words, without passages and over the
gold evidence, and how much of the documents it gives back unasked.

One job that goes on where it was stopped: rephrasings, answers and continuations are kept by content. Verbs of the page Score answers.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import ArmComparison, Difference, Rules, compared
from core.config import fingerprint
from core.errors import PromptTooLong
from core.generation.loading import loaded
from core.generation.model_texts import Request, at_hand, written
from core.judging.overlap import continued, copied_share
from core.judging.reference import accepts
from core.labs.answers import answering, arms, rephrasing
from core.labs.answers.answering import AnswerSet
from core.labs.answers.arms import Draw
from core.labs.answers.rephrasing import Rephrasing
from core.labs.answers.results import keep_result, result_of
from core.labs.failures.rungs import gold_hits
from core.pipeline.answers import Asker, KeptAnswer
from core.pipeline.forecast import Phase
from core.pipeline.stages import Recipe
from core.progress import counted, counted_within, drain
from core.queries.by_model import plain as one_line
from core.records import Progress, Query
from core.report.table import MEAN, P_VALUE, SIGNED, TWO, Column, Table, corrected_p, in_words
from core.statistics.bootstrap import Interval
from core.statistics.paired import Paired
from core.workbench import Workbench

CONDITIONS = {"closed_book": "Closed book", "gold": "Over the gold evidence"}
SHORT = {"closed_book": "closed", "gold": "gold"}
WORDINGS = ("original", "rephrased")
MEASURES = ("em", "f1", "contains")
SUBSETS = {"all": "All that were rephrased", "near": "Near in meaning", "unmemorised": "Without possibly memorised"}
NEAR = 0.85  # cosine of question and rephrasing
HEAD, TAIL = 60, 40  # words of a passage that are given, and that follow
CONTINUE = "Continue this text. Write only the words that come next."
LIKELIHOODS = "question_likelihoods"  # of the records
SAID = "Write a question."  # what a question is the answer to, where its likelihood is asked for
LOWEST = 0.2  # share of the least likely tokens of min-k%


class ContaminationItem(NamedTuple):
    """A question. Scores: NaN where there is no answer, or no rephrasing."""

    query: Query
    rephrasing: Rephrasing
    answers: dict[tuple[str, str], KeptAnswer | None]  # (condition, wording) -> answer
    scores: dict[tuple[str, str, str], float]  # (condition, wording, measure) -> score
    memorised: bool  # answered right closed book, and not by words of the question
    copied: float  # share of the closed-book answer's runs of words that stand in the gold document


class ContaminationArm(NamedTuple):
    """What is compared: the questions of a subset, asked so in one of WORDINGS."""

    subset: str
    condition: str
    wording: str


class Continuations(NamedTuple):
    """What the model writes behind the beginning of a gold document, against what follows there, and what follows in another."""

    passages: list[dict[str, Any]]  # document, head, said, following, own, other
    own: Interval
    other: Interval
    paired: Paired


class QuestionLikelihood(NamedTuple):
    """Mean log-probability of a question's tokens, and of its least likely ones (min-k%), nats a token."""

    mean: Paired
    lowest: Paired
    original: float
    rephrased: float


class Contamination(NamedTuple):
    items: list[ContaminationItem]
    gaps: ArmComparison  # original - rephrased on the same questions; p corrected over all that were rephrased, of subsets there is none
    memorised: Interval  # share answered right closed book
    continuations: Continuations | None
    likelihood: QuestionLikelihood | None  # None: this engine does not tell
    by_hand: bool  # the rephrasings were read from a file

    @property
    def rephrased(self) -> int:
        return sum(bool(item.rephrasing.text) for item in self.items)

    @property
    def fallbacks(self) -> dict[str, int]:
        return dict(Counter(item.rephrasing.note for item in self.items if item.rephrasing.note))


class ContaminationCost(NamedTuple):
    """What is left to do. answers: None while the rephrasings are not written."""

    rephrasings: int
    answers: int | None
    phases: tuple[Phase, ...]


def _arms(draw: Draw, others: Sequence[Rephrasing]) -> dict[tuple[str, str], AnswerSet]:
    """(condition, wording) -> what is asked; nothing where a question has no rephrasing."""
    asker, asked = Asker(draw.run), {}
    evidence = [gold_hits(draw.workbench, draw.evaluation, row) for row in draw.rows]
    for wording, phrased in zip(WORDINGS, (draw.queries, others), strict=True):
        asked["closed_book", wording] = [asker.alone(each.text) if each.text else None for each in phrased]
        asked["gold", wording] = [
            asker.over(each.text, hits) if each.text else None for each, hits in zip(phrased, evidence, strict=True)
        ]
    return draw.arms(asked)


def _rephrased(draw: Draw, file: Path | None, known_only: bool = False) -> Generator[Progress, None, list[Rephrasing | None]]:
    if file is not None:
        return (yield from rephrasing.of_file(draw.workbench, draw.config, draw.queries, file))
    return (yield from rephrasing.by_model(draw.workbench, draw.config, draw.queries, known_only))


def probe_contamination(
    workbench: Workbench, recipe: Recipe, count: int, file: Path | None = None
) -> Generator[Progress, None, Contamination]:
    """Writes what is not known yet, and compares. file: of rephrasings, in place of the model's."""
    draw = yield from arms.fetched_draw(workbench, recipe, count, evidence=True)
    if file is not None:  # a broken file is told before a model is loaded
        yield from _rephrased(draw, file)
    yield from loaded(draw.writing.generator)
    others = yield from counted_within(_rephrased(draw, file), Progress(0, 3, "Rephrasings"))
    yield from counted_within(arms.write(workbench, [*_arms(draw, others).values()]), Progress(1, 3, "Answers"))
    step = Progress(2, 3, "Continuations")
    yield from counted_within(written(draw.writing, _requests(draw)), step)
    yield from counted_within(_likelihoods(draw, _pairs(draw, others)), step)
    return _compared(draw, others, _arms(draw, others), file is not None)


def standing(
    workbench: Workbench, recipe: Recipe, count: int, file: Path | None = None
) -> tuple[Contamination | None, ContaminationCost]:
    """(what is known, once every answer is; what is left to do). Asks no model."""
    draw = arms.standing_draw(workbench, recipe, count, evidence=True)
    others, takes = (
        drain(_rephrased(draw, file, known_only=True)),
        partial(answering.answer_time, workbench, draw.config.generation),
    )
    if number := others.count(None):
        most = 4 * len(draw.rows)
        phases = Phase(counted(number, "rephrasing"), takes(number)), Phase(f"{most:,} answers at most", takes(most))
        return None, ContaminationCost(number, None, phases)
    asked = _arms(draw, others)
    left = arms.missing(workbench, asked.values())
    if left.answers or None in at_hand(draw.writing, _requests(draw)):
        number = len(_heads(draw))
        beginnings = Phase(f"continuations of {number:,} documents", takes(number))
        return None, ContaminationCost(0, left.answers, (*left.phases, beginnings))
    return _compared(draw, others, asked, file is not None), ContaminationCost(0, 0, ())


def _compared(draw: Draw, others: Sequence[Rephrasing], asked: dict[tuple[str, str], AnswerSet], by_hand: bool) -> Contamination:
    values = {arm: arms.values(draw.workbench, answers, MEASURES) for arm, answers in asked.items()}
    items = _items(draw, others, asked, values)
    rephrased, memorised = (np.array(some) for some in zip(*((bool(i.rephrasing.text), i.memorised) for i in items), strict=True))
    subsets = {
        "all": rephrased,
        "near": np.array([(item.rephrasing.similarity or 0.0) >= NEAR for item in items]),
        # who leaves out what was right closed book has set that score himself: only what the evidence gives is told there
        "unmemorised": rephrased & ~memorised,
    }
    known_by_heart, pairs = draw.rules.mean(memorised.astype(float)), _pairs(draw, others)
    recorded = result_of(draw.workbench, _likelihood_key(draw, pairs)) if draw.config.generation.mixes else None
    likelihood = None if recorded is None else _likelihood(draw.rules, recorded)
    return Contamination(items, _gaps(draw.rules, values, subsets), known_by_heart, _continuations(draw), likelihood, by_hand)


def _items(
    draw: Draw,
    others: Sequence[Rephrasing],
    asked: dict[tuple[str, str], AnswerSet],
    values: dict[tuple[str, str], dict[str, np.ndarray]],
) -> list[ContaminationItem]:
    texts = {document.id: document.text for document in draw.evaluation.corpus.documents}
    style, items = draw.config.context.citations, []
    for place, (query, other) in enumerate(zip(draw.queries, others, strict=True)):
        answers = {arm: own.answers[place] for arm, own in asked.items() if own.askings[place]}
        worth = {(*arm, name): float(values[arm][name][place]) for arm in answers for name in MEASURES}
        said = answers["closed_book", "original"].text
        right = accepts(said, query.answers, style) and not accepts(query.text, query.answers)
        source = " ".join(texts[name] for name in dict.fromkeys(gold.document_id for gold in query.relevant))
        items.append(ContaminationItem(query, other, answers, worth, right, copied_share(said, source, query.text)))
    return items


def _gaps(rules: Rules, values: dict[tuple[str, str], dict[str, np.ndarray]], subsets: dict[str, np.ndarray]) -> ArmComparison:
    chosen: dict[ContaminationArm, dict[str, np.ndarray]] = {}
    pairs = []
    for subset, condition in product(subsets, CONDITIONS):
        if subset == "unmemorised" and condition != "gold":
            continue
        pairs.append(pair := tuple(ContaminationArm(subset, condition, wording) for wording in WORDINGS))
        for arm, other in zip(pair, reversed(pair), strict=True):
            mine, theirs = (values[condition, each.wording] for each in (arm, other))
            both = {name: np.where(np.isnan(theirs[name]), np.nan, mine[name]) for name in MEASURES}
            chosen[arm] = {name: column[subsets[subset]] for name, column in both.items()}
    return compared(chosen, rules, pairs=pairs, family=lambda gap: gap.arm.subset if gap.arm.subset == "all" else None)


# What the model gives back unasked -----------------------------------------------------------------------------------


def _heads(draw: Draw) -> dict[str, tuple[str, str]]:
    """Document -> (its beginning, what follows), of the questions' gold documents that are long enough."""
    documents = {document.id: document.text for document in draw.evaluation.corpus.documents}
    golds = [gold.document_id for query in draw.queries for gold in query.relevant]
    split = {name: documents[name].split(maxsplit=HEAD + TAIL) for name in dict.fromkeys(golds)}
    return {
        name: (one_line(" ".join(tokens[:HEAD])), " ".join(tokens[HEAD : HEAD + TAIL]))
        for name, tokens in split.items()
        if len(tokens) >= HEAD + TAIL
    }


def _requests(draw: Draw) -> list[Request]:
    heads = _heads(draw).values()
    return [Request([{"role": "user", "content": f"{CONTINUE}\n\n{head}"}], 2 * TAIL) for head, _ in heads]


def _continuations(draw: Draw) -> Continuations | None:
    heads, said = _heads(draw), at_hand(draw.writing, _requests(draw))
    if len(heads) < 2 or None in said:
        return None
    following = [text for _, text in heads.values()]
    passages = []
    for place, ((name, (head, text)), made) in enumerate(zip(heads.items(), said, strict=True)):
        other = following[(place + 1) % len(following)]  # so much any two texts of this kind share
        mine = " ".join(made.text.split()[:TAIL])
        shares = {"own": continued(mine, text), "other": continued(mine, other)}
        passages.append({"document": name, "head": head, "said": mine, "following": text} | shares)
    own, other = (np.array([passage[side] for passage in passages]) for side in ("own", "other"))
    return Continuations(passages, draw.rules.mean(own), draw.rules.mean(other), draw.rules.difference(own, other))


def _pairs(draw: Draw, others: Sequence[Rephrasing]) -> list[tuple[str, str]]:
    return [(query.text, other.text) for query, other in zip(draw.queries, others, strict=True) if other.text]


def _likelihood_key(draw: Draw, pairs: Sequence[tuple[str, str]]) -> str:
    part = draw.config.generation
    return fingerprint(part.identity(), part.model_dump(mode="json"), SAID, LOWEST, list(pairs))


def _likelihoods(draw: Draw, pairs: Sequence[tuple[str, str]]) -> Generator[Progress, None, None]:
    """Keeps [mean, least likely] of every question and its rephrasing, where the model hands out what it says of texts."""
    part, key = draw.config.generation, _likelihood_key(draw, pairs)
    if not part.mixes or not pairs or result_of(draw.workbench, key) is not None:
        return
    texts = [one_line(text) for pair in pairs for text in pair]
    tables = yield from _tables(part, texts)
    values = [rows and least_likely(rows[0][:-1]) for rows in tables]  # without the end of the turn
    keep_result(draw.workbench, LIKELIHOODS, key, values)


def _tables(part: Any, texts: list[str]) -> Generator[Progress, None, list[Any]]:
    """What the model says of each text; None of one that its window does not hold."""
    try:
        return (yield from part.answer_logprobs([[{"role": "user", "content": SAID}]], texts, 60.0 + 5.0 * len(texts)))
    except PromptTooLong:
        pass
    if not (half := len(texts) // 2):
        return [None]
    first = yield from _tables(part, texts[:half])
    return first + (yield from _tables(part, texts[half:]))


def least_likely(logprobs: Sequence[float]) -> tuple[float, float]:
    """(mean of all, mean of the least likely fifth): Shi et al. 2024, "Detecting Pretraining Data from Large Language Models",
    section 3, min-k% prob."""
    low = sorted(logprobs)[: max(1, round(LOWEST * len(logprobs)))]
    return float(np.mean(logprobs)), float(np.mean(low))


def _likelihood(rules: Rules, recorded: list[list[float] | None]) -> QuestionLikelihood | None:
    if not (pairs := [pair for pair in zip(recorded[::2], recorded[1::2], strict=True) if None not in pair]):
        return None
    values = np.array(pairs, np.float64).reshape(-1, 2, 2)  # question, wording, [mean, least likely]
    mean, lowest = (rules.difference(values[:, 0, kind], values[:, 1, kind]) for kind in (0, 1))
    return QuestionLikelihood(mean, lowest, float(values[:, 0, 0].mean()), float(values[:, 1, 0].mean()))


# As the page and the command show it ---------------------------------------------------------------------------------


def gap_rows(made: Contamination) -> list[dict[str, Any]]:
    rows = []
    for gap in made.gaps.differences.values():
        row = {"condition": CONDITIONS[gap.arm.condition], "measure": gap.measure, "questions": SUBSETS[gap.arm.subset]}
        row |= {wording: made.gaps.means[arm, gap.measure].mean for wording, arm in zip(WORDINGS, gap[:2], strict=True)}
        rows.append({**row, "n": gap.paired.n, **gap.columns("gap")})
    return rows


def gap_table(made: Contamination, command: str = "") -> Table:
    rows = [{**row, "measured by": registry.find("measure", row["measure"]).label} for row in gap_rows(made)]
    columns = (
        *map(Column, ("condition", "questions")),
        Column("measured by", "Measure"),
        Column("n", "n"),
        *(Column(wording, "", MEAN) for wording in WORDINGS),
        *(Column(name, "", SIGNED) for name in ("gap", "low", "high")),
        Column("p", "p", P_VALUE),
        corrected_p(),
    )
    note = f"n {made.rephrased:,}. Paired differences; sign-flip test, Holm's correction over all that were rephrased"
    return Table("gaps_table", columns, rows, "Scores of original and rephrased questions", note, command)


def item_rows(made: Contamination) -> list[dict[str, Any]]:
    """A row a question, with what was asked, said and scored."""
    rows = []
    for item in made.items:
        row: dict[str, Any] = {"id": item.query.id, "question": item.query.text, "rephrased": item.rephrasing.text}
        row |= {"note": item.rephrasing.note, "similarity": item.rephrasing.similarity}
        row |= {"references": list(dict.fromkeys(item.query.answers))}
        row |= {"possibly memorised": item.memorised, "copied": item.copied}
        row |= {" ".join(arm): said and said.text for arm, said in item.answers.items()}
        rows.append(row | {" ".join(place): value for place, value in item.scores.items()})
    return rows


def item_table(made: Contamination, order: Sequence[int], command: str = "") -> Table:
    """The questions at these places, with token F1."""
    every = item_rows(made)
    rows = [{**row, "in other words": row["rephrased"] or f"({row['note']})"} for row in map(every.__getitem__, order)]
    columns = [
        *(Column(name, width=225) for name in ("question", "in other words")),
        Column("similarity", "Cosine", TWO, "Of question and rephrasing, by the encoder."),
        Column("possibly memorised", "Memorised?", help="Answered right without a passage."),
    ]
    for (condition, title), (wording, end) in product(SHORT.items(), zip(WORDINGS, ("", ", other"), strict=True)):
        columns.append(arms.measure_column("f1", f"{condition} {wording} f1", f"F1 {title}{end}"))
    return Table("rephrased_table", columns, rows, "Original and rephrased questions", f"n {len(rows):,}", command)


def edit_lines(made: Contamination) -> list[dict[str, str]]:
    """The rephrasings as `rephrasing.read_file` reads them, to be mended by hand."""
    return [{"id": i.query.id, "question": i.query.text, "rephrased": i.rephrasing.text} for i in made.items]


def sentences(made: Contamination, level: float) -> list[str]:
    """What is told, and what it cannot tell."""

    def words(gap: Difference) -> str:
        how = gap.verdict(level, ("answers the original wording better than a rephrasing", "answers the rephrasing better"))
        return f"{CONDITIONS[gap.arm.condition]}, {gap.measure}: the model {how}, by {gap.figures}."

    nothing = f"No gap between questions and rephrasings is significant on {made.rephrased:,} questions."
    told, right = made.gaps.findings(level, words, nothing), sum(item.memorised for item in made.items)
    told.append(
        f"{right:,} of {len(made.items):,} questions are answered right without any passage: possibly memorised, or known, or guessed."
    )
    texts, likely = made.continuations, made.likelihood
    if texts and texts.paired.p is not None:
        more = texts.paired.p < 1 - level and texts.paired.difference > 0
        than_chance = "more than chance, as if it had read the document or kept to its subject"
        told.append(
            f"After the beginning of a document the model's words share {texts.own.mean:.3f} (ROUGE-L) with what follows there and "
            f"{texts.other.mean:.3f} with what follows in another document: "
            f"{than_chance if more else 'not significantly more than chance'}."
        )
    if likely and likely.mean.p is not None:
        told.append(
            f"Log-probability a token: questions {likely.original:.3f}, rephrasings {likely.rephrased:.3f} "
            f"(difference {likely.mean.difference:+.3f}, p {in_words(likely.mean.p, P_VALUE)})."
            + " A model finds its own rephrasings likely, whatever it was trained on."
            * (not made.by_hand)
        )
    return [*told, limits(made)]


def limits(made: Contamination) -> str:
    """What a gap here cannot mean."""
    whose = "written by people" if made.by_hand else "written by the model under test"
    left = ", ".join(f"{note}: {number:,}" for note, number in made.fallbacks.items())
    return (
        f"The {made.rephrased:,} rephrasings are {whose}"
        + (f"; {len(made.items) - made.rephrased:,} questions have none ({left})" if left else "")
        + ". A rephrasing that is clumsy, or asks something else, causes a gap by itself, and weak models write such: read "
        "them beside the questions, and correct them in a file. No gap does not show that the questions were not in the training data."
    )
