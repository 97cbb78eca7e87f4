"""The share of faithful answers among all, where people judged few of them and a machine the others."""

from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.agreement.machines import SIZES, Facing, Machine, contained, measures_of, stratum, whole_score
from core.agreement.sources import LabelSource
from core.annotation.drawing import drawn_by
from core.annotation.sentences import sentences
from core.annotation.stored_answers import read_candidates, shown
from core.errors import WorkbenchError
from core.records import Progress
from core.statistics.bootstrap import numbered
from core.statistics.corrected import Corrected, combined
from core.statistics.prediction_powered import BEYOND, prediction_powered
from core.statistics.proportion import wilson_grouped
from core.statistics.rogan_gladen import rogan_gladen
from core.statistics.threshold import fit_threshold, half
from core.workbench import Workbench

FEWEST_HUMAN = 12  # labels of people from which a good machine can be told from chance


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
    machines: tuple[Machine, ...] = ()  # mean scores over the sentences of each, NaN of one that has none

    def scores(self, machine: str) -> np.ndarray | None:
        return next((measure.scores for measure in self.machines if measure.name == machine), None)


def with_scores(rest: Unjudged, machines: Iterable[Machine]) -> Unjudged:
    """With the scores of judges that have read these answers too."""
    more = (Machine(machine.name, machine.more) for machine in machines if machine.more is not None)
    return rest._replace(machines=(*rest.machines, *more))


def unjudged(workbench: Workbench, source: LabelSource) -> Generator[Progress, None, Unjudged]:
    """With their n-gram containment."""
    if source.study is None:
        return Unjudged()
    yield Progress(0, 0, "Stored answers that nobody judged")
    inside = shown(source.study)
    plain = [item for item in source.study.items if not item.attention]
    systems, datasets = (
        {response.system for item in plain for response in item.responses},
        {source.datasets.get(item.id, "") for item in plain},
    )
    others = [
        candidate
        for candidate in read_candidates(workbench)
        if candidate.system in systems and candidate.dataset in datasets and candidate.source not in inside and candidate.passages
    ]
    scores: dict[int, list[float]] = {n: [] for n in SIZES}
    for done, candidate in enumerate(others):
        if done % 20 == 0:
            yield Progress(done, len(others), "Stored answers that nobody judged")
        for n, each in contained(candidate.text, sentences(candidate.text), candidate.passages):
            scores[n].append(whole_score(np.array(each)))
    by = drawn_by(source.study)
    measures = tuple(measures_of(scores)) if others else ()
    return Unjudged(
        tuple(candidate.source for candidate in others),
        tuple(candidate.text for candidate in others),
        tuple(stratum(by, candidate.system, candidate.dataset) for candidate in others),
        measures,
    )


def judged_and_scored(units: Facing, machine: str) -> np.ndarray:
    """Units with a verdict of people and a score of this machine."""
    scores = next(measure.scores for measure in units.scores if measure.name == machine)
    return np.flatnonzero(~(np.isnan(scores) | np.isnan(units.positive)))


def verdicts(units: Facing, machine: str, sentences: bool, more: bool) -> str:
    """How many answers the headline has, and how many it needs. more: there are answers that only the machine has scored."""
    have, needed = len(judged_and_scored(units, machine)), 3 if more else FEWEST_HUMAN + 3
    what = "verdict on every sentence" if sentences else "label"
    text = f"{have:,} of {len(units.positive):,} answers have people's {what} and a score"
    return f"{text}; {needed} are needed." if have < needed else f"{text}."


def usual_human(judged: int) -> int:
    """How many of so many judged answers keep people's labels, unless the reader says otherwise."""
    return max(min(100, judged // 2), FEWEST_HUMAN)


def headline(units: Facing, machine: str, n_human: int, rest: Unjudged = Unjudged(), seed: int = 0) -> Headline:  # noqa: B008
    """The faithful share of all answers, judged or not. Where this machine has no scores of answers that people left out,
    `n_human` of the judged ones are drawn (items whole) and the people's labels of the others are hidden, so that the estimates
    stand beside the truth. Strata that a study drew from unequally are estimated one by one and weighted; one in which the machine
    cannot be used stands by its people alone.

    Rogan and Gladen's needs a verdict: the threshold is fitted on half of the human labels, and its sensitivity and
    specificity are taken from the other half alone.
    """
    scores, other, truth = next(measure.scores for measure in units.scores if measure.name == machine), rest.scores(machine), None
    judged, strata = judged_and_scored(units, machine), np.array(units.strata, dtype=object)
    if other is None:
        if not FEWEST_HUMAN <= n_human <= len(judged) - 2:
            raise WorkbenchError(
                f"{n_human:,} of {len(judged):,} judged answers are too few to represent all.",
                todo=f"Take at least {FEWEST_HUMAN}, and leave at least 2.",
            )
        truth, place = float(units.positive[judged].mean()), numbered(units.groups[judged])
        turn = np.argsort(np.random.default_rng(seed).permutation(place.max() + 1))[place]  # when the item of each is drawn
        judged = judged[np.argsort(turn, kind="stable")]
        taken = int((turn <= np.sort(turn)[n_human - 1]).sum())
        judged, hidden = judged[:taken], judged[taken:]
        other, other_items, other_strata = scores[hidden], units.groups[hidden], np.full(len(hidden), "")
        strata = np.full(len(strata), "")  # the drawing was at random
    else:
        there = ~np.isnan(other)
        other, other_strata = other[there], np.array(rest.strata, dtype=object)[there]
        other_items = np.arange(len(other))
    score, human, of, strata = scores[judged], units.positive[judged], units.groups[judged], strata[judged]
    cut = fit_threshold(score, human, seed=seed, groups=of)
    second = ~half(human, seed, of)

    def estimates(mine: np.ndarray, theirs: np.ndarray) -> list[Corrected]:
        few, others, items = other[theirs], other_items[theirs], of[mine]
        corrected = [prediction_powered(few, score[mine], human[mine], seed=seed, groups=items, other_groups=others)]
        if cut.threshold is not None:
            tested = mine & second
            corrected.append(
                rogan_gladen(
                    (few >= cut.threshold).astype(float),
                    (score[tested] >= cut.threshold).astype(float),
                    human[tested],
                    groups=of[tested],
                    other_groups=others,
                )
            )
        if len(few) < 2:  # people judged all of the stratum
            corrected = [
                method._replace(value=method.human_only.mean, low=method.human_only.low, high=method.human_only.high, note="")
                for method in corrected
            ]
        return corrected

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
        part._replace(
            methods=[_by_people(method, human[strata == part.name], of[strata == part.name]) for method in part.methods]
        )
        for part in parts
    ]
    methods = [_of_strata(parts, i, whole) for i, whole in enumerate(together)]
    return Headline(machine, methods, cut.threshold, truth, len(score), len(other), parts)


def alike(judged: np.ndarray, other: np.ndarray) -> bool:
    """Has each stratum about the share of the judged answers that it has of all? Then they are estimated together: the bias of that
    is at most half a standard error, and single strata would have too few labels. Bounds are ours."""
    n, all_of = len(judged), np.concatenate([judged, other])
    apart = [abs(float(np.mean(judged == name)) - float(np.mean(all_of == name))) for name in set(all_of)]
    return max(apart) < max(min(0.05, 0.5 / np.sqrt(n)), 1.001 / n)


def _by_people(method: Corrected, human: np.ndarray, of: np.ndarray) -> Corrected:
    """Where the machine cannot be used in one stratum, what people alone say of it."""
    if method.value is not None or not len(human):
        return method
    alone = wilson_grouped(human, of)
    return method._replace(
        value=alone.mean, low=alone.low, high=alone.high, human_only=alone, note=f"people alone ({method.note})"
    )


def _of_strata(parts: Sequence[Stratum], i: int, together: Corrected) -> Corrected:
    """The strata weighted, of those that people judged; refused where the machine is not skilled over all of them."""
    there = [part for part in parts if part.n_human]
    weight = sum(part.share for part in there)
    whole = combined([(part.name, part.share / weight, part.methods[i]) for part in there])._replace(skill=together.skill)
    if together.value is None and together.note != BEYOND:  # of a sample from unequal strata it says nothing
        return whole._replace(value=None, low=None, high=None, note=together.note)
    notes = [f"{part.name}: {part.methods[i].note}" for part in there if part.methods[i].note.startswith("people alone")]
    left_out = [part.name for part in parts if not part.n_human]
    if left_out:
        notes.insert(0, f"of {weight:.1%} of the answers: nobody judged {', '.join(left_out)}")
    return whole._replace(note="; ".join(notes) or whole.note)
