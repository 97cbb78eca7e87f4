"""The verbs behind the page Agreement: what a study's labels, or a file of labels, say of annotators, items, systems and machines.

A Source is labels with what is known of them. Nothing here changes a label; every result is frozen and belongs to the
source's digest, under which a page may keep it. Adjudicated labels never count as annotators: they only decide the consensus.
"""

import csv
import hashlib
import io
import json
import os
import re
import shlex
import tempfile
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import annotation_lab
from core.annotation.labels import PREFERENCES, Attention, Label, Table, attention_score, table
from core.annotation.study import FOLDER, StopRule, Study, sentences
from core.errors import WorkbenchError
from core.generation.support import containments
from core.records import Progress
from core.statistics.agreement import annotators as of_annotators
from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.annotators import Dissent, LeftOut, Speed
from core.statistics.agreement.coefficient import Agreement, Coefficient, divided, estimate
from core.statistics.agreement.disputed import disputed
from core.statistics.agreement.drift import Drift, drift
from core.statistics.agreement.growth import FEWEST, growth
from core.statistics.agreement.kappa import cohen
from core.statistics.agreement.measures import Paradox, measures, paradox
from core.statistics.agreement.ratings import counts
from core.statistics.agreement.words import KRIPPENDORFF, LANDIS_KOCH, krippendorff_words, landis_koch
from core.statistics.bootstrap import Interval
from core.statistics.bradley_terry import BradleyTerry, bradley_terry
from core.statistics.calibration import Calibration, calibration
from core.statistics.ceiling import ceiling, ceiling_pearson, majority_baseline
from core.statistics.consensus import majority
from core.statistics.corrected import Corrected
from core.statistics.corrections import holm
from core.statistics.correlation import mean_absolute_error, pearson, spearman
from core.statistics.dawid_skene import dawid_skene
from core.statistics.paired import Paired, paired_difference
from core.statistics.prediction_powered import prediction_powered
from core.statistics.proportion import wilson
from core.statistics.roc import Roc, roc
from core.statistics.rogan_gladen import rogan_gladen
from core.statistics.sign import PositionBias, Sign, position_bias, sign_test
from core.statistics.threshold import Threshold, fit_threshold, half
from core.workbench import Workbench

PARTS = {"sentences": "Sentences", "helpful": "Helpful", "preference": "Preference"}
METHODS = {"mean": "Mean", "majority": "Majority", "adjudicated": "Adjudicated", "dawid_skene": "Dawid and Skene"}
QAGS = Path("qags") / "mturk_cnndm.jsonl"
HEAT = 30  # annotators in the heatmap
DISPUTED = 200
POINTS = 20  # of the curve of alpha
SIZES = (3, 2, 1)  # n-grams of the automatic measures
NOT_BY_ALL = "undefined: nothing was labelled by all annotators"
CATEGORIES = 20  # different numbers that can be taken as ordered categories


class Source(NamedTuple):
    """Labels of one study or file. digest: identity of just these labels."""

    name: str
    digest: str
    study: Study | None
    labels: tuple[Label, ...] = ()
    plain: Table | None = None  # of a file without a study
    command: str = ""  # that computes the agreement of these labels
    datasets: dict[str, str] = {}  # of items, where known

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in PARTS if part in self.study.ask) if self.study else ("sentences",)

    @property
    def rounds(self) -> tuple[str, ...]:
        """Rounds with labels in which annotators label side by side, the last one first."""
        there = {label.round for label in self.labels}
        return tuple(round for round in ("main", "pilot") if round in there)


# Sources -------------------------------------------------------------------------------------------------------------


def known_files() -> dict[str, Path]:
    """Name -> file or folder with labels: exports in annotations/, and QAGS among the local data sets."""
    found = {f"annotations/{path.parent.name}": path.parent for path in sorted(FOLDER.glob("*/study.json"))}
    if (folder := os.environ.get("GROUNDWORK_DATASETS", "")) and (Path(folder) / QAGS).is_file():
        found[QAGS.as_posix()] = Path(folder) / QAGS
    return found


def digest_of(workbench: Workbench, study_id: str) -> str:
    """Identity of a stored study's labels, without reading them."""
    here = workbench.store.labels.current(study_id).values()
    return _digest([annotation_lab.load(workbench, study_id).id, *sorted(one["id"] for one in here)])


def open_study(workbench: Workbench, study_id: str) -> Source:
    frozen = annotation_lab.load(workbench, study_id)
    labels = tuple(annotation_lab.labels(workbench, study_id))
    name = shlex.quote(study_id)
    command = f"python -m core annotate export {name} --folder {name}-labels && python -m core agreement {name}-labels"
    of = workbench.store.query("SELECT id, dataset FROM answers WHERE list_contains(?, id)",
                               [[item.responses[0].source for item in frozen.study.items]])  # fmt: skip
    by_answer = {row["id"]: row["dataset"] or "" for row in of}
    datasets = {item.id: by_answer.get(item.responses[0].source, "") for item in frozen.study.items}
    return Source(
        frozen.study.title or study_id, digest_of(workbench, study_id), frozen.study, labels, None, command, datasets
    )


def open_file(path: Path | str, name: str = "") -> Source:
    """Labels of a file that `read_file` reads."""
    found = annotation_lab.read_file(path)
    command = f"python -m core agreement {shlex.quote(str(path))}"
    name = name or Path(path).name
    if isinstance(found, Table):
        known = found.values.tobytes() + json.dumps([found.items, found.annotators, found.categories]).encode()
        return Source(name, hashlib.sha256(known).hexdigest(), None, plain=found, command=command)
    study, labels = found
    digest = _digest([study.model_dump_json(), *(label.model_dump_json() for label in labels)])
    systems = {one.system for item in study.items for one in item.responses}
    datasets = {item.id: item.stratum for item in study.items if item.stratum not in systems}
    return Source(name, digest, study, tuple(labels), None, command, datasets)


def open_upload(files: Sequence[tuple[str, bytes]]) -> Source:
    """The same from a browser: one file of labels, with the study.json of its export if it has one."""
    with tempfile.TemporaryDirectory() as folder:
        labels = []
        for number, (name, data) in enumerate(files):
            safe = re.sub(r"[^\w.-]", "_", Path(name).name).lstrip(".")[-80:] or f"labels-{number}"
            if _is_design(data):
                safe = "study.json"
            else:
                labels.append(safe)
            (Path(folder) / safe).write_bytes(data)
        if len(labels) != 1:
            raise WorkbenchError(f"There are {len(labels)} files of labels among these.",
                                 todo="Give one file of labels, and beside it the study.json that was exported with it.")  # fmt: skip
        try:
            return open_file(Path(folder) / labels[0])._replace(
                command=f"python -m core agreement {shlex.quote(labels[0])}"
            )
        except WorkbenchError as error:  # nobody knows the folder
            what, where = (text.replace(f"{folder}/", "") for text in (error.what, error.where))
            raise WorkbenchError(what, where=where, todo=error.todo) from None


def _is_design(data: bytes) -> bool:
    try:
        return data.lstrip()[:1] == b"{" and "design" in json.loads(data)
    except (ValueError, RecursionError):
        return False


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def levels(found: Table) -> tuple[str, ...]:
    """Levels of measurement that the labels can be read at, the usual one first."""
    if found.categories:
        return (found.level,) if found.level == "nominal" else (found.level, "nominal")
    distinct = np.unique(found.values[~np.isnan(found.values)])
    ratio = ("ratio",) if not len(distinct) or distinct[0] >= 0 else ()
    return ("interval", *ratio, *(("ordinal", "nominal") if len(distinct) <= CATEGORIES else ()))


def table_of(source: Source, part: str, round: str, level: str = "", duplicates: bool = False) -> Table:
    """The labels of one part and round as statistics take them, read at a level of measurement."""
    if source.study is None:
        found = source.plain
    else:
        given = [one for one in source.labels if one.round == round]
        found = table(source.study, given, part, duplicates=duplicates)
    if level in ("", found.level):
        return found
    if level not in levels(found):
        raise WorkbenchError(f"These labels cannot be read at the level '{level}'.",
                             todo=f"Levels: {', '.join(levels(found))}.")  # fmt: skip
    if found.categories or level == "ratio":
        return found._replace(level=level)
    distinct = np.unique(found.values[~np.isnan(found.values)])
    if part == "helpful":
        distinct = np.arange(1.0, 6.0)  # what the rubric offers, used or not
    codes = np.where(np.isnan(found.values), np.nan, np.searchsorted(distinct, found.values))
    return found._replace(values=codes, categories=tuple(f"{value:g}" for value in distinct), level=level)


def methods(source: Source, found: Table) -> list[str]:
    """Ways to a consensus that these labels allow."""
    ruled = ["adjudicated"] if any(one.round == "adjudication" for one in source.labels) else []
    return ["majority", *ruled, "dawid_skene"] if found.categories else ["mean", *ruled]


def command(source: Source, part: str, round: str) -> str:
    """The command line that computes the same coefficients."""
    options = f" --part {part}" if source.study and part != "sentences" else ""
    return source.command + options + (f" --round {round}" if len(source.rounds) > 1 else "")


def usual_positive(found: Table) -> tuple[str, ...]:
    """What counts as yes unless the reader says otherwise."""
    if not found.categories:
        return ("4",)
    return (
        tuple(name for name in found.categories if name in ("supported", "yes", "true", "1"))[:1]
        or found.categories[:1]
    )


# How far people agree ------------------------------------------------------------------------------------------------


class Overview(NamedTuple):
    measures: list[Agreement]  # alpha first
    words: dict[str, str]  # coefficient -> the word for its size
    sources: tuple[str, ...]  # of these words
    paradox: Paradox | None
    shares: list[tuple[str, int]]  # labels of each category
    units: int
    annotators: int
    labels: int


def overview(found: Table, resamples: int = 2000, seed: int = 0) -> Generator[Progress, None, Overview]:
    """Every coefficient that suits the labels, with its interval by bootstrap over units."""
    yield Progress(0, 1, f"{resamples:,} resamples of {len(found.items):,} units")
    number = len(found.categories) or None
    rows = [row._replace(note=NOT_BY_ALL) if row.name.startswith("ICC") and row.items == 0 else row
            for row in measures(found.values, found.level, number, resamples, seed=seed)]  # fmt: skip
    words = {row.name: word(row) for row in rows if word(row)}
    used = (KRIPPENDORFF, LANDIS_KOCH)[: 1 + any("kappa" in name or "AC" in name for name in words)] if words else ()
    shares = (
        list(zip(found.categories, map(int, counts(found.values, number).sum(axis=0)), strict=True)) if number else []
    )
    return Overview(rows, words, used, paradox(found.values, number) if number else None, shares, len(found.items),
                    len(found.annotators), int((~np.isnan(found.values)).sum()))  # fmt: skip


def word(row: Agreement) -> str:
    """The word for a coefficient's size, by the source that coined it; none for percent agreement and ICC."""
    if row.value is None:
        return ""
    if "alpha" in row.name:
        return krippendorff_words(row.value)
    return landis_koch(row.value) if any(name in row.name for name in ("kappa", "AC", "Brennan")) else ""


class Growing(NamedTuple):
    points: list[tuple[int, Agreement]]  # (labels so far, alpha then)
    rule: str  # of the study: all_labelled, alpha or half_width
    target: float
    stop_at: int | None  # labels at which the rule was met
    timed: bool  # False: in the order of the file


def growing(found: Table, stop: StopRule, resamples: int = 1000, seed: int = 0) -> Generator[Progress, None, Growing]:
    """Alpha as labels came in. The rule is looked at from 30 units with two labels on."""
    timed = is_timed(found)
    order = found.when if timed else np.arange(found.values.size, dtype=float).reshape(found.values.shape)
    total, points = int((~np.isnan(found.values)).sum()), []
    for step, labels in enumerate(np.unique(np.linspace(0, total, POINTS + 1).round().astype(int)[1:]).tolist()):
        yield Progress(step, POINTS, "Alpha as labels come in")
        points += growth(found.values, order, lambda v: alpha(v, found.level), checkpoints=[labels], resamples=resamples,
                         seed=seed).points  # fmt: skip
    met = {
        "alpha": lambda a: a.value is not None and a.value >= stop.value,
        "half_width": lambda a: a.low is not None and (a.high - a.low) / 2 <= stop.value,
        "all_labelled": lambda a: False,
    }[stop.kind]
    stop_at = next((labels for labels, one in points if one.items >= FEWEST and met(one)), None)
    return Growing(points, stop.kind, stop.value, stop_at, timed)


def is_timed(found: Table) -> bool:
    """Were these labels given one by one under a clock? A file that was imported whole only has the time of the import."""
    return found.seconds is not None and found.when is not None and not np.isnan(found.seconds).all()


# By annotator --------------------------------------------------------------------------------------------------------


class Person(NamedTuple):
    name: str
    labels: int
    left_out: LeftOut  # alpha of the others
    dissent: Dissent | None  # categories only
    ability: float | None  # Dawid and Skene
    self_agreement: Interval | None  # on hidden duplicates
    attention: Attention | None
    speed: Speed | None  # seconds an item
    drift: Drift | None  # where labels have times


class People(NamedTuple):
    rows: list[Person]
    alpha: float | None
    names: list[str]  # of the heatmap: those with the most labels
    matrix: np.ndarray  # [names, names], NaN where undefined
    shared: np.ndarray  # [names, names]: units in common
    coefficient: str  # in the heatmap
    twice: Interval | None  # self-agreement of all together
    timed: bool


def people(source: Source, part: str, round: str, found: Table) -> Generator[Progress, None, People]:
    """Each annotator beside the others."""
    number, level, names = len(found.categories), found.level, list(found.annotators)
    many = (~np.isnan(found.values)).sum(axis=0)
    yield Progress(0, 4, "Each annotator left out")
    alone = of_annotators.leave_one_out(found.values, lambda v: alpha(v, level))
    yield Progress(1, 4, "Pairs of annotators")
    top = sorted(np.argsort(-many, kind="stable")[:HEAT].tolist())
    matrix, shared, _ = of_annotators.pairwise(
        found.values[:, top], (lambda v: cohen(v, number)) if number else lambda v: alpha(v, level)
    )
    yield Progress(2, 4, "Abilities")
    against = of_annotators.dissent(found.values, number) if number else None
    ability = dawid_skene(found.values, number).ability if number else None
    yield Progress(3, 4, "Changes over time")
    timed = is_timed(found)
    drifts = drift(found.values, found.when, permutations=1999) if timed and number else None
    given = [one for one in source.labels if one.round == round]
    attended = attention_score(source.study, given) if source.study and part == "sentences" else {}
    clocked = [(one.annotator, one.seconds) for one in given if one.seconds is not None]
    speeds = (
        {one.annotator: one for one in of_annotators.speed(*map(list, zip(*clocked, strict=True)))} if clocked else {}
    )
    again = _twice(source, part, round, found.level)
    rows = [Person(name, int(many[i]), alone[i], against and against[i],
                   None if ability is None or np.isnan(ability[i]) else float(ability[i]), again.get(name),
                   attended.get(name), speeds.get(name), drifts and drifts[i]) for i, name in enumerate(names)]  # fmt: skip
    whole = estimate(alpha(found.values, level), resamples=0).value
    return People(rows, whole, [names[i] for i in top], matrix, shared, "Cohen's kappa" if number else "alpha",
                  again.get(None), timed)  # fmt: skip


def _twice(source: Source, part: str, round: str, level: str) -> dict[str | None, Interval]:
    """Annotator -> share of hidden duplicates labelled alike; None: all together."""
    if source.study is None:
        return {}
    both = table_of(source, part, round, level, duplicates=True)
    who, first, second = [], [], []
    for a, b in both.twins:
        for i in np.flatnonzero(~np.isnan(both.values[a]) & ~np.isnan(both.values[b])):
            who.append(both.annotators[i])
            first.append(both.values[a, i])
            second.append(both.values[b, i])
    if not who:
        return {}
    return {one.annotator: one.share for one in of_annotators.self_agreement(who, np.array(first), np.array(second))}


# By item -------------------------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """A sentence, answer or pair on which people differ."""

    place: int
    name: str
    item: str
    text: str
    spread: float  # entropy in bits; of numbers the standard deviation
    labels: list[tuple[str, str]]  # (annotator, label)


def most_disputed(found: Table, most: int = DISPUTED) -> list[Unit]:
    """The most disputed first."""
    if found.categories:
        chosen = [(one.item, one.entropy) for one in disputed(found.values, len(found.categories))]
    else:
        known = ~np.isnan(found.values)
        several = np.flatnonzero(known.sum(axis=1) > 1)
        deviation = np.nanstd(found.values[several], axis=1)
        order = np.argsort(-deviation, kind="stable")
        chosen = [(int(several[i]), float(deviation[i])) for i in order if deviation[i] > 0]
    return [Unit(i, found.items[i], found.item_ids[i], found.texts[i] if found.texts else "", spread, _said(found, i))
            for i, spread in chosen[:most]]  # fmt: skip


def _said(found: Table, row: int) -> list[tuple[str, str]]:
    values = found.values[row]
    return [(found.annotators[i], named(found, values[i])) for i in np.flatnonzero(~np.isnan(values))]


def named(found: Table, value: float) -> str:
    """A value in words; of a tie or a unit without labels nothing."""
    if np.isnan(value):
        return ""
    return found.categories[int(value)] if found.categories else f"{value:g}"


# Consensus and systems -----------------------------------------------------------------------------------------------


class Consensus(NamedTuple):
    """values [units]: one label each; NaN: a tie, or no label."""

    method: str
    values: np.ndarray
    ties: int
    adjudicated: int  # units that an adjudicator decided


def consensus(source: Source, part: str, found: Table, method: str = "majority") -> Consensus:
    """One label a unit. adjudicated: the adjudicator's label where there is one, else the majority; of numbers the mean."""
    number = len(found.categories)
    if method == "dawid_skene" and not number:
        raise WorkbenchError(
            "Dawid and Skene's model is of categories, not of numbers.", todo="Choose another consensus."
        )
    if method == "dawid_skene":
        values, ties = dawid_skene(found.values, number).labels, 0
    elif number:
        chosen = majority(found.values, number)
        values, ties = chosen.labels, chosen.ties
    else:
        total = (~np.isnan(found.values)).sum(axis=1)
        values, ties = divided(np.nansum(found.values, axis=1), total), 0
    decided = 0
    if method == "adjudicated" and source.study:
        last = table_of(source, part, "adjudication", found.level)
        rulings = dict(zip(last.items, last.values, strict=True))
        for row, name in enumerate(found.items):
            ruling = rulings.get(name, np.array([np.nan]))
            if not np.isnan(ruling).all():
                ties -= bool(np.isnan(values[row]))
                values[row], decided = ruling[~np.isnan(ruling)][-1], decided + 1
    return Consensus(method, values, max(ties, 0), decided)


def is_positive(found: Table, values: np.ndarray, positive: Sequence[str]) -> np.ndarray:
    """1 where a value counts as yes, 0 where not, NaN where there is none."""
    if found.categories:
        yes = np.isin(values, [found.categories.index(name) for name in positive if name in found.categories])
    else:
        yes = values >= float(positive[0])
    return np.where(np.isnan(values), np.nan, yes.astype(float))


class System(NamedTuple):
    name: str
    share: Interval  # of units that count as yes; of numbers the mean. Bootstrap over answers
    whole: Interval | None  # of answers all of whose sentences count as yes
    shares: dict[str, float]  # of each category
    answers: int


class Difference(NamedTuple):
    a: str
    b: str
    paired: Paired  # a - b over the questions that both answered
    p_holm: float | None


class Rates(NamedTuple):
    systems: list[System]
    differences: list[Difference]
    units: int
    undecided: int  # without a consensus
    by_mean: bool  # the labels are numbers


def rates(source: Source, part: str, found: Table, agreed: Consensus, positive: Sequence[str]) -> Rates:
    """Each system's rate of yes by the consensus, and pairs of systems on the questions they share."""
    by_mean = not found.categories
    value = agreed.values if by_mean else is_positive(found, agreed.values, positive)
    systems = np.array(found.systems or ("all",) * len(found.items), dtype=object)
    answers = np.array(_answers(found, part), dtype=object)
    names, rows, per_question = list(dict.fromkeys(systems)), [], {}
    for name in names:
        mine = (systems == name) & ~np.isnan(value)
        own, of = value[mine], answers[mine]
        ids, place = np.unique(of.astype(str), return_inverse=True)
        sums = np.column_stack([np.bincount(place, own, len(ids)), np.bincount(place, minlength=len(ids))]).astype(
            float
        )
        pooled = estimate(Coefficient("rate", sums, lambda s: divided(s[..., 0], s[..., 1]), len(ids), len(own)))
        share = Interval(pooled.value, pooled.low, pooled.high, len(own), int((systems == name).sum()), pooled.note)
        whole = wilson(int((sums[:, 0] == sums[:, 1]).sum()), len(ids)) if part == "sentences" and not by_mean else None
        each = Counter(named(found, v) for v in agreed.values[mine])
        shares = {} if by_mean or not len(own) else {c: each[c] / len(own) for c in found.categories}
        rows.append(System(str(name), share, whole, shares, len(ids)))
        per_question[name] = _by_question(source, found, mine, value)
    tested = []
    for a, b in combinations(names, 2):
        both = sorted(per_question[a].keys() & per_question[b].keys())
        if both:
            columns = [np.array([per_question[one][question] for question in both]) for one in (a, b)]
            tested.append((str(a), str(b), paired_difference(*columns)[0]))
    defined = [i for i, (_, _, one) in enumerate(tested) if one.p is not None]
    corrected = (
        dict(zip(defined, holm(np.array([tested[i][2].p for i in defined])).tolist(), strict=True)) if defined else {}
    )
    differences = [Difference(*row, corrected.get(i)) for i, row in enumerate(tested)]
    return Rates(rows, differences, len(value), int(np.isnan(value).sum()), by_mean)


def _answers(found: Table, part: str) -> list[str]:
    """The answer that each unit belongs to."""
    names = found.items
    return [name.rpartition("/")[0] for name in names] if part == "sentences" and found.texts else list(names)


def _by_question(source: Source, found: Table, mine: np.ndarray, value: np.ndarray) -> dict[str, float]:
    """Question -> mean over the system's units. Without a study no two units are known to share a question."""
    if source.study is None:
        return {}
    sums: dict[str, list[float]] = defaultdict(list)
    for row in np.flatnonzero(mine):
        sums[source.study.item(found.item_ids[row]).question].append(float(value[row]))
    return {question: float(np.mean(values)) for question, values in sums.items()}


class Duel(NamedTuple):
    a: str
    b: str
    sign: Sign  # wins are those of a


class Preferences(NamedTuple):
    duels: list[Duel]
    systems: list[str]
    strengths: BradleyTerry
    position: PositionBias  # over single labels: the first shown
    undecided: int


def preferences(source: Source, round: str, found: Table, agreed: Consensus) -> Preferences:
    """A/B: which system's answers people prefer, by the consensus of each pair; and whether place on the screen matters."""
    pairs = [tuple(name.split(" | ")) for name in found.systems]
    names = sorted({name for pair in pairs for name in pair})
    better = 1 - agreed.values  # codes a, tie, b -> +1, 0, -1
    by_duel: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (a, b), value in zip(pairs, better, strict=True):
        by_duel[min(a, b), max(a, b)].append(value if a < b else -value)
    known = ~np.isnan(better)
    place = {name: i for i, name in enumerate(names)}
    chosen = np.flatnonzero(known)
    model = bradley_terry(np.array([found.item_ids[i] for i in chosen]), np.array([place[pairs[i][0]] for i in chosen], int),
                          np.array([place[pairs[i][1]] for i in chosen], int), (better[chosen] + 1) / 2, len(names))  # fmt: skip
    first = [np.nan if one.preference == "tie" else float(PREFERENCES.index(one.preference) // 2 == one.order[0])
             for one in source.labels if one.round == round and one.preference and one.order]  # fmt: skip
    return Preferences([Duel(a, b, sign_test(np.array(values))) for (a, b), values in by_duel.items()], names, model,
                       position_bias(np.array(first)), int((~known).sum()))  # fmt: skip


# People against machines ---------------------------------------------------------------------------------------------


class Machine(NamedTuple):
    """An automatic measure: a score from 0 to 1 of each unit, NaN where it has none."""

    name: str
    scores: np.ndarray  # [units]


def machines(source: Source, part: str, found: Table) -> Generator[Progress, None, list[Machine]]:
    """What can be computed of the labelled answers by words alone: n-gram containment in their passages."""
    if source.study is None or part == "preference":
        return []
    rows: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)  # answer -> (row, sentence)
    for row, name in enumerate(found.items):
        answer, _, last = name.rpartition("/") if part == "sentences" else (name, "", "1")
        rows[found.item_ids[row], int(answer.endswith("/B"))].append((row, int(last) - 1))
    scores = {n: np.full(len(found.items), np.nan) for n in SIZES}
    for done, ((item, response), places) in enumerate(rows.items()):
        if done % 20 == 0:
            yield Progress(done, len(rows), "Words shared with the passages")
        one = source.study.item(item).responses[response]
        if not one.passages:
            continue
        texts, passages = [one.text[a:b] for a, b in one.sentences], [passage.text for passage in one.passages]
        for n in SIZES:
            each = containments(texts, passages, n)
            for row, sentence in places:
                scores[n][row] = each[sentence] if part == "sentences" else np.mean(each) if each else np.nan
    return [Machine(f"{n}-gram containment", scores[n]) for n in SIZES if not np.isnan(scores[n]).all()]


def read_scores(text: str, found: Table, name: str) -> Machine:
    """A judge's scores from a CSV with the columns unit and score; units are named as in the table of units."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if not {"unit", "score"} <= set(reader.fieldnames or ()):
        raise WorkbenchError(
            "The file has no columns unit and score.", where=f"{name}:1", todo="Take the table of units as a start."
        )
    place, scores = {unit: row for row, unit in enumerate(found.items)}, np.full(len(found.items), np.nan)
    for row in reader:
        where = f"{name}:{reader.line_num}"
        if row["unit"] not in place:
            raise WorkbenchError(f"There is no unit '{row['unit']}' among these labels.", where=where)
        if not (row["score"] or "").strip():
            continue
        try:
            score = float(row["score"])
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1:  # NaN included
            raise WorkbenchError(f"'{row['score']}' is no score from 0 to 1.", where=where)
        scores[place[row["unit"]]] = score
    return Machine(Path(name).stem, scores)


class Group(NamedTuple):
    kind: str  # system, or dataset
    name: str
    n: int
    pearson: Agreement
    auc: Interval


class Against(NamedTuple):
    """One machine against people, over sentences or whole answers."""

    name: str
    n: int
    roc: Roc
    calibration: Calibration
    pearson: Agreement
    spearman: Agreement
    error: Interval  # mean absolute, on the scale 0 to 1
    threshold: Threshold  # fitted on one half, all its shares of the other
    groups: list[Group]


class Judged(NamedTuple):
    """All machines against people. positive: what people said yes to; score: the same as a share."""

    machines: list[Against]
    whole: bool  # units are whole answers
    n: int
    baseline: Interval  # always the more frequent verdict
    ceiling: Agreement  # a person against the majority of the others
    ceiling_pearson: Agreement


class Facing(NamedTuple):
    """People's judgement and machines' scores of the same units."""

    human: np.ndarray  # [units]: share of yes, 0 to 1
    positive: np.ndarray  # [units]: 1, 0
    people: np.ndarray  # [units, annotators]: the same of each person, NaN = missing
    scores: list[Machine]
    systems: list[str]
    datasets: list[str]


def facing(source: Source, part: str, found: Table, agreed: Consensus, positive: Sequence[str], scores: Sequence[Machine],
           whole: bool) -> Facing:  # fmt: skip
    """whole: of answers instead of sentences: the share of its sentences that are yes; yes if all of them are."""
    yes, each = is_positive(found, agreed.values, positive), is_positive(found, found.values, positive)
    systems = list(found.systems or ("all",) * len(yes))
    datasets = [source.datasets.get(item, "") for item in found.item_ids]
    if not whole or part != "sentences":
        human = (agreed.values - 1) / 4 if part == "helpful" and not found.categories else yes  # stars as a share
        return Facing(human, yes, each, list(scores), systems, datasets)
    answers = _answers(found, part)
    ids = list(dict.fromkeys(answers))
    places: dict[str, list[int]] = defaultdict(list)
    for row, id in enumerate(answers):
        places[id].append(row)
    rows = [np.array(places[id]) for id in ids]
    # an answer counts only if all of its labelled sentences have a consensus
    human = np.array([yes[r].mean() for r in rows])
    persons = np.array([each[r].mean(axis=0) for r in rows])  # NaN where the person left a sentence out
    return Facing(human, np.where(np.isnan(human), np.nan, (human == 1).astype(float)), persons,
                  [Machine(one.name, np.array([one.scores[r].mean() for r in rows])) for one in scores],
                  [systems[r[0]] for r in rows], [datasets[r[0]] for r in rows])  # fmt: skip


def judge(given: Facing, whole: bool, resamples: int = 1000, seed: int = 0) -> Generator[Progress, None, Judged]:
    """Each machine against the consensus, with what a person and what mere guessing reach."""
    found = []
    for done, one in enumerate(given.scores):
        yield Progress(done, len(given.scores) + 1, one.name)
        found.append(_against(one, given, resamples, seed))
    yield Progress(len(given.scores), len(given.scores) + 1, "A person against the others")
    verdicts = np.where(np.isnan(given.people), np.nan, (given.people == 1).astype(float))
    return Judged(found, whole, int((~np.isnan(given.positive)).sum()), majority_baseline(given.positive),
                  ceiling(verdicts, 2, resamples, seed=seed).share, ceiling_pearson(given.people, resamples, seed=seed))  # fmt: skip


def _against(one: Machine, given: Facing, resamples: int, seed: int) -> Against:
    known = ~(np.isnan(one.scores) | np.isnan(given.human))
    scores, human, positive = one.scores[known], given.human[known], given.positive[known]
    groups = []
    for kind, names in (("system", given.systems), ("dataset", given.datasets)):
        of = np.array(names, dtype=object)[known]
        if len(set(of)) > 1:
            for name in dict.fromkeys(of):
                r = of == name
                groups.append(Group(kind, str(name), int(r.sum()), pearson(scores[r], human[r], resamples, seed=seed),
                                    roc(scores[r], positive[r]).auc))  # fmt: skip
    return Against(one.name, int(known.sum()), roc(scores, positive), calibration(scores, positive, resamples=resamples, seed=seed),
                   pearson(scores, human, resamples, seed=seed), spearman(scores, human),
                   mean_absolute_error(scores, human, resamples, seed=seed), fit_threshold(scores, positive, seed=seed),
                   groups)  # fmt: skip


class Headline(NamedTuple):
    """The share of wholly faithful answers among all: few judged by people, all by a machine."""

    machine: str
    methods: list[Corrected]
    threshold: float | None
    truth: float | None  # by people, where they judged all
    n_human: int
    n_machine: int


def unjudged(workbench: Workbench, source: Source) -> Generator[Progress, None, list[Machine]]:
    """The machines' mean scores of the stored answers of the study's systems that are not in the study."""
    if source.study is None:
        return []
    yield Progress(0, 0, "Stored answers that nobody judged")
    inside = {one.source for item in source.study.items for one in item.responses}
    systems = {one.system for item in source.study.items if not item.attention for one in item.responses}
    others = [one for one in annotation_lab.candidates(workbench)
              if one.system in systems and one.source not in inside and one.passages]  # fmt: skip
    scores: dict[int, list[float]] = {n: [] for n in SIZES}
    for done, one in enumerate(others):
        if done % 20 == 0:
            yield Progress(done, len(others), "Stored answers that nobody judged")
        texts = [one.text[a:b] for a, b in sentences(one.text)]
        for n in SIZES:
            each = containments(texts, [passage.text for passage in one.passages], n)
            scores[n].append(float(np.mean(each)) if each else 0.0)
    return [Machine(f"{n}-gram containment", np.array(scores[n])) for n in SIZES] if others else []


def headline(given: Facing, machine: str, n_human: int, others: Sequence[Machine] = (), seed: int = 0) -> Headline:
    """The faithful share of all answers. Without answers that people left out, `n_human` of the judged ones are drawn and the
    people's labels of the rest are hidden, so that the estimates stand beside the truth.

    Rogan and Gladen's needs a verdict: the threshold is fitted on half of the human labels, and its sensitivity and
    specificity are taken from the other half alone.
    """
    scores = next(one.scores for one in given.scores if one.name == machine)
    known = np.flatnonzero(~(np.isnan(scores) | np.isnan(given.positive)))
    rest = next((one.scores for one in others if one.name == machine), None)
    truth = None
    if rest is None:
        known = np.random.default_rng(seed).permutation(known)
        chosen, hidden = known[:n_human], known[n_human:]
        rest, truth = scores[hidden], float(given.positive[known].mean()) if len(known) else None
    else:
        chosen = known
    score, human = scores[chosen], given.positive[chosen]
    methods, cut = [prediction_powered(rest, score, human, seed=seed)], fit_threshold(score, human, seed=seed)
    if cut.threshold is None:
        return Headline(machine, methods, None, truth, len(chosen), len(rest))
    second = ~half(human, seed)
    methods.append(
        rogan_gladen((rest > cut.threshold).astype(float), (score[second] > cut.threshold).astype(float), human[second])
    )
    return Headline(machine, methods, cut.threshold, truth, len(chosen), len(rest))
