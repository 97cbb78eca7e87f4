"""People against machines: how good an automatic measure or a judge is beside a person."""

import csv
import io
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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


def containment(source: LabelSource, part: str, found: LabelTable) -> Generator[Progress, None, list[Machine]]:
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
        for n, each in contained(one.text, one.sentences, one.passages):
            for row, sentence in places:
                scores[n][row] = each[sentence] if part == "sentences" else np.mean(each) if each else np.nan
    return [one for one in measures_of(scores) if not np.isnan(one.scores).all()]


def contained(text: str, bounds: Sequence[tuple[int, int]], passages: Sequence[Passage]) -> Iterator[tuple[int, list[float]]]:
    """(size of the n-grams, containment of each sentence in the passages)."""
    texts, evidence = [text[a:b] for a, b in bounds], [passage.text for passage in passages]
    return ((n, containments(texts, evidence, n)) for n in SIZES)


def measures_of(scores: Mapping[int, Sequence[float] | np.ndarray]) -> list[Machine]:
    return [Machine(f"{n}-gram containment", np.array(each)) for n, each in scores.items()]


def read_scores(text: str, found: LabelTable, name: str, more: Sequence[str] = ()) -> Machine:
    """A judge's scores from a CSV with the columns unit and score; units are named as in the table of units.
    more: names of answers that nobody judged, whose scores may stand there too."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if not {"unit", "score"} <= set(reader.fieldnames or ()):
        raise WorkbenchError(
            "The file has no columns unit and score.", where=f"{name}:1", todo="Take the table of units as a start."
        )
    place = {unit: row for row, unit in enumerate((*found.items, *more))}
    scores = np.full(len(place), np.nan)
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
    rest = scores[len(found.items) :]
    return Machine(Path(name).stem, scores[: len(found.items)], None if np.isnan(rest).all() else rest)


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
    found: LabelTable,
    agreed: AgreedLabels,
    positive: Sequence[str],
    scores: Sequence[Machine],
    whole: bool,
) -> Facing:
    """whole: of answers instead of sentences: the share of its sentences that are yes; yes if all of them are."""
    yes, each = is_positive(found, agreed.values, positive), is_positive(found, found.values, positive)
    systems = list(found.systems or ("all",) * len(yes))
    datasets = [source.datasets.get(item, "") for item in found.item_ids]
    by = drawn_by(source.study) if source.study else ""
    strata = [stratum(by, *both) for both in zip(systems, datasets, strict=True)]
    if not whole or part != "sentences":
        human, people = yes, each
        if part == "helpful" and not found.categories:
            human, people = (agreed.values - 1) / 4, (found.values - 1) / 4  # stars as a share
        return Facing(human, yes, people, each, list(scores), systems, datasets, groups(found), strata)
    answers = list(answers_of(source, found, part).values())
    first = [units[0] for units, _ in answers]
    human = np.array([share_of_yes(yes, *one) for one in answers])
    # NaN where the person, or everybody, left a sentence out
    people = np.array([[share_of_yes(column, *one) for column in each.T] for one in answers]).reshape(len(answers), each.shape[1])
    return Facing(
        human,
        _all_yes(human),
        people,
        _all_yes(people),
        [one._replace(scores=np.array([one.scores[units].mean() for units, _ in answers])) for one in scores],
        [systems[row] for row in first],
        [datasets[row] for row in first],
        groups(found)[first],
        [strata[row] for row in first],
    )


def _all_yes(shares: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(shares), np.nan, (shares == 1).astype(float))


def stratum(by: str, system: str, dataset: str) -> str:
    """Answers of one stratum had the same chance to be drawn. by: as `drawn_by` says. Drawn by corpus, systems can have been
    drawn unequally too."""
    return {"": "", "system": system, "dataset": f"{system}, {dataset}"}[by]


def judge(given: Facing, whole: bool, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, MachinesJudged]:
    """Each machine against the consensus, with what a person and what mere guessing reach."""
    found = []
    for done, one in enumerate(given.scores):
        yield Progress(done, len(given.scores) + 1, one.name)
        found.append(_against(one, given, resamples, seed))
    yield Progress(len(given.scores), len(given.scores) + 1, "A person against the others")
    of = given.groups
    return MachinesJudged(
        found,
        whole,
        int((~np.isnan(given.positive)).sum()),
        len(set(of)),
        majority_baseline(given.positive, groups=of),
        ceiling(given.verdicts, 2, resamples, seed=seed, groups=of).share,
        ceiling_pearson(given.people, resamples, seed=seed, groups=of),
    )


def _against(one: Machine, given: Facing, resamples: int, seed: int) -> Against:
    known = ~(np.isnan(one.scores) | np.isnan(given.human))
    scores, human, positive, items = one.scores[known], given.human[known], given.positive[known], given.groups[known]
    parts = []
    for kind, names in (("system", given.systems), ("dataset", given.datasets)):
        of = np.array(names, dtype=object)[known]
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
    both, said = np.where(known, given.positive, np.nan), np.full(len(known), np.nan)
    cut = fit_threshold(one.scores, both, seed=seed, groups=given.groups)
    if cut.threshold is not None:  # of units on which people are tied, half too
        unseen = ~half(both, seed, given.groups) & ~np.isnan(one.scores)
        said[unseen] = one.scores[unseen] >= cut.threshold
    return Against(
        one.name,
        int(known.sum()),
        roc(scores, positive, groups=items),
        calibration(scores, positive, 10 if len(scores) >= MANY else 5, resamples, seed=seed, groups=items),
        pearson(scores, human, resamples, seed=seed, groups=items),
        spearman(scores, human, resamples, seed=seed, groups=items),
        mean_absolute_error(scores, human, resamples, seed=seed, groups=items),
        cut,
        beside(given.verdicts, said, 2, resamples, seed=seed, groups=given.groups),
        beside_pearson(given.people, one.scores, resamples, seed=seed, groups=given.groups),
        parts,
    )
