"""Whether a model knows a question set by heart: the same questions in their own and in other words, without passages and over the
gold evidence, and how much of the documents it gives back unasked.

One job that goes on where it was stopped: rephrasings, answers and continuations are kept by content. Verbs of the page Score answers.
"""

from collections.abc import Generator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import ArmComparison, compared, rules_of
from core.config import fingerprint
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.model_texts import Request, at_hand, written
from core.judging.measure import scores
from core.judging.overlap import continued, copied_share
from core.judging.reference import accepts
from core.labs.answers import answering, rephrasing
from core.labs.answers.rephrasing import Rephrasing
from core.labs.answers.results import keep_result, result_of
from core.labs.failures.rungs import gold_hits
from core.pipeline.answers import AskedContext, Asker, KeptAnswer, answers_of
from core.pipeline.forecast import Phase
from core.pipeline.scores import judge_tools
from core.pipeline.stages import Recipe, Resolved
from core.progress import counted, counted_within, drain
from core.queries.by_model import plain as one_line
from core.records import Progress, Query
from core.report.table import MEAN, P_VALUE, SIGNED, TWO, Column, Table, corrected_p
from core.statistics.bootstrap import Interval
from core.statistics.paired import Paired
from core.workbench import Evaluation, Workbench, fetched

CONDITIONS = {"closed_book": "Closed book", "gold": "Over the gold evidence"}
WORDINGS = ("original", "rephrased")
MEASURES = ("em", "f1", "contains")
SUBSETS = {"all": "All that were rephrased", "near": "Near in meaning", "unmemorised": "Without the possibly memorised"}
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
        notes = [item.rephrasing.note for item in self.items if item.rephrasing.note]
        return {note: notes.count(note) for note in dict.fromkeys(notes)}


class ContaminationCost(NamedTuple):
    """What is left to do. answers: None while the rephrasings are not written."""

    rephrasings: int
    answers: int | None
    phases: tuple[Phase, ...]


def drawn(evaluation: Evaluation, count: int) -> list[int]:
    """Rows of the questions that are asked, drawn once: of those with a reference answer and evidence."""
    queries = evaluation.corpus.queries
    rows = [row for row in answering.drawn(queries, evaluation.config.seed, len(queries)) if queries[row].answers]
    rows = [row for row in rows if any(gold.grade > 0 for gold in queries[row].gold)][:count]
    if not rows:
        raise WorkbenchError(
            f"'{evaluation.corpus.name}' has no question with a reference answer and evidence.",
            todo="Choose a corpus whose questions have answers: nothing else can be told apart here.",
        )
    return rows


def askings(
    workbench: Workbench, evaluation: Evaluation, rows: Sequence[int], others: Sequence[Rephrasing]
) -> list[dict[tuple[str, str], AskedContext]]:
    """(condition, wording) -> what is asked, of each question."""
    asker, table = Asker(evaluation.run), []
    for row, other in zip(rows, others, strict=True):
        query, hits, asked = evaluation.corpus.queries[row], gold_hits(workbench, evaluation, row), {}
        for wording, text in zip(WORDINGS, (query.text, other.text), strict=True):
            if text:
                asked |= {("closed_book", wording): asker.alone(text), ("gold", wording): asker.over(text, hits)}
        table.append(asked)
    return table


def probe_contamination(
    workbench: Workbench, recipe: Recipe, count: int, file: Path | None = None
) -> Generator[Progress, None, Contamination]:
    """Writes what is not known yet, and compares. file: of rephrasings, in place of the model's."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(run.config, answering=True)
    evaluation = yield from workbench.evaluating(run)
    rows = drawn(evaluation, count)
    queries = [evaluation.corpus.queries[row] for row in rows]
    if file is not None:  # a broken file is told before a model is loaded
        others = yield from rephrasing.of_file(workbench, run.config, queries, file)
    yield from loaded(run.config.generation)
    if file is None:
        step = Progress(0, 3, "Rephrasings")
        others = yield from counted_within(rephrasing.by_model(workbench, run.config, queries), step)
    table = askings(workbench, evaluation, rows, others)
    every = [asked for some in table for asked in some.values()]
    yield from counted_within(answering.write(workbench, run, every), Progress(1, 3, "Answers"))
    step = Progress(2, 3, "Continuations")
    yield from counted_within(written(workbench.pipeline.query_tools(run.config), _requests(evaluation, rows)), step)
    if _tells_likelihood(run):
        yield from counted_within(_likelihoods(workbench, run, _texts(queries, others)), step)
    return _compared(workbench, run, evaluation, rows, others, file is not None)


def standing(
    workbench: Workbench, recipe: Recipe, count: int, file: Path | None = None
) -> tuple[Contamination | None, ContaminationCost]:
    """(what is known, once every answer is; what is left to do). Asks no model."""
    run = workbench.resolve(recipe)
    evaluation = drain(workbench.evaluating(run))
    rows = drawn(evaluation, count)
    queries = [evaluation.corpus.queries[row] for row in rows]
    if file is not None:
        others = drain(rephrasing.of_file(workbench, run.config, queries, file))
    else:
        others = drain(rephrasing.by_model(workbench, run.config, queries, known_only=True))
    part = run.config.generation
    if None in others:
        number = others.count(None)
        rephrasings = Phase(counted(number, "rephrasing"), answering.answer_time(workbench, part, number))
        answers = Phase(f"{4 * len(rows):,} answers at most", answering.answer_time(workbench, part, 4 * len(rows)))
        return None, ContaminationCost(number, None, (rephrasings, answers))
    every = [asked for some in askings(workbench, evaluation, rows, others) for asked in some.values()]
    takes = answering.cost(workbench, part, every)
    if takes.answers or None in at_hand(workbench.pipeline.query_tools(run.config), _requests(evaluation, rows)):
        number = len(_heads(evaluation, rows))
        beginnings = Phase(f"continuations of {number:,} documents", answering.answer_time(workbench, part, number))
        return None, ContaminationCost(0, takes.answers, (*takes.phases, beginnings))
    return _compared(workbench, run, evaluation, rows, others, file is not None), ContaminationCost(0, 0, ())


def _compared(
    workbench: Workbench, run: Resolved, evaluation: Evaluation, rows: Sequence[int], others: Sequence[Rephrasing], by_hand: bool
) -> Contamination:
    items = _items(workbench, evaluation, rows, others)
    subsets = {
        "all": np.array([bool(item.rephrasing.text) for item in items]),
        "near": np.array([(item.rephrasing.similarity or 0.0) >= NEAR for item in items]),
        # who leaves out what was right closed book has set that score himself: only what the evidence gives is told there
        "unmemorised": np.array([bool(item.rephrasing.text) and not item.memorised for item in items]),
    }
    texts = _texts([item.query for item in items], others)
    values = result_of(workbench, _likelihood_key(run, texts)) if _tells_likelihood(run) else None
    return Contamination(
        items,
        _gaps(run, items, subsets),
        rules_of(run.config).mean(np.array([float(item.memorised) for item in items])),
        _continuations(workbench, run, evaluation, rows),
        None if values is None else _likelihood(run, values),
        by_hand,
    )


def _items(
    workbench: Workbench, evaluation: Evaluation, rows: Sequence[int], others: Sequence[Rephrasing]
) -> list[ContaminationItem]:
    config, corpus = evaluation.config, evaluation.corpus
    texts, style = {document.id: document.text for document in corpus.documents}, config.context.citations
    table, tools = askings(workbench, evaluation, rows, others), judge_tools(workbench.pipeline, config)
    recorded = answers_of(workbench.pipeline, [asked.key for some in table for asked in some.values()])
    answers = [{place: recorded.get(asked.key) for place, asked in some.items()} for some in table]
    flat, cases = [], []
    for number, (row, some) in enumerate(zip(rows, answers, strict=True)):
        for place, said in some.items():
            flat.append((number, place))
            cases.append(answering.case(corpus.queries[row], said, texts, config.evaluation.overlap, style))
    by_place: list[dict[tuple[str, str, str], float]] = [{} for _ in rows]
    for name in MEASURES:
        made = drain(scores(registry.find("measure", name)(), cases, tools))
        for (number, (condition, wording)), score in zip(flat, made, strict=True):
            by_place[number][condition, wording, name] = score.value
    items = []
    for row, other, some, values in zip(rows, others, answers, by_place, strict=True):
        query, said = corpus.queries[row], some["closed_book", "original"].text
        right = accepts(said, query.answers, style) and not accepts(query.text, query.answers)
        source = " ".join(texts[name] for name in dict.fromkeys(gold.document_id for gold in query.gold if gold.grade > 0))
        items.append(ContaminationItem(query, other, some, values, right, copied_share(said, source, query.text)))
    return items


def _gaps(run: Resolved, items: Sequence[ContaminationItem], subsets: dict[str, np.ndarray]) -> ArmComparison:
    values: dict[ContaminationArm, dict[str, np.ndarray]] = {}
    pairs = []
    for subset, condition in product(subsets, CONDITIONS):
        if subset == "unmemorised" and condition != "gold":
            continue
        arms = [ContaminationArm(subset, condition, wording) for wording in WORDINGS]
        tables = [
            {name: np.array([item.scores.get((condition, arm.wording, name), np.nan) for item in items]) for name in MEASURES}
            for arm in arms
        ]
        for arm, mine, other in zip(arms, tables, reversed(tables), strict=True):
            values[arm] = {name: np.where(np.isnan(other[name]), np.nan, mine[name])[subsets[subset]] for name in MEASURES}
        pairs.append(tuple(arms))
    family = lambda gap: gap.arm.subset if gap.arm.subset == "all" else None  # noqa: E731
    return compared(values, rules_of(run.config), pairs=pairs, family=family)


# What the model gives back unasked -----------------------------------------------------------------------------------


def _heads(evaluation: Evaluation, rows: Sequence[int]) -> dict[str, tuple[str, str]]:
    """Document -> (its beginning, what follows), of the questions' gold documents that are long enough."""
    documents = {document.id: document.text for document in evaluation.corpus.documents}
    golds = [gold.document_id for row in rows for gold in evaluation.corpus.queries[row].gold if gold.grade > 0]
    split = {name: documents[name].split(maxsplit=HEAD + TAIL) for name in dict.fromkeys(golds)}
    return {
        name: (one_line(" ".join(tokens[:HEAD])), " ".join(tokens[HEAD : HEAD + TAIL]))
        for name, tokens in split.items()
        if len(tokens) >= HEAD + TAIL
    }


def _requests(evaluation: Evaluation, rows: Sequence[int]) -> list[Request]:
    heads = _heads(evaluation, rows).values()
    return [Request([{"role": "user", "content": f"{CONTINUE}\n\n{head}"}], 2 * TAIL) for head, _ in heads]


def _continuations(workbench: Workbench, run: Resolved, evaluation: Evaluation, rows: Sequence[int]) -> Continuations | None:
    heads = _heads(evaluation, rows)
    said = at_hand(workbench.pipeline.query_tools(run.config), _requests(evaluation, rows))
    if len(heads) < 2 or None in said:
        return None
    following = [text for _, text in heads.values()]
    passages = []
    for place, ((name, (head, text)), made) in enumerate(zip(heads.items(), said, strict=True)):
        other = following[(place + 1) % len(following)]  # so much any two texts of this kind share
        mine = " ".join(made.text.split()[:TAIL])
        passages.append(
            {"document": name, "head": head, "said": mine, "following": text}
            | {"own": continued(mine, text), "other": continued(mine, other)}
        )
    own, other = (np.array([passage[side] for passage in passages]) for side in ("own", "other"))
    rules = rules_of(run.config)
    return Continuations(passages, rules.mean(own), rules.mean(other), rules.difference(own, other))


def _tells_likelihood(run: Resolved) -> bool:
    return run.config.generation.mixes  # hands out what it says of given tokens


def _texts(queries: Sequence[Query], others: Sequence[Rephrasing]) -> list[tuple[str, str]]:
    return [(query.text, other.text) for query, other in zip(queries, others, strict=True) if other.text]


def _likelihood_key(run: Resolved, pairs: Sequence[tuple[str, str]]) -> str:
    part = run.config.generation
    return fingerprint(part.identity(), part.model_dump(mode="json"), SAID, LOWEST, list(pairs))


def _likelihoods(workbench: Workbench, run: Resolved, pairs: Sequence[tuple[str, str]]) -> Generator[Progress, None, None]:
    """Keeps [mean, least likely] of every question and its rephrasing."""
    key = _likelihood_key(run, pairs)
    if not pairs or result_of(workbench, key) is not None:
        return
    texts = [one_line(text) for pair in pairs for text in pair]
    prompt = [{"role": "user", "content": SAID}]
    tables = yield from run.config.generation.answer_logprobs([prompt], texts, 60.0 + 5.0 * len(texts))
    values = [least_likely(rows[0][:-1]) for rows in tables]  # without the end of the turn
    keep_result(workbench, LIKELIHOODS, key, values)


def least_likely(logprobs: Sequence[float]) -> tuple[float, float]:
    """(mean of all, mean of the least likely fifth): Shi et al. 2024, "Detecting Pretraining Data from Large Language Models",
    section 3, min-k% prob."""
    low = sorted(logprobs)[: max(1, round(LOWEST * len(logprobs)))]
    return float(np.mean(logprobs)), float(np.mean(low))


def _likelihood(run: Resolved, recorded: list[list[float]]) -> QuestionLikelihood:
    values = np.array(recorded, np.float64).reshape(-1, 2, 2)  # question, wording, [mean, least likely]
    mean, lowest = (rules_of(run.config).difference(values[:, 0, kind], values[:, 1, kind]) for kind in (0, 1))
    return QuestionLikelihood(mean, lowest, float(values[:, 0, 0].mean()), float(values[:, 1, 0].mean()))


# As the page and the command show it ---------------------------------------------------------------------------------


def gap_rows(made: Contamination) -> list[dict[str, Any]]:
    return [
        {
            "condition": CONDITIONS[gap.arm.condition],
            "measure": gap.measure,
            "questions": SUBSETS[gap.arm.subset],
            "n": gap.paired.n,
            "original": made.gaps.means[gap.arm, gap.measure].mean,
            "rephrased": made.gaps.means[gap.base, gap.measure].mean,
            **gap.columns("gap"),
        }
        for gap in made.gaps.differences.values()
    ]


def gap_table(made: Contamination, command: str = "") -> Table:
    rows = [{**row, "measured by": registry.find("measure", row["measure"]).label} for row in gap_rows(made)]
    columns = (
        Column("condition"),
        Column("questions"),
        Column("measured by", "Measure"),
        Column("n", "n"),
        Column("original", "", MEAN),
        Column("rephrased", "", MEAN),
        *(Column(name, "", SIGNED) for name in ("gap", "low", "high")),
        Column("p", "p", P_VALUE),
        corrected_p(),
    )
    note = f"n {made.rephrased:,}. Paired differences; sign-flip test, Holm's correction over all that were rephrased"
    return Table("gaps_table", columns, rows, "Scores of questions in their own and in other words", note, command)


def item_rows(made: Contamination) -> list[dict[str, Any]]:
    """A row a question, with what was asked, said and scored."""
    rows = []
    for item in made.items:
        row: dict[str, Any] = {"id": item.query.id, "question": item.query.text, "rephrased": item.rephrasing.text}
        row |= {"note": item.rephrasing.note, "similarity": item.rephrasing.similarity}
        row |= {
            "references": list(dict.fromkeys(item.query.answers)),
            "possibly memorised": item.memorised,
            "copied": item.copied,
        }
        for (condition, wording), said in item.answers.items():
            row[f"{condition} {wording}"] = said and said.text
        row |= {f"{condition} {wording} {name}": value for (condition, wording, name), value in item.scores.items()}
        rows.append(row)
    return rows


def item_table(made: Contamination, order: Sequence[int], command: str = "") -> Table:
    """The questions at these places, with token F1."""
    every = item_rows(made)
    rows = [{**row, "in other words": row["rephrased"] or f"({row['note']})"} for row in map(every.__getitem__, order)]
    columns = [
        Column("question", width=225),
        Column("in other words", width=225),
        Column("similarity", "Cosine", TWO, "Of question and rephrasing, by the encoder."),
        Column("possibly memorised", "Memorised?", help="Answered right without a passage."),
    ]
    for condition, title in (("closed_book", "F1 closed"), ("gold", "F1 gold")):
        for wording in WORDINGS:
            columns.append(Column(f"{condition} {wording} f1", title + ", other" * (wording != "original"), MEAN, direction=1))
    return Table("rephrased_table", columns, rows, "Questions in their own and in other words", f"n {len(rows):,}", command)


def edit_lines(made: Contamination) -> list[dict[str, str]]:
    """The rephrasings as `rephrasing.read_file` reads them, to be mended by hand."""
    return [{"id": i.query.id, "question": i.query.text, "rephrased": i.rephrasing.text} for i in made.items]


def sentences(made: Contamination, level: float) -> list[str]:
    """What is told, and what it cannot tell."""
    told = []
    for gap in made.gaps.significant(level):
        way = gap.verdict(level, ("answers its own wording better than another one", "answers the rephrasing better"))
        told.append(
            f"{CONDITIONS[gap.arm.condition]}, {gap.measure}: the model {way}, by {gap.paired.difference:+.3f} "
            f"({gap.paired.between}), p {gap.p_holm:.3f}."
        )
    if not told:
        told.append(f"No gap between questions and rephrasings is significant on {made.rephrased:,} questions.")
    right = sum(item.memorised for item in made.items)
    told.append(
        f"{right:,} of {len(made.items):,} questions are answered right without any passage: possibly memorised, or known, or guessed."
    )
    if made.continuations and made.continuations.paired.p is not None:
        texts = made.continuations
        more = texts.paired.p < 1 - level and texts.paired.difference > 0
        told.append(
            f"Behind the beginning of a document the model's words share {texts.own.mean:.3f} (ROUGE-L) with what follows there and "
            f"{texts.other.mean:.3f} with what follows in another document: "
            + (
                "more than chance, as one who has read it or keeps to its subject."
                if more
                else "not significantly more than chance."
            )
        )
    if made.likelihood and made.likelihood.mean.p is not None:
        told.append(
            f"Log-probability a token: questions {made.likelihood.original:.3f}, rephrasings {made.likelihood.rephrased:.3f} "
            f"(difference {made.likelihood.mean.difference:+.3f}, p {made.likelihood.mean.p:.3f})."
            + ("" if made.by_hand else " The model's own rephrasings are likely to it whatever it was trained on.")
        )
    return [*told, limits(made)]


def limits(made: Contamination) -> str:
    """What a gap here cannot mean."""
    whose = "written by people" if made.by_hand else "written by the model under test"
    left = ", ".join(f"{note}: {number:,}" for note, number in made.fallbacks.items())
    return (
        f"The {made.rephrased:,} rephrasings are {whose}"
        + (f"; {len(made.items) - made.rephrased:,} questions have none ({left})" if left else "")
        + ". A rephrasing that is clumsier, or asks something else, makes a gap by itself, and a weak model writes such: read them beside "
        "the questions, mend them in a file. No gap does not show that the questions were not in the training data."
    )
