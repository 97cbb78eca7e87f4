"""People against machines: how good an automatic measure or a judge is beside a person."""

import csv
import io
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.agreement.consensus import AgreedLabels, is_positive
from core.agreement.sources import LabelSource, groups
from core.agreement.systems import answers_of, share_of_yes
from core.annotation.drawing import drawn_by
from core.annotation.label_table import LabelTable
from core.annotation.study import Passage
from core.errors import WorkbenchError
from core.judging.containment import containments
from core.records import Progress
from core.statistics.agreement.coefficient import Agreement
from core.statistics.agreement.growth import RESAMPLES
from core.statistics.bootstrap import Interval
from core.statistics.calibration import Calibration, calibration
from core.statistics.ceiling import Beside, beside, beside_pearson, ceiling, ceiling_pearson, majority_baseline
from core.statistics.correlation import mean_absolute_error, pearson, spearman
from core.statistics.roc import Roc, roc
from core.statistics.threshold import Threshold, fit_threshold, half

SIZES = (3, 2, 1)  # n-grams of the automatic measures
MANY = 500  # units from which calibration has ten bins


class Machine(NamedTuple):
    """An automatic measure: a score from 0 to 1 of each unit, NaN where it has none."""

    name: str
    scores: np.ndarray  # [units]
    more: np.ndarray | None = None  # [answers that nobody judged], where it has read such scores


def containment(source: LabelSource, part: str, table: LabelTable) -> Generator[Progress, None, list[Machine]]:
    """What can be computed of the labelled answers by words alone: n-gram containment in their passages."""
    if source.study is None or part == "preference":
        return []
    rows: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)  # answer -> (row, sentence)
    for row, (item, number, sentence) in enumerate(places(part, table)):
        rows[item, number].append((row, sentence))
    scores = {n: np.full(len(table.items), np.nan) for n in SIZES}
    for done, ((item, number), inside) in enumerate(rows.items()):
        if done % 20 == 0:
            yield Progress(done, len(rows), "Words shared with the passages")
        response = source.study.item(item).responses[number]
        if not response.passages:
            continue
        for n, each in contained(response.text, response.sentences, response.passages):
            for row, sentence in inside:
                scores[n][row] = each[sentence] if part == "sentences" else np.mean(each) if each else np.nan
    return [machine for machine in measures_of(scores) if not np.isnan(machine.scores).all()]


def places(part: str, table: LabelTable) -> list[tuple[str, int, int]]:
    """(item, number of its answer, number of the sentence) of each unit, from 0; a whole answer's sentence is 0."""
    units = []
    for item, name in zip(table.item_ids, table.items, strict=True):
        answer, _, last = name.rpartition("/") if part == "sentences" else (name, "", "1")
        units.append((item, int(answer.endswith("/B")), int(last) - 1))
    return units


def contained(text: str, bounds: Sequence[tuple[int, int]], passages: Sequence[Passage]) -> Iterator[tuple[int, list[float]]]:
    """(size of the n-grams, containment of each sentence in the passages)."""
    texts, evidence = [text[a:b] for a, b in bounds], [passage.text for passage in passages]
    return ((n, containments(texts, evidence, n)) for n in SIZES)


def measures_of(scores: Mapping[int, Sequence[float] | np.ndarray]) -> list[Machine]:
    return [Machine(f"{n}-gram containment", np.array(each)) for n, each in scores.items()]


def read_scores(text: str, table: LabelTable, name: str, more: Sequence[str] = ()) -> Machine:
    """A judge's scores from a CSV with the columns unit and score; units are named as in the table of units.
    more: names of answers that nobody judged, whose scores may stand there too."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        todo = "Save it as CSV with commas, in UTF-8."
        raise WorkbenchError(f"The scores are no CSV: {error}.", where=f"{name}:{reader.line_num}", todo=todo) from None
    if not {"unit", "score"} <= set(reader.fieldnames or ()):
        raise WorkbenchError(
            "The file has no columns unit and score.", where=f"{name}:1", todo="Take the table of units as a start."
        )
    place = {unit: row for row, unit in enumerate((*table.items, *more))}
    scores, line_of = np.full(len(place), np.nan), {}
    for line, row in rows:
        where = f"{name}:{line}"
        if row["unit"] not in place:
            raise WorkbenchError(f"There is no unit '{row['unit']}' among these labels.", where=where)
        if line_of.setdefault(row["unit"], line) != line:
            todo = "Keep one score of each unit, such as the mean of several runs."
            raise WorkbenchError(
                f"The unit '{row['unit']}' stands here again after line {line_of[row['unit']]}.", where=where, todo=todo
            )
        if not (row["score"] or "").strip():
            continue
        try:
            score = float(row["score"])
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1:  # NaN included
            raise WorkbenchError(f"'{row['score']}' is not a score from 0 to 1.", where=where)
        scores[place[row["unit"]]] = score
    rest = scores[len(table.items) :]
    return Machine(Path(name).stem, scores[: len(table.items)], None if np.isnan(rest).all() else rest)


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
    beside: Beside  # a person, both held against the others' majority; on the half that the threshold has not seen
    beside_pearson: Beside  # the same by correlation with the others' mean, on all units
    groups: list[Group]


class MachinesJudged(NamedTuple):
    """All machines against people. positive: what people said yes to; score: the same as a share."""

    machines: list[Against]
    whole: bool  # units are whole answers
    n: int
    items: int  # that resamples draw
    baseline: Interval  # always the more frequent verdict
    ceiling: Agreement  # a person against the majority of the others
    ceiling_pearson: Agreement


def roc_rows(machines: Sequence[Against]) -> list[dict[str, Any]]:
    """A row a machine and threshold, from the strictest to the loosest."""
    return [
        {"measure": machine.name, "threshold": float(t), "false positive": float(x), "true positive": float(y)}
        for machine in machines
        for t, x, y in zip(machine.roc.thresholds, machine.roc.false_positive, machine.roc.true_positive, strict=True)
    ]


def calibration_rows(machines: Sequence[Against]) -> list[dict[str, Any]]:
    """A row a machine and bin of its scores, with the share of yes in it."""
    return [
        {
            "measure": machine.name,
            "score": bucket.score,
            "share": bucket.share.mean,
            "low": bucket.share.low,
            "high": bucket.share.high,
            "n": bucket.share.n,
        }
        for machine in machines
        for bucket in machine.calibration.bins
    ]


class Facing(NamedTuple):
    """People's judgement and machines' scores of the same units."""

    human: np.ndarray  # [units]: share of yes, or of the stars, 0 to 1
    positive: np.ndarray  # [units]: 1, 0
    people: np.ndarray  # [units, annotators]: as human, of each person, NaN = missing
    verdicts: np.ndarray  # [units, annotators]: as positive
    scores: list[Machine]
    systems: list[str]
    datasets: list[str]
    groups: np.ndarray  # [units]: the item of each
    strata: list[str]  # that the study was drawn from; "": at random


def facing(
    source: LabelSource,
    part: str,
    table: LabelTable,
    agreed: AgreedLabels,
    positive: Sequence[str],
    scores: Sequence[Machine],
    whole: bool,
) -> Facing:
    """whole: of answers instead of sentences: the share of its sentences that are yes; yes if all of them are."""
    yes, each = is_positive(table, agreed.values, positive), is_positive(table, table.values, positive)
    systems = list(table.systems or ("all",) * len(yes))
    datasets = [source.datasets.get(item, "") for item in table.item_ids]
    by = drawn_by(source.study) if source.study else ""
    strata = [stratum(by, *both) for both in zip(systems, datasets, strict=True)]
    if not whole or part != "sentences":
        human, people = yes, each
        if part == "helpful" and not table.categories:
            human, people = (agreed.values - 1) / 4, (table.values - 1) / 4  # stars as a share
        return Facing(human, yes, people, each, list(scores), systems, datasets, groups(table), strata)
    answers = list(answers_of(source, table, part).values())
    first = [units[0] for units, _ in answers]
    human = np.array([share_of_yes(yes, *answer) for answer in answers])
    # NaN where the person, or everybody, left a sentence out
    people = np.array([[share_of_yes(column, *answer) for column in each.T] for answer in answers])
    people = people.reshape(len(answers), each.shape[1])
    return Facing(
        human,
        _all_yes(human),
        people,
        _all_yes(people),
        [machine._replace(scores=np.array([whole_score(machine.scores[units]) for units, _ in answers])) for machine in scores],
        [systems[row] for row in first],
        [datasets[row] for row in first],
        groups(table)[first],
        [strata[row] for row in first],
    )


def whole_score(scores: np.ndarray) -> float:
    """Of an answer, judged or not: the mean over its sentences that have a score; NaN: none has."""
    measured = scores[~np.isnan(scores)]
    return float(measured.mean()) if len(measured) else np.nan


def _all_yes(shares: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(shares), np.nan, (shares == 1).astype(float))


def stratum(by: str, system: str, dataset: str) -> str:
    """Answers of one stratum had the same chance to be drawn. by: as `drawn_by` says. Drawn by corpus, systems can have been
    drawn unequally too."""
    return {"": "", "system": system, "dataset": f"{system}, {dataset}"}[by]


def judge(units: Facing, whole: bool, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, MachinesJudged]:
    """Each machine against the consensus, with what a person and what mere guessing reach."""
    rows = []
    for done, machine in enumerate(units.scores):
        yield Progress(done, len(units.scores) + 1, machine.name)
        rows.append(_against(machine, units, resamples, seed))
    yield Progress(len(units.scores), len(units.scores) + 1, "A person against the others")
    of = units.groups
    return MachinesJudged(
        rows,
        whole,
        int((~np.isnan(units.positive)).sum()),
        len(set(of)),
        majority_baseline(units.positive, groups=of),
        ceiling(units.verdicts, 2, resamples, seed=seed, groups=of).share,
        ceiling_pearson(units.people, resamples, seed=seed, groups=of),
    )


def _against(machine: Machine, units: Facing, resamples: int, seed: int) -> Against:
    usable = ~(np.isnan(machine.scores) | np.isnan(units.human))
    scores, human, positive, items = machine.scores[usable], units.human[usable], units.positive[usable], units.groups[usable]
    parts = []
    for kind, names in (("system", units.systems), ("dataset", units.datasets)):
        of = np.array(names, dtype=object)[usable]
        if len(set(of)) > 1:
            for name in dict.fromkeys(of):
                r = of == name
                parts.append(
                    Group(
                        kind,
                        str(name),
                        int(r.sum()),
                        pearson(scores[r], human[r], resamples, seed=seed, groups=items[r]),
                        roc(scores[r], positive[r], groups=items[r]).auc,
                    )
                )
    both, said = np.where(usable, units.positive, np.nan), np.full(len(usable), np.nan)
    cut = fit_threshold(machine.scores, both, seed=seed, groups=units.groups)
    if cut.threshold is not None:  # of units on which people are tied, half too
        unseen = ~half(both, seed, units.groups) & ~np.isnan(machine.scores)
        said[unseen] = machine.scores[unseen] >= cut.threshold
    return Against(
        machine.name,
        int(usable.sum()),
        roc(scores, positive, groups=items),
        calibration(scores, positive, 10 if len(scores) >= MANY else 5, resamples, seed=seed, groups=items),
        pearson(scores, human, resamples, seed=seed, groups=items),
        spearman(scores, human, resamples, seed=seed, groups=items),
        mean_absolute_error(scores, human, resamples, seed=seed, groups=items),
        cut,
        beside(units.verdicts, said, 2, resamples, seed=seed, groups=units.groups),
        beside_pearson(units.people, machine.scores, resamples, seed=seed, groups=units.groups),
        parts,
    )
