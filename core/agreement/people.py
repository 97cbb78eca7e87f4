"""The verbs behind the page Agreement: what a study's labels, or a file of labels, say of annotators, items and systems.

A Source is labels with what is known of them. Nothing here changes a label; every result is frozen and belongs to the
source's digest, under which a page may keep it. Adjudicated labels never count as annotators: they only decide the consensus.

Units are what is labelled: sentences, answers, pairs. Items are what was drawn into the study, one on a screen. Sentences of one
answer depend on each other, so every interval draws items, with all units of each (`groups`). Machines: core.agreement.machines.
"""

import hashlib
import json
import os
import re
import shlex
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.annotation import exports as annotation_files
from core.annotation import studies as annotation_lab
from core.annotation.labels import PREFERENCES, Attention, Label, Table, attention_score, table
from core.annotation.study import CANNOT, FOLDER, Item, StopRule, Study
from core.errors import WorkbenchError
from core.records import Progress
from core.statistics.agreement import annotators as of_annotators
from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.annotators import Dissent, LeftOut, Speed
from core.statistics.agreement.coefficient import Agreement, divided, estimate
from core.statistics.agreement.disputed import disputed
from core.statistics.agreement.drift import Drift, drift
from core.statistics.agreement.growth import RESAMPLES, growth, met
from core.statistics.agreement.kappa import cohen
from core.statistics.agreement.measures import Paradox, measures, paradox
from core.statistics.agreement.ratings import counts
from core.statistics.agreement.words import KRIPPENDORFF, LANDIS_KOCH, krippendorff_words, landis_koch
from core.statistics.bootstrap import Interval, mean_interval, numbered
from core.statistics.bradley_terry import BradleyTerry, bradley_terry
from core.statistics.consensus import majority
from core.statistics.corrections import holm
from core.statistics.dawid_skene import TWO, dawid_skene, identified
from core.statistics.paired import Paired
from core.statistics.proportion import wilson, wilson_grouped
from core.statistics.shares import share_difference
from core.statistics.sign import PositionBias, Sign, position_bias, sign_test
from core.workbench import Workbench

PARTS = {"sentences": "Sentences", "helpful": "Helpful", "preference": "Preference"}
METHODS = {"mean": "Mean", "majority": "Majority", "adjudicated": "Adjudicated", "dawid_skene": "Dawid and Skene"}
QAGS = Path("qags") / "mturk_cnndm.jsonl"
HEAT = 30  # annotators in the heatmap
DISPUTED = 200
POINTS = 20  # of the curve of alpha
NO_DAWID_SKENE, OTHER = f"Dawid and Skene's model has no estimate: {TWO}.", "Choose another consensus."
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

    @property
    def ruled(self) -> bool:
        """Has somebody decided what annotators differed in?"""
        return any(label.round == "adjudication" for label in self.labels)


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
    command = f"python -m core agreement {name}"
    of = workbench.store.query(
        "SELECT id, dataset FROM answers WHERE list_contains(?, id)", [[item.responses[0].source for item in frozen.study.items]]
    )
    by_answer = {row["id"]: row["dataset"] or "" for row in of}
    datasets = {item.id: by_answer.get(item.responses[0].source, "") for item in frozen.study.items}
    return Source(frozen.study.title or study_id, digest_of(workbench, study_id), frozen.study, labels, None, command, datasets)


def open_file(path: Path | str, name: str = "") -> Source:
    """Labels of a file that `read_file` reads."""
    found = annotation_files.read_file(path)
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
            raise WorkbenchError(
                f"There are {len(labels)} files of labels among these.",
                todo="Give one file of labels, and beside it the study.json that was exported with it.",
            )
        try:
            return open_file(Path(folder) / labels[0])._replace(command=f"python -m core agreement {shlex.quote(labels[0])}")
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
        raise WorkbenchError(f"These labels cannot be read at the level '{level}'.", todo=f"Levels: {', '.join(levels(found))}.")
    if found.categories or level == "ratio":
        return found._replace(level=level)
    distinct = np.unique(found.values[~np.isnan(found.values)])
    if part == "helpful":
        distinct = np.arange(1.0, 6.0)  # what the rubric offers, used or not
    elif level == "ordinal" and (distinct == np.floor(distinct)).all() and np.ptp(distinct) < CATEGORIES:
        distinct = np.arange(distinct[0], distinct[-1] + 1)  # a step that nobody used is a step still
    codes = np.where(np.isnan(found.values), np.nan, np.searchsorted(distinct, found.values))
    return found._replace(values=codes, categories=tuple(f"{value:g}" for value in distinct), level=level)


def groups(found: Table) -> np.ndarray:
    """[units]: the number of each unit's item. Without items each unit is one."""
    return numbered(found.item_ids or range(len(found.items)))


def drawn(study: Study | None, number: int) -> str:
    """What a resample draws, in words."""
    what = "item" if study is None else "answer" if study.kind == "rating" else "pair"
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def methods(source: Source, found: Table) -> list[str]:
    """Ways to a consensus that these labels allow, the usual one first: what was decided counts as soon as it is there."""
    ruled = {one.item for one in source.labels if one.round == "adjudication"}
    decided = ["adjudicated"] if ruled & set(found.item_ids) else []
    if not found.categories:
        return [*decided, "mean"]
    return [*decided, "majority", *(["dawid_skene"] if identified(found.values) else [])]


def usual_positive(found: Table) -> tuple[str, ...]:
    """What counts as yes unless the reader says otherwise: of numbers 4 and more, or the largest."""
    if not found.categories:
        known = found.values[~np.isnan(found.values)]
        return (f"{min(4.0, known.max(initial=-np.inf)) if len(known) else 4.0:g}",)
    try:
        numbers = {name: float(name) for name in found.categories}
    except ValueError:
        named = [name for name in found.categories if name.lower() in ("supported", "yes", "true")]
        return tuple(named[:1]) or found.categories[:1]
    return tuple(name for name, value in numbers.items() if value >= min(4.0, max(numbers.values())))


class View(NamedTuple):
    """Labels, and how they are read."""

    source: Source
    part: str
    round: str
    found: Table
    method: str  # of the consensus
    positive: tuple[str, ...]  # labels that count as yes
    level: str = ""  # of measurement, where it is not the usual one

    @property
    def units(self) -> str:
        """What is labelled, in words."""
        return {"sentences": "sentences" if self.found.texts else "items", "helpful": "answers", "preference": "pairs"}[self.part]

    def command(self, *options: str) -> str:
        """The command line that computes the same; options: of what beside the coefficients."""
        source = self.source
        chosen = {
            "--part": [self.part] if self.part != source.parts[0] else [],
            "--round": [self.round] if len(source.rounds) > 1 else [],
            "--level": [self.level] if self.level else [],
            "--consensus": [self.method] if self.method != methods(source, self.found)[0] else [],
            "--yes": self.positive if self.part != "preference" and self.positive != usual_positive(self.found) else [],
        }
        told = [f"{name} {shlex.quote(value)}" for name, values in chosen.items() for value in values]
        return " ".join([source.command, *told, *options])


def read(
    source: Source, part: str = "", round: str = "", level: str = "", method: str = "", positive: Sequence[str] = ()
) -> View:
    """The labels as they are asked for, or as the page shows them at first."""
    part, rounds = _one("part", part, source.parts), source.rounds
    if source.study is not None and not rounds:
        raise WorkbenchError("Nobody has labelled anything in this study yet.", where=source.name)
    round = _one("round", round, (*rounds, *(["adjudication"] if source.ruled else [])) or ("",))
    found = table_of(source, part, round, level)
    if method == "dawid_skene" and found.categories and not identified(found.values):
        raise WorkbenchError(NO_DAWID_SKENE, todo=OTHER)
    method = _one("consensus", method, methods(source, found))
    for name in positive:
        _one("label", name, found.categories or (name,))
    try:
        [float(name) for name in positive if not found.categories]
    except ValueError:
        raise WorkbenchError(f"'{positive[0]}' is no number, and these labels are numbers.") from None
    return View(source, part, round, found, method, tuple(positive) or usual_positive(found), level)


def _one(what: str, asked: str, there: Sequence[str]) -> str:
    if asked and asked not in there:
        raise WorkbenchError(
            f"The labels have no {what} '{asked}'.", todo=f"There is {', '.join(filter(None, there)) or 'none'}."
        )
    return asked or there[0]


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
    items: int  # that resamples draw


def overview(found: Table, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, Overview]:
    """Every coefficient that suits the labels, with its interval by bootstrap over items."""
    of = groups(found)
    yield Progress(0, 1, f"{resamples:,} resamples of {len(set(of)):,} items")
    number = len(found.categories) or None
    rows = measures(found.values, found.level, number, resamples, seed=seed, groups=of)
    words = {row.name: word(row) for row in rows if word(row)}
    used = (KRIPPENDORFF, LANDIS_KOCH)[: 1 + any("kappa" in name or "AC" in name for name in words)] if words else ()
    shares = list(zip(found.categories, map(int, counts(found.values, number).sum(axis=0)), strict=True)) if number else []
    return Overview(
        rows,
        words,
        used,
        paradox(found.values, number) if number else None,
        shares,
        len(found.items),
        len(found.annotators),
        int((~np.isnan(found.values)).sum()),
        len(set(of)),
    )


def word(row: Agreement) -> str:
    """What a coefficient's size means: the word of the value, and of its interval where that spans several."""
    reach = reaches(row)
    return f"{word_of(row)}; its interval reaches from {reach}" if reach else word_of(row)


def word_of(row: Agreement) -> str:
    """The word for the value alone, by the source that coined it; "" for percent agreement and ICC."""
    if row.value is None or not any(name in row.name for name in ("alpha", "kappa", "AC", "Brennan")):
        return ""
    return _scale(row)(row.value)


def reaches(row: Agreement) -> str:
    """The words of both ends of the interval; "" where they are one."""
    if not word_of(row) or row.low is None or _scale(row)(row.low) == _scale(row)(row.high):
        return ""
    ends = [_scale(row)(bound).removesuffix(" enough to draw conclusions") for bound in (row.low, row.high)]
    return " to ".join(end.removesuffix(" conclusions only") for end in ends)


def _scale(row: Agreement) -> Callable[[float], str]:
    return krippendorff_words if "alpha" in row.name else landis_koch


class Growing(NamedTuple):
    points: list[tuple[int, Agreement]]  # (labels so far, alpha then)
    rule: str  # of the study: all_labelled, alpha or half_width
    target: float
    stop_at: int | None  # labels at which the rule was met
    timed: bool  # False: in the order of the file


def growing(found: Table, stop: StopRule, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, Growing]:
    """Alpha as labels came in. The rule is looked at from 30 items with two labels on."""
    timed = is_timed(found)
    order = found.when if timed else np.arange(found.values.size, dtype=float).reshape(found.values.shape)
    points = []
    for point in growth(found.values, order, lambda v: alpha(v, found.level), POINTS, resamples, seed=seed, groups=groups(found)):
        yield Progress(len(points), POINTS, "Alpha as labels come in")
        points.append(point)
    stop_at = next((labels for labels, one in points if met(stop.kind, stop.value, one)), None)
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
    against = of_annotators.dissent(found.values, number, groups(found)) if number else None
    ability = dawid_skene(found.values, number).ability if number and identified(found.values) else None
    yield Progress(3, 4, "Changes over time")
    timed = is_timed(found)
    drifts = drift(found.values, found.when, permutations=1999, groups=groups(found)) if timed and number else None
    given = [one for one in source.labels if one.round == round]
    attended = attention_score(source.study, given) if source.study and part == "sentences" else {}
    pace = speeds(given)
    again = _twice(source, part, round, found.level)
    rows = [
        Person(
            name,
            int(many[i]),
            alone[i],
            against and against[i],
            None if ability is None or np.isnan(ability[i]) else float(ability[i]),
            again.get(name),
            attended.get(name),
            pace.get(name),
            drifts and drifts[i],
        )
        for i, name in enumerate(names)
    ]
    whole = estimate(alpha(found.values, level), resamples=0).value
    return People(
        rows, whole, [names[i] for i in top], matrix, shared, "Cohen's kappa" if number else "alpha", again.get(None), timed
    )


def speeds(given: Iterable[Label]) -> dict[str, Speed]:
    """Annotator -> seconds an item, of labels that were given under a clock."""
    clocked = [(one.annotator, one.seconds) for one in given if one.seconds is not None]
    return {one.annotator: one for one in of_annotators.speed(*map(list, zip(*clocked, strict=True)))} if clocked else {}


def _twice(source: Source, part: str, round: str, level: str) -> dict[str | None, Interval]:
    """Annotator -> share of hidden duplicates labelled alike; None: all together."""
    if source.study is None:
        return {}
    both = table_of(source, part, round, level, duplicates=True)
    who, first, second, of, items = [], [], [], [], groups(both)
    for a, b in both.twins:
        for i in np.flatnonzero(~np.isnan(both.values[a]) & ~np.isnan(both.values[b])):
            who.append(both.annotators[i])
            first.append(both.values[a, i])
            second.append(both.values[b, i])
            of.append(items[a])
    if not who:
        return {}
    found = of_annotators.self_agreement(who, np.array(first), np.array(second), np.array(of))
    return {one.annotator: one.share for one in found}


# What nobody could judge ---------------------------------------------------------------------------------------------


def cannot_judge(source: Source, part: str, round: str) -> dict[str, tuple[str, ...]]:
    """Unit -> who said that it cannot be judged. Such a label is missing in every coefficient and share."""
    found: dict[str, list[str]] = defaultdict(list)
    for label in source.labels if source.study else ():
        if label.round != round or label.withdrawn or not source.study.has(label.item):
            continue
        if (item := source.study.item(label.item)).plain:
            for name, said in _said_of(item, label, part):
                if label.cannot_judge or said == CANNOT:
                    found[name].append(label.annotator)
    return {name: tuple(dict.fromkeys(who)) for name, who in found.items()}


def _said_of(item: Item, label: Label, part: str) -> Iterator[tuple[str, str | None]]:
    """Each unit of an item, and the sentence label that it was given."""
    if part == "preference":
        yield item.id, None
        return
    for place, response in enumerate(item.responses):
        name = f"{item.id}/{'AB'[place]}" if len(item.responses) == 2 else item.id
        if part == "helpful":
            yield name, None
            continue
        given = label.sentences[place] if place < len(label.sentences) else ()
        for number in range(len(response.sentences)):
            yield f"{name}/{number + 1}", given[number] if number < len(given) else None


def judged_by_nobody(found: Table, cannot: Mapping[str, Sequence[str]]) -> int:
    """Units of which all who saw them said that they cannot be judged."""
    return len(cannot.keys() - set(found.items))


def _with_cannot(found: Table, cannot: Mapping[str, Sequence[str]]) -> Table:
    """The labels with "cannot judge" as a category of its own, beside those who judged the same unit."""
    rows = {name: row for row, name in enumerate(found.items) if name in cannot}
    people = tuple(dict.fromkeys((*found.annotators, *(who for name in rows for who in cannot[name]))))
    values = np.full((len(found.items), len(people)), np.nan)
    values[:, : len(found.annotators)] = found.values
    for name, row in rows.items():
        values[row, [people.index(who) for who in cannot[name]]] = len(found.categories)
    return found._replace(values=values, annotators=people, categories=(*found.categories, CANNOT))


# By item -------------------------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """A sentence, answer or pair on which people differ."""

    place: int
    name: str
    item: str
    text: str
    spread: float  # entropy in bits; of numbers the standard deviation
    labels: list[tuple[str, str]]  # (annotator, label)


def most_disputed(found: Table, most: int = DISPUTED, cannot: Mapping[str, Sequence[str]] | None = None) -> list[Unit]:
    """The most disputed first. cannot: as `cannot_judge` says; a label against "cannot judge" is a dispute as well."""
    cannot, more = cannot or {}, {}
    if found.categories:
        found = _with_cannot(found, cannot) if cannot else found
        chosen = [(one.item, one.entropy) for one in disputed(found.values, len(found.categories))]
    else:
        known = ~np.isnan(found.values)
        several = np.flatnonzero(known.any(axis=1))
        deviation = np.nanstd(found.values[several], axis=1)
        more = {row: [(who, CANNOT) for who in cannot[name]] for row, name in enumerate(found.items) if name in cannot}
        order = np.argsort(-deviation, kind="stable")
        chosen = [(int(several[i]), float(deviation[i])) for i in order if deviation[i] > 0 or int(several[i]) in more]
    return [
        Unit(
            i,
            found.items[i],
            found.item_ids[i],
            found.texts[i] if found.texts else "",
            spread,
            [*_said(found, i), *more.get(i, ())],
        )
        for i, spread in chosen[:most]
    ]


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
    adjudicated: int  # units that an adjudicator decided: people differed in them, or the adjudicator from all of them


def consensus(source: Source, part: str, found: Table, method: str = "majority") -> Consensus:
    """One label a unit. adjudicated: the adjudicator's label where there is one, else the majority; of numbers the mean."""
    number = len(found.categories)
    if method == "dawid_skene" and not number:
        raise WorkbenchError("Dawid and Skene's model is of categories, not of numbers.", todo=OTHER)
    if method == "dawid_skene" and not identified(found.values):
        raise WorkbenchError(NO_DAWID_SKENE, todo=OTHER)
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
        last, cannot = table_of(source, part, "adjudication", found.level), cannot_judge(source, part, "main")
        rulings = dict(zip(last.items, last.values, strict=True))
        for row, name in enumerate(found.items):
            ruling = rulings.get(name, np.array([np.nan]))
            if not np.isnan(ruling).all():
                ties -= bool(np.isnan(values[row]))
                given = {*found.values[row][~np.isnan(found.values[row])], last_word := ruling[~np.isnan(ruling)][-1]}
                values[row], decided = last_word, decided + (len(given) > 1 or name in cannot)
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
    share: Interval  # of units that count as yes; of numbers the mean. Of the effective number, or bootstrap over answers
    bounds: tuple[float, float] | None  # of the share, were all units without a consensus no, or yes
    whole: Interval | None  # of answers all of whose sentences count as yes; total: with those that are undecided
    shares: dict[str, float]  # of each category
    answers: int


class Difference(NamedTuple):
    a: str
    b: str
    paired: Paired  # a - b: of the two shares, each unit counting the same; drawn by question
    p_holm: float | None


class Rates(NamedTuple):
    systems: list[System]
    differences: list[Difference]
    units: int
    undecided: int  # without a consensus
    by_mean: bool  # the labels are numbers


def rates(source: Source, part: str, found: Table, agreed: Consensus, positive: Sequence[str]) -> Rates:
    """Each system's rate of yes by the consensus, and pairs of systems: the differences of just these rates."""
    by_mean = not found.categories
    value = agreed.values if by_mean else is_positive(found, agreed.values, positive)
    systems = np.array(found.systems or ("all",) * len(found.items), dtype=object)
    answers, of = answers_of(source, found, part), np.zeros(len(value), int)
    for place, (units, _) in enumerate(answers.values()):
        of[units] = place
    names, rows, asked = list(dict.fromkeys(systems)), [], questions_of(source, found)
    for name in names:
        all_of = systems == name
        mine = all_of & ~np.isnan(value)
        own, total = value[mine], int(all_of.sum())
        share = mean_interval(own, of[mine], 2000) if by_mean else wilson_grouped(own, of[mine])
        bounds = None if by_mean else (float(own.sum() / total), float((own.sum() + total - len(own)) / total))
        verdicts = np.array([share_of_yes(value, units, number) for units, number in answers.values() if all_of[units[0]]])
        known = verdicts[~np.isnan(verdicts)]
        whole = (
            wilson(int((known == 1).sum()), len(known))._replace(total=len(verdicts))
            if part == "sentences" and not by_mean
            else None
        )
        each = Counter(named(found, v) for v in agreed.values[mine])
        shares = {} if by_mean or not len(own) else {c: each[c] / len(own) for c in found.categories}
        rows.append(System(str(name), share._replace(total=total), bounds, whole, shares, len(verdicts)))
    tested = [
        (str(a), str(b), difference(value, systems == a, systems == b, asked))
        for a, b in combinations(names, 2)
        if source.study is not None
    ]
    defined = [i for i, (_, _, one) in enumerate(tested) if one.p is not None]
    corrected = dict(zip(defined, holm(np.array([tested[i][2].p for i in defined])).tolist(), strict=True)) if defined else {}
    differences = [Difference(*row, corrected.get(i)) for i, row in enumerate(tested)]
    return Rates(rows, differences, len(value), int(np.isnan(value).sum()), by_mean)


def answers_of(source: Source, found: Table, part: str) -> dict[str, tuple[np.ndarray, int]]:
    """Answer -> (its units, how many there are with those that nobody judged)."""
    places: dict[str, list[int]] = defaultdict(list)
    if source.study is None or part != "sentences":
        return {name: (np.array([row]), 1) for row, name in enumerate(found.items)}
    for row, name in enumerate(found.items):
        places[name.rpartition("/")[0]].append(row)
    return {
        name: (np.array(rows), len(source.study.item(found.item_ids[rows[0]]).responses[name.endswith("/B")].sentences))
        for name, rows in places.items()
    }


def share_of_yes(yes: np.ndarray, units: np.ndarray, number: int) -> float:
    """Share of an answer's sentences that are yes; NaN where one has no verdict: it is tied, or nobody judged it."""
    return float(yes[units].mean()) if len(units) == number else np.nan


def questions_of(source: Source, found: Table) -> np.ndarray:
    """[units]: the question of each. Without a study no two units are known to share one."""
    known = [source.study.item(id).question for id in found.item_ids] if source.study else found.items
    return np.array(known, dtype=object)


def difference(value: np.ndarray, mine: np.ndarray, other: np.ndarray, asked: np.ndarray, confidence: float = 0.95) -> Paired:
    """The share of the units of one system less that of another, each unit counting the same; the page's only difference of two
    systems. NaN is left out."""
    first, second = mine & ~np.isnan(value), other & ~np.isnan(value)
    return share_difference(value[first], asked[first], value[second], asked[second], confidence=confidence)


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
    model = bradley_terry(
        np.array([found.item_ids[i] for i in chosen]),
        np.array([place[pairs[i][0]] for i in chosen], int),
        np.array([place[pairs[i][1]] for i in chosen], int),
        (better[chosen] + 1) / 2,
        len(names),
    )
    first = [
        np.nan if one.preference == "tie" else float(PREFERENCES.index(one.preference) // 2 == one.order[0])
        for one in source.labels
        if one.round == round and one.preference and one.order
    ]
    return Preferences(
        [Duel(a, b, sign_test(np.array(values))) for (a, b), values in by_duel.items()],
        names,
        model,
        position_bias(np.array(first)),
        int((~known).sum()),
    )
