"""Stored trials side by side: which can be compared, what differs between them, and whether a difference is real.

Two trials are paired on the questions that both measured: the same id and the same words. Means are compared only
between trials with the same questions, depth and rule of relevance (`Trial.group`).
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Difference, Rules, corrected
from core.config import FIELDS, TrialConfig, build, fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import measures_among, metric_or_measure
from core.evaluation.stored import longest
from core.labs.trials import looks
from core.pipeline.recipe_words import doing, fusion_title, made_name, setting_label, show_value, stages
from core.pipeline.trials import shared
from core.records import Gold
from core.registry import lower, word
from core.report.table import COUNT, MEAN, P_VALUE, SIGNED, Column, Table
from core.statistics.corrections import holm
from core.statistics.paired import AT_ODDS, Paired, at_odds
from core.statistics.t_test import t_p
from core.store.rows import MOST_NAME, MOST_NOTE
from core.workbench import Workbench

COSTS = {  # cost -> (what it is, unit); less is better
    "context_at_k": ("Context of the first k chunks", "tokens"),
    "latency_ms": ("Median latency of a question", "ms"), "chunks": ("Chunks in the index", "chunks"),
    "tokens_indexed": ("Tokens indexed", "tokens"), "context_tokens": ("Context of a prompt", "tokens"),
    "total_ms": ("Time of all stages, those from the cache at no cost", "ms"),
    "answer_s": ("Median time of an answer", "s"), "answer_tokens": ("Tokens of an answer, read and written", "tokens"),
}  # fmt: skip
OF_ANSWERS = "answer_s", "answer_tokens"  # costs of trials that answer
ABSENT = "–"  # a setting that the part in use does not have
MORE_CONTEXT = 1.2  # from so many times the context on, two recipes are not the same thing at the same depth
OF_LOOKS = "p (all looks)", "q (all looks)"  # columns of a comparison that hang on how many recipes were looked at
ALPHA = 0.05  # level of the marks in the table
CODED = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")  # how methods and choices are written in a recipe
MOST = 20  # trials compared at once
MOST_CHARACTERS = {"name": MOST_NAME, "note": MOST_NOTE}  # of what people say of a trial

Questions = dict[tuple[str, str], float]  # (id, text) -> value, in the order of the question set


class Spread(NamedTuple):
    """A cost: of latency the median and the quartiles over questions, of context the mean and its 95% interval."""

    value: float
    low: float | None = None  # None: a cost of the whole index, without spread
    high: float | None = None
    n: int | None = None
    runs: int = 1  # trials that did the same work, whose spreads are joined


@dataclass(frozen=True)
class Trial:
    """A stored trial as lists and tables need it: no rankings."""

    id: str
    created: datetime  # UTC
    dataset: str
    status: str  # ok, failed or interrupted, with its reason
    reason: str
    sweep: str
    config: dict[str, Any]
    config_fingerprint: str
    questions: str  # fingerprint of the question set, "" where none was reached
    corpus: str  # fingerprint of the documents
    metrics: dict[str, float]  # metric -> mean at the trial's own depth; left out where nothing was measured
    n: int  # questions measured
    total: int  # questions asked
    costs: dict[str, Spread]
    name: str = ""  # given by people, as note and tags
    note: str = ""
    tags: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name, or what differs from the default recipe: "Hybrid RRF, chunk 512"."""
        return self.name or self.made_name

    @cached_property
    def made_name(self) -> str:
        return self.named_by()

    def named_by(self, told: Collection[str] = ()) -> str:
        """told: settings that the name says, however it is with the others."""
        return made_name(self.config, told, answers=bool(measures_among(self.metrics)))

    @property
    def equal(self) -> tuple:
        """Trials with the same one are repeats: the same recipe on the same questions and documents."""
        return self.config_fingerprint, self.group

    @property
    def short(self) -> str:
        return self.id[-6:]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Dotted setting -> value, in pipeline order."""
        pairs = {}
        for stage, value in self.config.items():
            pairs.update({f"{stage}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {stage: value})
        return pairs

    @property
    def k(self) -> int:
        return self.settings.get("evaluation.k", 0)

    @property
    def group(self) -> tuple[str, str, Any, Any]:
        """Trials with the same one answered the same questions on the same documents under the same rules."""
        return self.questions, self.corpus, self.settings.get("evaluation.k"), self.settings.get("evaluation.overlap")

    @cached_property
    def stages(self) -> dict[str, str]:
        return stages(self.config)

    @property
    def recipe(self) -> str:
        """As in "recursive 128 · bm25s, k1 0.9 · convex, weight 0.5"; the corpus has a column of its own."""
        return " · ".join(words for stage, words in self.stages.items() if stage != "corpus")


class Versus(NamedTuple):
    """One trial against the reference: trial minus reference on the questions that both measured."""

    trial: Trial
    mean: float | None  # of the trial, on the shared questions
    reference_mean: float | None
    change: Difference
    note: str = ""

    @property
    def paired(self) -> Paired | None:
        """None: they share no measured question."""
        return self.change.paired

    @property
    def p_holm(self) -> float | None:
        return self.change.p_holm


@dataclass(frozen=True)
class TrialComparison:
    metric: str
    k: int
    reference: Trial
    rows: list[Versus]
    tested: int  # differences tested together, which the correction counts
    tried: int  # different recipes that were compared on the reference's question set, stored or not
    stored: int  # of them as trials
    confidence: float

    def verdict(self, row: Versus) -> str:
        """In words, by the corrected p at the level of the intervals; with its cost where the contexts differ."""
        word = row.change.verdict(self.confidence, direction=direction(self.metric)) or "not compared"
        if not row.change.significant(self.confidence):
            return word
        costs = (trial.costs.get("context_at_k") for trial in (row.trial, self.reference))
        times = times_context(*(cost.value if cost else 0 for cost in costs))
        return f"{word}, {times}" if times else word


# Lists ---------------------------------------------------------------------------------------------------------------


def trials(workbench: Workbench, most: int | None = None) -> list[Trial]:
    """All stored trials, or so many, newest first; see `listing` for where there are many."""
    return _read_once(
        workbench, workbench.store.query("SELECT id, name, note, tags FROM trials ORDER BY id DESC LIMIT ?", [most])
    )


def some(workbench: Workbench, ids: Sequence[str]) -> list[Trial]:
    """The stored trials among these, in this order."""
    rows = workbench.store.query("SELECT id, name, note, tags FROM trials WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)])
    read = {trial.id: trial for trial in _read_once(workbench, rows)}
    return [read[trial_id] for trial_id in ids if trial_id in read]


def named(workbench: Workbench, words: Iterable[str]) -> list[Trial]:
    """The stored trials of these ids or names, in this order."""
    return some(workbench, [workbench.trial_id(each) for each in words])


def _read_once(workbench: Workbench, rows: list[dict[str, Any]]) -> list[Trial]:
    """A trial never changes, so each is read from the store once a process. rows: ids with what people say of them."""
    memory = workbench.pipeline.remember("trials", "read", dict)
    fresh = {trial.id: trial for trial in _read(workbench, [row["id"] for row in rows if row["id"] not in memory])}
    # a trial may arrive before its questions and be scored later
    memory.update({trial_id: trial for trial_id, trial in fresh.items() if trial.metrics or trial.status != "ok"})
    told = []
    for row in rows:  # what people say of a trial changes, and the trial does not
        trial = memory.get(row["id"]) or fresh[row["id"]]
        said = {"name": row["name"] or "", "note": row["note"] or "", "tags": tuple(row["tags"] or ())}
        if said != {key: getattr(trial, key) for key in said}:
            trial = replace(trial, **said)
            memory.update({trial.id: trial} if trial.id in memory else {})
        told.append(trial)
    return told


def groups(trials: Iterable[Trial]) -> dict[tuple, list[Trial]]:
    """group -> its measured trials, largest group first: only within one are means comparable."""
    members = defaultdict(list)
    for trial in trials:
        if trial.metrics:
            members[trial.group].append(trial)
    return dict(sorted(members.items(), key=lambda item: -len(item[1])))


def named_groups(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The groups under names of their own: "xquad-en, 1,190 questions, k 10"."""
    named: dict[str, list[Trial]] = {}
    for of in groups(trials).values():
        name = f"{of[0].stages.get('corpus', of[0].dataset)}, {of[0].total:,} questions, k {of[0].k}"
        while name in named:  # another version of the corpus, or another rule of relevance
            name += ", other"
        named[name] = of
    return named


def differing(trials: Sequence[Trial]) -> dict[str, list[str]]:
    """Settings in which the trials differ -> the value of each, in words."""
    stages = list(FIELDS)
    names = dict.fromkeys(name for settings in {tuple(trial.settings) for trial in trials} for name in settings)
    table = {}
    for name in sorted(names, key=lambda n: stages.index(s) if (s := n.split(".")[0]) in stages else len(stages)):
        values = [trial.settings.get(name, ABSENT) for trial in trials]
        if any(value != values[0] for value in values):
            table[name] = [setting_value(name, value) for value in values]
    return table


def labels(trials: Sequence[Trial], told: Collection[str] = ()) -> list[str]:
    """A name for each of these: its title; where two have the same, also the settings in which all differ; then the end of its id.
    Of several corpora each with its own. told: settings that each name says, as those that an experiment varies."""
    titles = [trial.name or trial.named_by(told) for trial in trials]
    twice = {title for title, times in Counter(titles).items() if times > 1}
    differ = _told_apart([trial for trial, title in zip(trials, titles, strict=True) if title in twice])
    names = [trial.named_by({*told, *differ}) if title in twice else title for trial, title in zip(trials, titles, strict=True)]
    names = with_corpus(trials, names)
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} ({trial.short})" for name, trial in zip(names, trials, strict=True)]


def with_corpus(trials: Sequence[Trial], names: Sequence[str]) -> list[str]:
    """The names of these trials, with the corpus of each where they are of several: a mean says nothing without it."""
    if len({trial.dataset for trial in trials}) < 2:
        return list(names)
    return [f"{name}, {trial.dataset}" for name, trial in zip(names, trials, strict=True)]


def _told_apart(trials: Sequence[Trial]) -> set[str]:
    """The settings that have several values among those of these trials that have them."""
    values: dict[str, set[str]] = defaultdict(set)
    for trial in trials:
        for name, value in trial.settings.items():
            values[name].add(str(value))
    return {name for name, several in values.items() if len(several) > 1 and name != "corpus.dataset"}


def recipe(trial: Trial) -> TrialConfig:
    """The trial's recipe, to work on with; raises where a setting of an older version is no longer known."""
    return build(trial.config)


def ran(trial: Trial, config: TrialConfig, but: Collection[str] = ()) -> bool:
    """Whether the trial ran this recipe, but for these stages."""
    mine, theirs = doing(trial.config), doing(config.model_dump(mode="json"))
    return all(mine.get(stage) == theirs.get(stage) for stage in {*mine, *theirs} - {*but})


class Rated(NamedTuple):
    """What of a trial decides whether it is among the best."""

    id: str
    group: Hashable
    k: int
    metrics: dict[str, float]


def best(workbench: Workbench, trials: Sequence[Rated | Trial], metrics: Sequence[str]) -> dict[str, set[str]]:
    """metric -> ids of the trials with the highest mean of their group and those not distinguishable from it.

    Paired t test of each against the highest, Holm's correction within the group, level 5%; groups of one are left out.
    """
    key = fingerprint(sorted(t.id for t in trials if t.metrics), list(metrics))
    return workbench.pipeline.remember("best trials", key, lambda: _best(workbench, trials, metrics))


# Comparison ----------------------------------------------------------------------------------------------------------


def compare(workbench: Workbench, reference: Trial, others: Sequence[Trial], metric: str = "ndcg_linear") -> TrialComparison:
    """Each of the others minus the reference: the numbers of `Workbench.compare`, with Holm's correction over them all."""
    key = fingerprint(reference.id, [t.id for t in others], metric)
    result = workbench.pipeline.remember("comparison", key, lambda: _compare(workbench, reference, list(others), metric))
    # what people say of a trial, and how many were tried, changes; the rest stays
    now = {trial.id: trial for trial in others}
    rows = [row._replace(trial=now[row.trial.id]) for row in result.rows]
    counts = looks.counted(workbench, reference.questions)
    return replace(result, reference=reference, rows=rows, tried=counts.looked, stored=counts.stored)


def by_question(workbench: Workbench, reference: Trial, other: Trial, metric: str) -> dict[str, list[Any]]:
    """Columns question, reference, value and change over the shared questions, largest change first."""
    values = _values(workbench, [reference, other], metric, reference.k)
    first, second = values[reference.id], values[other.id]
    rows = [(key[1], first[key], second[key], second[key] - first[key]) for key in first if key in second]
    rows = sorted((row for row in rows if row[3] == row[3]), key=lambda row: -abs(row[3]))
    return {name: [row[i] for row in rows] for i, name in enumerate(("question", "reference", "value", "change"))}


def rows(result: TrialComparison, names: dict[str, str]) -> list[dict[str, Any]]:
    """The comparison as a table of one row a trial. names: trial id -> what to call it."""
    table = []
    for row in result.rows:
        p = row.paired or Paired(*[None] * 11)
        won, lost = p.won_and_lost(direction(result.metric))
        table.append(
            {
                "Trial": names[row.trial.id],
                "Verdict": result.verdict(row),
                "Mean": row.mean,
                "Reference": row.reference_mean,
                "Difference": p.difference,
                "Low": p.low,
                "High": p.high,
                "p": p.p,
                "p (Holm)": row.p_holm,
                **dict.fromkeys(OF_LOOKS),
                "Effect": p.effect_size,
                "Won": won,
                "Lost": lost,
                "Tied": p.ties,
                "n": p.n or 0,
            }
        )
    return of_looks(table, result.tried)


def table(result: TrialComparison, names: dict[str, str], title: str, command: str) -> Table:
    about = "Two-sided sign-flip permutation test, paired by question."
    columns = (
        Column("Trial", width=200),
        Column("Verdict"),
        Column("Mean", label(result.metric, result.k), MEAN, direction=direction(result.metric)),
        Column("Reference", "", MEAN),
        *(Column(name, "", SIGNED) for name in ("Difference", "Low", "High")),
        *(Column(name, name, P_VALUE, about) for name in ("p", "p (Holm)")),
        Column(OF_LOOKS[0], "p (all tried)", P_VALUE, "Holm's, corrected for every recipe compared on these questions."),
        Column(OF_LOOKS[1], "q (all tried)", P_VALUE, "Benjamini and Hochberg's, corrected for every recipe compared."),
        Column("Effect", "", "%+.2f", "Mean difference over the standard deviation of the differences (dz)."),
        *(Column(name, name, COUNT) for name in ("Won", "Lost", "Tied", "n")),
    )
    note = f"{100 * result.confidence:g}% intervals, paired by question; Holm's correction over all rows"
    made = rows(result, names)
    if any(at_odds(row["Low"], row["High"], row["p (Holm)"], result.confidence) for row in made):
        note += f". {AT_ODDS}"
    return Table("tests", columns, made, title, note, command)


def of_looks(rows: Sequence[dict[str, Any]], looked: int) -> list[dict[str, Any]]:
    """The same rows with p and q as they are where so many recipes were looked at."""
    columns = zip(*looks.corrected([row["p"] for row in rows], looked), strict=True)
    return [row | dict(zip(OF_LOOKS, values, strict=True)) for row, values in zip(rows, columns, strict=True)]


@cache
def direction(metric: str) -> int:
    return metric_or_measure(metric).direction


def label(metric: str, k: int | str = "k") -> str:
    return metric_or_measure(metric).label.format(k=k)


def setting_name(setting: str) -> str:
    """A dotted setting in words, as its form calls it: "fusion dense weight", "chunking"."""
    stage, _, name = setting.partition(".")
    return stage if name in ("part", "dataset", "") else f"{stage} {lower(setting_label(setting))}"


def setting_value(setting: str, value: Any) -> str:
    """A setting's value as people read it: methods and choices in words, of corpora as they are."""
    shown = fusion_title(str(value)) if setting == "fusion.part" else show_value(value)
    return word(shown) if CODED.fullmatch(shown) and not setting.startswith("corpus.") else shown


def _compare(workbench: Workbench, reference: Trial, others: list[Trial], metric: str) -> TrialComparison:
    for trial in (reference, *others):
        if trial.status != "ok":
            raise WorkbenchError(f"Trial {trial.short} has no results: {trial.status}.", todo="Choose another trial.")
    evaluation = reference.config["evaluation"]
    rules = Rules(evaluation["resamples"], evaluation["confidence"], reference.config["seed"])
    values = _values(workbench, [reference, *others], metric, reference.k)
    base = values[reference.id]
    pairs = [shared(base, values[other.id]) for other in others]
    # trials that share the same questions with the reference are tested in one go, which draws the signs once
    alike = defaultdict(list)
    for i, (first, _) in enumerate(pairs):
        alike[fingerprint(first.tolist())].append(i)
    paired: dict[int, Paired | None] = dict.fromkeys(range(len(others)))
    for rows in alike.values():
        first = pairs[rows[0]][0]
        if len(first):
            columns = np.column_stack([pairs[i][1] for i in rows])
            paired |= zip(rows, rules.differences(columns, first[:, None]), strict=True)
    changes = [*corrected({(place, reference.id, metric): test for place, test in paired.items()}).values()]
    rows = [
        Versus(
            other,
            float(b.mean()) if len(b) else None,
            float(a.mean()) if len(a) else None,
            changes[i],
            caution(
                workbench, reference, other, reference.k, len(a), *(_measured(values[trial.id]) for trial in (reference, other))
            ),
        )
        for i, (other, (a, b)) in enumerate(zip(others, pairs, strict=True))
    ]
    return TrialComparison(
        metric, reference.k, reference, rows, sum(row.p_holm is not None for row in rows), 0, 0, rules.confidence
    )


def equals_words(equal: int, others: int) -> str:
    """How many of the others a test does not tell from the best: "2 of the 5 others do not differ significantly from it"."""
    if not equal:
        return "all others are significantly worse" if others > 1 else "the other is significantly worse"
    if equal == others:
        return "no other differs significantly from it" if others > 1 else "the other does not differ significantly from it"
    return f"{equal:,} of the {others:,} others {'does' if equal == 1 else 'do'} not differ significantly from it"


def context_differs(tokens: Iterable[float | None]) -> bool:
    """Whether some recipes read so much more text that it has to be told."""
    some = [count for count in tokens if count]
    return len(some) > 1 and max(some) >= MORE_CONTEXT * min(some)


def times_context(tokens: float, reference: float) -> str:
    """ "at 3.4 times the context" where two recipes read more than a fifth more or less text; else ""."""
    if not reference or not tokens or 1 / MORE_CONTEXT <= tokens / reference <= MORE_CONTEXT:
        return ""
    ratio = tokens / reference
    return f"at {f'{ratio:,.0f}' if ratio >= 10 else f'{ratio:.1f}' if ratio >= 1 else f'{ratio:.2g}'} times the context"


def _measured(values: Questions) -> int:
    return sum(value == value for value in values.values())


def pair(workbench: Workbench, a: str, b: str, metric: str, k: int | None = None) -> dict[str, Any]:
    """Trial b minus trial a, by ids or names, with what must be known before it is believed."""
    made = workbench.compare(a, b, metric, k)
    counts = made["k"], made["n"], made["measured_a"], made["measured_b"]
    return made | {"caution": caution(workbench, *named(workbench, (a, b)), *counts)}


def caution(workbench: Workbench, reference: Trial, other: Trial, k: int, n: int, of_reference: int, of_other: int) -> str:
    """What must be known of a pair before its difference is believed. n: questions that both measured at depth k, of so many that
    each did."""
    notes = []
    if not n:
        notes.append("shares no measured question with the reference")
    elif n < max(of_reference, of_other):
        notes.append(f"shares {n:,} questions: {of_reference:,} measured in the reference, {of_other:,} here")
    if n and other.corpus != reference.corpus:
        notes.append("searched other documents")
    if n and (judged := _judged_otherwise(workbench, reference, other)):
        notes.append(f"has other evidence for {judged:,} of these questions")
    if other.k != k:
        notes.append(f"stored at depth {other.k}, judged again at {k}")
    if other.settings.get("retrieval.top_k", k) < k:
        ranks = longest(workbench.show(other.id))
        notes += [f"keeps only {ranks} results"] * (ranks < k)
    if other.settings.get("evaluation.overlap") != reference.settings.get("evaluation.overlap"):
        notes.append("another rule of relevance (evaluation overlap)")
    return "; ".join(notes)


def _judged_otherwise(workbench: Workbench, reference: Trial, other: Trial) -> int:
    """Questions of both whose evidence is not the same in the two sets, as after a correction of the file of questions."""
    if other.questions == reference.questions:
        return 0
    sets = (workbench.store.questions(trial.questions)["queries"] for trial in (reference, other))
    first, second = (
        {(query["id"], query["text"]): sorted(gold for gold in query["gold"] if Gold(*gold).grade > 0) for query in queries}
        for queries in sets
    )
    return sum(bool(gold and second.get(key)) and gold != second[key] for key, gold in first.items())


def _values(workbench: Workbench, trials: Sequence[Trial], metric: str, k: int) -> dict[str, Questions]:
    """trial -> value of the metric at depth k by question; from the stored scores, or derived where k is another."""
    sets: dict[str, dict[str, str]] = {}
    for row in workbench.store.query(
        "SELECT fingerprint, query_id, text FROM questions WHERE fingerprint IN (SELECT unnest(?::VARCHAR[])) ORDER BY position",
        [sorted({t.questions for t in trials})],
    ):
        sets.setdefault(row["fingerprint"], {})[row["query_id"]] = row["text"]
    table = workbench.store.frame(
        "SELECT trial_id, query_id, value FROM scores WHERE metric = ? AND trial_id IN (SELECT unnest(?::VARCHAR[]))",
        [f"{metric}@{k}", [t.id for t in trials]],
    )
    stored: dict[str, dict[str, float]] = defaultdict(dict)
    for trial_id, query, value in zip(*(table[name].tolist() for name in table), strict=True):
        stored[trial_id][query] = np.nan if value is None else value
    result = {}
    for trial in trials:
        values = stored.get(trial.id) or workbench.trial_values(trial.id, metric, k)
        asked = sets.get(trial.questions, {})
        result[trial.id] = {(query, text): values[query] for query, text in asked.items() if query in values}
    return result


# Reading -------------------------------------------------------------------------------------------------------------


def _read(workbench: Workbench, ids: list[str]) -> Iterable[Trial]:
    if not ids:
        return
    means: dict[str, dict[str, tuple]] = defaultdict(dict)
    for row in workbench.store.query(
        """SELECT trial_id, split_part(metric, '@', 1) AS metric, mean, n, total FROM trial_metrics
           WHERE trial_id IN (SELECT unnest(?::VARCHAR[]))""",
        [ids],
    ):
        means[row["trial_id"]][row["metric"]] = (row["mean"], row["n"], row["total"])
    costs: dict[str, dict[str, Spread]] = defaultdict(dict)
    for row in workbench.store.query("SELECT * FROM trial_costs WHERE trial_id IN (SELECT unnest(?::VARCHAR[]))", [ids]):
        costs[row["trial_id"]][row["cost"]] = Spread(row["value"], row["low"], row["high"], row["n"])
    for row in workbench.store.query(
        """SELECT id, created, dataset, status, reason, sweep, config, config_fingerprint, questions_fingerprint, num_queries,
           total_ms, fingerprints->>'corpus' AS corpus FROM trials WHERE id IN (SELECT unnest(?::VARCHAR[]))""",
        [ids],
    ):
        measured = means.get(row["id"], {})
        own = costs.get(row["id"], {}) | ({"total_ms": Spread(row["total_ms"])} if row["status"] == "ok" else {})
        yield Trial(
            row["id"],
            row["created"],
            row["dataset"] or "",
            row["status"] or "",
            row["reason"] or "",
            row["sweep"] or "",
            json.loads(row["config"] or "{}"),
            row["config_fingerprint"] or "",
            row["questions_fingerprint"] or "",
            row["corpus"] or "",
            {metric: mean for metric, (mean, n, _) in measured.items() if n},
            max((n for _, n, _ in measured.values()), default=0),
            max((total for *_, total in measured.values()), default=row["num_queries"] or 0),
            {name: own[name] for name in COSTS if name in own},
        )


def _best(workbench: Workbench, trials: Sequence[Rated | Trial], metrics: Sequence[str]) -> dict[str, set[str]]:
    marked: dict[str, set[str]] = {metric: set() for metric in metrics}
    pairs = []  # (trial, metric with depth, best of its group); tests of one group and metric stand together
    for members in groups(trials).values():
        for metric in metrics if len(members) > 1 else ():
            rated = [t for t in members if metric in t.metrics]
            if len(rated) > 1:
                top = max(rated, key=lambda t: t.metrics[metric] * direction(metric))
                marked[metric].add(top.id)
                pairs += [(t.id, f"{metric}@{t.k}", top.id) for t in rated if t is not top]
    if not pairs:
        return marked
    rows = workbench.store.query(
        """WITH pair AS (SELECT unnest(?::VARCHAR[]) AS trial, unnest(?::VARCHAR[]) AS metric, unnest(?::VARCHAR[]) AS top)
           SELECT trial, pair.metric, top, avg(t.value - b.value) AS mean, stddev_samp(t.value - b.value) AS deviation,
           count(*) AS n FROM pair JOIN scores t ON t.trial_id = trial AND t.metric = pair.metric
           JOIN scores b ON b.trial_id = top AND b.metric = pair.metric AND b.query_id = t.query_id
           WHERE t.value IS NOT NULL AND b.value IS NOT NULL GROUP BY ALL""",
        [list(column) for column in zip(*pairs, strict=True)],
    )
    tests = defaultdict(list)
    for row in rows:
        tests[row["metric"], row["top"]].append(row)
    for (metric, _), others in tests.items():
        mean, deviation, n = (np.array([row[name] for row in others], np.float64) for name in ("mean", "deviation", "n"))
        corrected = holm(t_p(mean, deviation / np.sqrt(n), n))  # one pass over the scores of a thousand trials
        marked[metric.split("@")[0]] |= {row["trial"] for row, p in zip(others, corrected, strict=True) if p >= ALPHA}
    return marked
