"""People against machines, on the page Agreement: automatic measures and judges held against what people say.

Two questions: how good a machine is beside a person (`judge`), and what share of all answers is faithful where people judged few
of them and a machine the others (`headline`).
"""

import csv
import io
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.agreement import people as lab
from core.agreement.people import Consensus, Source
from core.annotation import studies as annotation_lab
from core.annotation.drawing import drawn_by
from core.annotation.labels import Table
from core.annotation.study import Passage, sentences
from core.errors import WorkbenchError
from core.judging.containment import containments
from core.records import Progress
from core.statistics.agreement.coefficient import Agreement
from core.statistics.agreement.growth import RESAMPLES
from core.statistics.bootstrap import Interval, numbered
from core.statistics.calibration import Calibration, calibration
from core.statistics.ceiling import Beside, beside, beside_pearson, ceiling, ceiling_pearson, majority_baseline
from core.statistics.corrected import Corrected, combined
from core.statistics.correlation import mean_absolute_error, pearson, spearman
from core.statistics.prediction_powered import BEYOND, prediction_powered
from core.statistics.proportion import wilson_grouped
from core.statistics.roc import Roc, roc
from core.statistics.rogan_gladen import rogan_gladen
from core.statistics.threshold import Threshold, fit_threshold, half
from core.workbench import Workbench

SIZES = (3, 2, 1)  # n-grams of the automatic measures
MANY = 500  # units from which calibration has ten bins
FEWEST_HUMAN = 12  # labels of people from which a good machine can be told from chance


class Machine(NamedTuple):
    """An automatic measure: a score from 0 to 1 of each unit, NaN where it has none."""

    name: str
    scores: np.ndarray  # [units]
    more: np.ndarray | None = None  # [answers that nobody judged], where it has read such scores


def containment(source: Source, part: str, found: Table) -> Generator[Progress, None, list[Machine]]:
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
        for n, each in _contained(one.text, one.sentences, one.passages):
            for row, sentence in places:
                scores[n][row] = each[sentence] if part == "sentences" else np.mean(each) if each else np.nan
    return [one for one in _named(scores) if not np.isnan(one.scores).all()]


def _contained(text: str, bounds: Sequence[tuple[int, int]], passages: Sequence[Passage]) -> Iterator[tuple[int, list[float]]]:
    """(size of the n-grams, containment of each sentence in the passages)."""
    texts, evidence = [text[a:b] for a, b in bounds], [passage.text for passage in passages]
    return ((n, containments(texts, evidence, n)) for n in SIZES)


def _named(scores: Mapping[int, Sequence[float] | np.ndarray]) -> list[Machine]:
    return [Machine(f"{n}-gram containment", np.array(each)) for n, each in scores.items()]


def read_scores(text: str, found: Table, name: str, more: Sequence[str] = ()) -> Machine:
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


class Judged(NamedTuple):
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
    source: Source, part: str, found: Table, agreed: Consensus, positive: Sequence[str], scores: Sequence[Machine], whole: bool
) -> Facing:
    """whole: of answers instead of sentences: the share of its sentences that are yes; yes if all of them are."""
    yes, each = lab.is_positive(found, agreed.values, positive), lab.is_positive(found, found.values, positive)
    systems = list(found.systems or ("all",) * len(yes))
    datasets = [source.datasets.get(item, "") for item in found.item_ids]
    by = drawn_by(source.study) if source.study else ""
    strata = [stratum(by, *both) for both in zip(systems, datasets, strict=True)]
    if not whole or part != "sentences":
        human, people = yes, each
        if part == "helpful" and not found.categories:
            human, people = (agreed.values - 1) / 4, (found.values - 1) / 4  # stars as a share
        return Facing(human, yes, people, each, list(scores), systems, datasets, lab.groups(found), strata)
    answers = list(lab.answers_of(source, found, part).values())
    first = [units[0] for units, _ in answers]
    human = np.array([lab.share_of_yes(yes, *one) for one in answers])
    # NaN where the person, or everybody, left a sentence out
    people = np.array([[lab.share_of_yes(column, *one) for column in each.T] for one in answers]).reshape(
        len(answers), each.shape[1]
    )
    return Facing(
        human,
        _all_yes(human),
        people,
        _all_yes(people),
        [one._replace(scores=np.array([one.scores[units].mean() for units, _ in answers])) for one in scores],
        [systems[row] for row in first],
        [datasets[row] for row in first],
        lab.groups(found)[first],
        [strata[row] for row in first],
    )


def _all_yes(shares: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(shares), np.nan, (shares == 1).astype(float))


def stratum(by: str, system: str, dataset: str) -> str:
    """Answers of one stratum had the same chance to be drawn. by: as `drawn_by` says. Drawn by corpus, systems can have been
    drawn unequally too."""
    return {"": "", "system": system, "dataset": f"{system}, {dataset}"}[by]


def judge(given: Facing, whole: bool, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, Judged]:
    """Each machine against the consensus, with what a person and what mere guessing reach."""
    found = []
    for done, one in enumerate(given.scores):
        yield Progress(done, len(given.scores) + 1, one.name)
        found.append(_against(one, given, resamples, seed))
    yield Progress(len(given.scores), len(given.scores) + 1, "A person against the others")
    of = given.groups
    return Judged(
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


class Stratum(NamedTuple):
    name: str
    share: float  # of all answers, judged or not
    n_human: int
    n_machine: int
    methods: list[Corrected]


class Headline(NamedTuple):
    """The share of wholly faithful answers among all: few judged by people, all by a machine."""

    machine: str
    methods: list[Corrected]
    threshold: float | None
    truth: float | None  # by people, where they judged all
    n_human: int
    n_machine: int
    strata: list[Stratum]  # where the study drew from several, unequally


class Unjudged(NamedTuple):
    """Stored answers of the study's systems and corpora that are not in the study."""

    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    machines: tuple[Machine, ...] = ()  # mean scores over the sentences of each

    def scores(self, machine: str) -> np.ndarray | None:
        return next((one.scores for one in self.machines if one.name == machine), None)


def with_scores(rest: Unjudged, machines: Iterable[Machine]) -> Unjudged:
    """With the scores of judges that have read these answers too."""
    more = (Machine(one.name, one.more) for one in machines if one.more is not None)
    return rest._replace(machines=(*rest.machines, *more))


def unjudged(workbench: Workbench, source: Source) -> Generator[Progress, None, Unjudged]:
    """With their n-gram containment."""
    if source.study is None:
        return Unjudged()
    yield Progress(0, 0, "Stored answers that nobody judged")
    inside = {one.source for item in source.study.items for one in item.responses}
    plain = [item for item in source.study.items if not item.attention]
    systems, datasets = (
        {one.system for item in plain for one in item.responses},
        {source.datasets.get(item.id, "") for item in plain},
    )
    others = [
        one
        for one in annotation_lab.candidates(workbench)
        if one.system in systems and one.dataset in datasets and one.source not in inside and one.passages
    ]
    scores: dict[int, list[float]] = {n: [] for n in SIZES}
    for done, one in enumerate(others):
        if done % 20 == 0:
            yield Progress(done, len(others), "Stored answers that nobody judged")
        for n, each in _contained(one.text, sentences(one.text), one.passages):
            scores[n].append(float(np.mean(each)) if each else 0.0)
    by = drawn_by(source.study)
    found = tuple(_named(scores)) if others else ()
    return Unjudged(
        tuple(one.source for one in others),
        tuple(one.text for one in others),
        tuple(stratum(by, one.system, one.dataset) for one in others),
        found,
    )


def judged_and_scored(given: Facing, machine: str) -> np.ndarray:
    """Units with a verdict of people and a score of this machine."""
    scores = next(one.scores for one in given.scores if one.name == machine)
    return np.flatnonzero(~(np.isnan(scores) | np.isnan(given.positive)))


def verdicts(given: Facing, machine: str, sentences: bool, more: bool) -> str:
    """How many answers the headline has, and how many it needs. more: there are answers that only the machine has scored."""
    have, needed = len(judged_and_scored(given, machine)), 3 if more else FEWEST_HUMAN + 3
    what = "verdict on every sentence" if sentences else "label"
    text = f"{have:,} of {len(given.positive):,} answers have people's {what} and a score"
    return f"{text}; {needed} are needed." if have < needed else f"{text}."


def usual_human(judged: int) -> int:
    """How many of so many judged answers keep people's labels, unless the reader says otherwise."""
    return max(min(100, judged // 2), FEWEST_HUMAN)


def headline(given: Facing, machine: str, n_human: int, rest: Unjudged = Unjudged(), seed: int = 0) -> Headline:  # noqa: B008
    """The faithful share of all answers, judged or not. Where this machine has no scores of answers that people left out,
    `n_human` of the judged ones are drawn (items whole) and the people's labels of the others are hidden, so that the estimates
    stand beside the truth. Strata that a study drew from unequally are estimated one by one and weighted; one in which the machine
    cannot be used stands by its people alone.

    Rogan and Gladen's needs a verdict: the threshold is fitted on half of the human labels, and its sensitivity and
    specificity are taken from the other half alone.
    """
    scores, other, truth = next(one.scores for one in given.scores if one.name == machine), rest.scores(machine), None
    known, strata = judged_and_scored(given, machine), np.array(given.strata, dtype=object)
    if other is None:
        if not FEWEST_HUMAN <= n_human <= len(known) - 2:
            raise WorkbenchError(
                f"{n_human:,} of {len(known):,} judged answers cannot stand for all of them.",
                todo=f"Take at least {FEWEST_HUMAN}, and leave at least 2.",
            )
        truth, place = float(given.positive[known].mean()), numbered(given.groups[known])
        turn = np.argsort(np.random.default_rng(seed).permutation(place.max() + 1))[place]  # when the item of each is drawn
        known = known[np.argsort(turn, kind="stable")]
        taken = int((turn <= np.sort(turn)[n_human - 1]).sum())
        known, hidden = known[:taken], known[taken:]
        other, other_items, other_strata = scores[hidden], given.groups[hidden], np.full(len(hidden), "")
        strata = np.full(len(strata), "")  # the drawing was at random
    else:
        there = ~np.isnan(other)
        other, other_strata = other[there], np.array(rest.strata, dtype=object)[there]
        other_items = np.arange(len(other))
    score, human, of, strata = scores[known], given.positive[known], given.groups[known], strata[known]
    cut = fit_threshold(score, human, seed=seed, groups=of)
    second = ~half(human, seed, of)

    def estimates(mine: np.ndarray, theirs: np.ndarray) -> list[Corrected]:
        few, others, items = other[theirs], other_items[theirs], of[mine]
        found = [prediction_powered(few, score[mine], human[mine], seed=seed, groups=items, other_groups=others)]
        if cut.threshold is not None:
            tested = mine & second
            found.append(
                rogan_gladen(
                    (few >= cut.threshold).astype(float),
                    (score[tested] >= cut.threshold).astype(float),
                    human[tested],
                    groups=of[tested],
                    other_groups=others,
                )
            )
        if len(few) < 2:  # people judged all of the stratum
            found = [
                one._replace(value=one.human_only.mean, low=one.human_only.low, high=one.human_only.high, note="")
                for one in found
            ]
        return found

    if alike(strata, other_strata):
        strata, other_strata = np.full(len(strata), ""), np.full(len(other_strata), "")
    names, parts = sorted({*strata, *other_strata}), []
    for name in names:
        mine, theirs = strata == name, other_strata == name
        n, many = int(mine.sum()), int(theirs.sum())
        parts.append(Stratum(name, (n + many) / (len(score) + len(other)), n, many, estimates(mine, theirs)))
    if len(parts) == 1:
        return Headline(machine, parts[0].methods, cut.threshold, truth, len(score), len(other), [])
    together = estimates(np.full(len(score), True), np.full(len(other), True))
    parts = [
        one._replace(methods=[_by_people(method, human[strata == one.name], of[strata == one.name]) for method in one.methods])
        for one in parts
    ]
    methods = [_of_strata(parts, i, whole) for i, whole in enumerate(together)]
    return Headline(machine, methods, cut.threshold, truth, len(score), len(other), parts)


def alike(judged: np.ndarray, other: np.ndarray) -> bool:
    """Has each stratum about the share of the judged answers that it has of all? Then they are estimated together: the bias of that
    is at most half a standard error, and single strata would have too few labels. Bounds are ours."""
    n, all_of = len(judged), np.concatenate([judged, other])
    apart = [abs(float(np.mean(judged == name)) - float(np.mean(all_of == name))) for name in set(all_of)]
    return max(apart) < max(min(0.05, 0.5 / np.sqrt(n)), 1.001 / n)


def _by_people(one: Corrected, human: np.ndarray, of: np.ndarray) -> Corrected:
    """Where the machine cannot be used in one stratum, what people alone say of it."""
    if one.value is not None or not len(human):
        return one
    alone = wilson_grouped(human, of)
    return one._replace(value=alone.mean, low=alone.low, high=alone.high, human_only=alone, note=f"people alone ({one.note})")


def _of_strata(parts: Sequence[Stratum], i: int, together: Corrected) -> Corrected:
    """The strata weighted, of those that people judged; refused where the machine is not skilled over all of them."""
    there = [part for part in parts if part.n_human]
    weight = sum(part.share for part in there)
    found = combined([(part.name, part.share / weight, part.methods[i]) for part in there])._replace(skill=together.skill)
    if together.value is None and together.note != BEYOND:  # of a sample from unequal strata it says nothing
        return found._replace(value=None, low=None, high=None, note=together.note)
    notes = [f"{part.name}: {part.methods[i].note}" for part in there if part.methods[i].note.startswith("people alone")]
    left_out = [part.name for part in parts if not part.n_human]
    if left_out:
        notes.insert(0, f"of {weight:.1%} of the answers: nobody judged {', '.join(left_out)}")
    return found._replace(note="; ".join(notes) or found.note)
