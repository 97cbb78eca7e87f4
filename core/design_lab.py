"""The verbs of designing a study: a whole draft to start from, its list drawn anew, where it stands, and how large it has to be.

Nothing is recorded here: `annotation_lab` saves and freezes. What is drawn follows from the seed alone.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

from core import annotation_lab as lab
from core.annotation.drawing import Candidate, attention_items, draw, draw_pairs, with_duplicates
from core.annotation.labels import Label, Table, attention_score, disputed, table
from core.annotation.study import Item, Study, assignment, default_rubric
from core.config import valid
from core.errors import WorkbenchError
from core.records import Progress
from core.workbench import Workbench

PILOT, MAIN, REPEATS = 30, 100, 0.1  # items of the rounds, and the share of them that is shown twice
STEPS = ("Draft", "Pilot", "Revise", "Main", "Adjudicate", "Analyse")
RESAMPLES = 500  # a look on the way; the analysis takes more
TENTATIVE = (
    0.667  # alpha below which even tentative conclusions are unsafe: Krippendorff 2004, "Content analysis", p. 241
)

DEFAULTS = {
    "rating": {
        "ask": ("sentences", "helpful"),
        "question": "How much of what the answers say is supported by the passages they were written from?",
        "measure": "share of supported sentences",
    },
    "pairs": {
        "ask": ("preference",),
        "question": "Which of two systems gives the answers that people prefer?",
        "hypothesis": "The two systems are preferred unequally often.",
        "measure": "share of questions on which the first system is preferred",
        "test": "Exact two-sided sign test on the majority preference of each question, level 5%; ties are left out.",
    },
}
ONE_SYSTEM = {
    "hypothesis": "More than half of the sentences are supported.",
    "test": "95% interval of the share, by bootstrap over items: it lies above 0.5.",
}
SEVERAL = {
    "hypothesis": "The systems differ in their share of supported sentences.",
    "test": "95% interval of the difference, by bootstrap over items: it leaves out 0.",
}


# A draft and its items -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """How the items are drawn. repeats: share of the items that everybody who has them meets twice."""

    pilot: int = PILOT
    main: int = MAIN
    by: str = "system"
    allocation: str = "equal"
    dataset: str = ""  # "": all corpora
    systems: tuple[str, ...] = ()  # (): all; two for pairs
    repeats: float = REPEATS
    attention: bool = True
    seed: int = 0


class Drawn(NamedTuple):
    study: Study
    drawing: Drawing  # as far as there are answers for it
    available: int  # answers, or questions that both systems answered


def start(workbench: Workbench, title: str = "", dataset: str = "") -> Drawn:
    """A draft that could be frozen as it is; not recorded. The answers of `dataset`, where there are some."""
    title = title.strip() or "Faithfulness"
    found = candidates(workbench)
    here = dataset if any(one.dataset == dataset for one in found) else ""
    study = valid(Study, {"id": free_name(workbench, title), "title": title, **DEFAULTS["rating"],
                          "rubrics": [default_rubric()], "annotators": ("Annotator 1", "Annotator 2")})  # fmt: skip
    drawn = redraw(found, study, Drawing(dataset=here))
    return drawn._replace(study=valid(Study, fields(drawn.study) | _expectation(drawn.study)))


def candidates(workbench: Workbench) -> list[Candidate]:
    """Stored answers that can be judged; read again once there are more."""
    [row] = workbench.store.query(
        "SELECT count(*) AS answers, max(id) AS last, (SELECT count(*) FROM questions) AS questions FROM answers"
    )
    known = "/".join(map(str, row.values()))
    return workbench.pipeline.remember("candidates", known, lambda: lab.candidates(workbench))


def free_name(workbench: Workbench, title: str) -> str:
    """A study's name made of its title; with a number where it is taken."""
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:48] or "study"
    taken = {one.study.id for one in lab.studies(workbench)}
    return next(one for n in range(1, len(taken) + 2) if (one := name if n == 1 else f"{name}-{n}") not in taken)


def fields(study: Study) -> dict[str, Any]:
    """A study's settings as they are, without reading them anew."""
    return {name: getattr(study, name) for name in Study.model_fields}


def of_kind(found: Sequence[Candidate], study: Study, drawing: Drawing, kind: str) -> Drawn:
    """The draft as a study of single answers, or of pairs. Texts that are still the defaults follow."""
    old = DEFAULTS[study.kind] | _expectation(study)
    untouched = {name for name in ("question", "hypothesis", "measure", "test") if getattr(study, name) == old[name]}
    bare = valid(Study, fields(study) | {"kind": kind, "items": (), "ask": DEFAULTS[kind]["ask"]})
    drawn = redraw(found, bare, replace(drawing, systems=()))
    new = DEFAULTS[kind] | _expectation(drawn.study)
    return drawn._replace(study=valid(Study, fields(drawn.study) | {name: new[name] for name in untouched}))


def _expectation(study: Study) -> dict[str, str]:
    if study.kind == "pairs":
        return {name: DEFAULTS["pairs"][name] for name in ("hypothesis", "test")}
    return SEVERAL if len(systems(study)) > 1 else ONE_SYSTEM


def systems(study: Study) -> dict[str, int]:
    """System -> items with an answer of it, without repeats and attention items."""
    return dict(Counter(response.system for item in plain(study.items) for response in item.responses).most_common())


def plain(items: Sequence[Item], round: str = "") -> list[Item]:
    return [item for item in items if not item.attention and not item.duplicate_of and round in ("", item.round)]


def drawing_of(study: Study, found: Sequence[Candidate]) -> Drawing:
    """How a study's items were drawn, as far as they tell."""
    items = plain(study.items)
    origin = {one.source: one.dataset for one in found}
    datasets = {origin.get(item.responses[0].source, "") for item in items}
    strata = {item.stratum for item in items}
    by = "system" if strata <= set(systems(study)) and strata else "none" if strata <= {""} else "dataset"
    repeats = sum(bool(item.duplicate_of) for item in study.items) / len(items) if items else REPEATS
    used = tuple(sorted(systems(study)))
    everything = study.kind == "rating" and set(used) == {one.system for one in found}
    return Drawing(len(plain(items, "pilot")), len(plain(items, "main")), by, "equal", datasets.pop() if len(datasets) == 1 else "",
                   () if everything else used, round(repeats, 2), any(item.attention for item in study.items), study.seed)  # fmt: skip


def redraw(answers: Sequence[Candidate], study: Study, drawing: Drawing, *, keep_pilot: bool = False) -> Drawn:
    """The study with its items drawn by `drawing`, as many as there are answers for.

    keep_pilot: the pilot's items stay, and the main round is drawn from answers that the pilot has not shown.
    """
    pool = [one for one in answers if drawing.dataset in ("", one.dataset)]
    if study.kind == "pairs":
        drawing = replace(drawing, systems=_two(pool, drawing.systems))
    if drawing.systems:
        pool = [one for one in pool if one.system in drawing.systems]
    pilot = [item for item in study.items if keep_pilot and item.round == "pilot"]
    shown = {(response.system, item.question) for item in pilot for response in item.responses}
    pool = [one for one in pool if (one.system, one.question) not in shown]
    available = _pairs(pool, drawing.systems) if study.kind == "pairs" else len(pool)
    first = 0 if pilot else min(drawing.pilot, available)
    drawing = replace(drawing, main=min(drawing.main, available - first), pilot=len(plain(pilot)) or first)
    seed, count = (study.seed if keep_pilot else drawing.seed), first + drawing.main
    found: tuple[Item, ...] = ()
    if count and study.kind == "pairs":
        found = draw_pairs(pool, *drawing.systems, count, seed=seed, pilot=first)
    elif count:
        found = draw(pool, count, drawing.by, drawing.allocation, seed, first)
    rounds = [pilot or _repeated(plain(found, "pilot"), drawing.repeats, seed),
              _repeated(plain(found, "main"), drawing.repeats, seed)]  # fmt: skip
    extra = attention_items() if drawing.attention and "sentences" in study.ask and any(rounds) else ()
    items = (*rounds[0], *rounds[1], *extra)
    return Drawn(valid(Study, fields(study) | {"items": items, "seed": seed}), drawing, available)


def _repeated(items: Sequence[Item], share: float, seed: int) -> tuple[Item, ...]:
    return with_duplicates(items, round(share * len(items)), seed)


def _two(pool: Sequence[Candidate], named: tuple[str, ...]) -> tuple[str, ...]:
    """The two systems that are named, or those that share most questions."""
    known = sorted({one.system for one in pool})
    if len(set(named)) == 2 and set(named) <= set(known):
        return named
    return max(combinations(known, 2), key=lambda two: _pairs(pool, two), default=())


def _pairs(pool: Sequence[Candidate], two: tuple[str, ...]) -> int:
    if len(two) != 2:
        return 0
    a, b = ({(one.dataset, one.question) for one in pool if one.system == name} for name in two)
    return len(a & b)


class Load(NamedTuple):
    """What one annotator has to do in a round."""

    annotator: str
    items: int
    repeats: int
    attention: int


def loads(study: Study, round: str) -> list[Load]:
    found = []
    for name, mine in assignment(study, round).items():
        items = [study.item(id) for id in mine]
        repeats, attention = sum(bool(one.duplicate_of) for one in items), sum(one.attention for one in items)
        found.append(Load(name, len(items) - repeats - attention, repeats, attention))
    return found


def shared(study: Study, round: str) -> tuple[int, int]:
    """Fewest and most items that two annotators have in common, without attention items."""
    given = {name: {id for id in ids if not study.item(id).attention} for name, ids in assignment(study, round).items()}
    common = [len(a & b) for a, b in combinations(given.values(), 2)]
    return (min(common), max(common)) if common else (0, 0)


# Where a study stands ------------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    step: str  # one of STEPS
    people: tuple[lab.AnnotatorProgress, ...]
    disputed: int  # items on which the annotators of the main round differ
    agreement: Any  # core.statistics Agreement of what was labelled in this round; None before there is some
    stopped: str  # why labelling may end early; "" where it may not

    @property
    def open(self) -> int:
        return sum(one.assigned - one.done for one in self.people)


def state(workbench: Workbench, frozen: lab.Frozen) -> tuple[str, int, str]:
    """Under the same state a study stands where it stood."""
    given = workbench.store.labels.current(frozen.study.id)
    return frozen.id, len(given), max((one["id"] for one in given.values()), default="")


def standing(workbench: Workbench, frozen: lab.Frozen) -> Standing:
    """How far a study is: the step that is under way, and what the labels say by now."""
    if frozen.round == "draft":
        return Standing("Draft", (), 0, None, "")
    study, people = frozen.study, tuple(lab.progress(workbench, frozen))
    judged = "main" if frozen.round == "adjudication" else frozen.round
    given = lab.labels(workbench, study.id, judged)
    agreement = agreed(study, given)
    done = all(one.done >= one.assigned for one in people)
    differ = len(disputed(study, given)) if judged == "main" else 0
    stopped = stop_reached(study, agreement) if frozen.round == "main" and not done else ""
    if frozen.round == "pilot":
        step = "Revise" if done else "Pilot"
    elif frozen.round == "main":
        step = "Main" if not (done or stopped) else "Adjudicate" if differ and study.annotators[1:] else "Analyse"
    else:
        step = "Analyse" if done else "Adjudicate"
    return Standing(step, people, differ, agreement, stopped)


def agreed(study: Study, given: Sequence[Label]) -> Any:
    """Krippendorff's alpha of the first thing that is asked; None where nothing is labelled."""
    from core.statistics.agreement.alpha import alpha
    from core.statistics.agreement.coefficient import estimate

    found = table(study, given, study.ask[0])
    return estimate(alpha(found.values, found.level), RESAMPLES, seed=study.seed) if found.values.size else None


def stop_reached(study: Study, agreement: Any) -> str:
    """Why the study's stop rule ends the labelling; "" while it does not."""
    if agreement is None or agreement.value is None or agreement.low is None:
        return ""
    half, rule = (agreement.high - agreement.low) / 2, study.stop
    if rule.kind == "alpha" and agreement.value >= rule.value:
        return f"alpha {agreement.value:.3f} has reached {rule.value:g}"
    if rule.kind == "half_width" and half <= rule.value:
        return f"the half-width of alpha's interval, {half:.3f}, is at most {rule.value:g}"
    return ""


def attention(workbench: Workbench, frozen: lab.Frozen) -> dict[str, Any]:
    """Annotator -> how many sentences of attention items are labelled as they are known to be."""
    return attention_score(frozen.study, lab.labels(workbench, frozen.study.id, frozen.round))


# How large it has to be ----------------------------------------------------------------------------------------------


GOALS = {
    "difference": "A difference between two shares",
    "means": "A difference between two means",
    "rate": "The interval of a share",
    "alpha": "The interval of alpha",
}
ASSUMED = {  # goal -> values to start from
    "difference": {"rate": 0.7, "difference": 0.15, "discordant": 0.35, "accuracy": 0.9, "level": 0.05, "target": 0.8},
    "means": {"difference": 0.4, "sd_items": 1.0, "sd_label": 0.8, "level": 0.05, "target": 0.8},
    "rate": {"rate": 0.7, "alpha": 0.6, "target": 0.07},
    "alpha": {"alpha": 0.6, "frequent": 0.6, "categories": 4, "target": 0.1},
}


class Curves(NamedTuple):
    """Power, or half-width of an interval, over the number of items."""

    items: list[int]
    by_annotators: dict[int, list[float]]  # annotators an item -> by formula
    simulated: list[tuple[int, float]]  # (items, value) of simulated studies, of the chosen number of annotators
    at: float | None  # of the chosen design, by formula
    needed: dict[int, int | None]  # annotators an item -> items for the target; None: more than 100,000


def discordant_bounds(rate: float, difference: float) -> tuple[float, float]:
    """What share of questions can differ, given both rates."""
    return abs(difference), min(2 * rate + difference, 2 - 2 * rate - difference)


def curves(
    goal: str, values: dict[str, float], items: int, annotators: int, studies: int = 2000, seed: int = 0
) -> Generator[Progress, None, Curves]:
    """The curves of one goal for 1, 2, 3, 5 and the chosen number of annotators, with the chosen design simulated beside."""
    from core.statistics.power_difference import items_needed

    rising, target = goal in ("difference", "means"), values["target"]
    sign = 1 if rising else -1
    several = sorted({1, 2, 3, 5, annotators} - ({1} if goal == "alpha" else set()))
    makers = {k: _design(goal, values, k) for k in several}

    def good(k: int) -> Callable[[int], float]:
        return lambda n: -1e9 if (value := makers[k][0](n)) is None else sign * value

    needed = {}
    for number, k in enumerate(several):
        yield Progress(number, len(several) + 7, f"{k} annotators an item")
        needed[k] = items_needed(good(k), sign * target)
    most = max(1.4 * items, 1.25 * min(needed.get(annotators) or 400, 20_000), 60)
    places = sorted({max(4, round(most * step / 63)) for step in range(1, 64)})
    found = {k: [makers[k][0](n) for n in places] for k in several}
    simulated, every = [], [max(5, round(most * step / 6)) for step in range(1, 7)]
    for number, n in enumerate(every):
        yield Progress(len(several) + 1 + number, len(several) + 7, f"{n:,} items simulated")
        if annotators in makers and (value := makers[annotators][1](n, studies, seed)) is not None:
            simulated.append((n, value))
    at = makers[annotators][0](items) if annotators in makers and items > 1 else None
    return Curves(places, found, simulated, at, needed)


def _design(goal: str, values: dict[str, float], k: int) -> tuple[Callable, Callable]:
    """(by formula, by simulation), functions of the number of items."""
    from core.statistics import power_difference as difference
    from core.statistics import power_width as width

    if goal == "difference":
        one = difference.Proportions(values["rate"] + values["difference"], values["rate"], values["discordant"],
                                     values["accuracy"], k)  # fmt: skip
        return (lambda n: difference.proportions_power(one, n, values["level"]),
                lambda n, studies, seed: difference.proportions_simulated(one, n, values["level"], studies, seed))  # fmt: skip
    if goal == "means":
        two = difference.Means(values["difference"], values["sd_items"], values["sd_label"], k)
        return (lambda n: difference.means_power(two, n, values["level"]),
                lambda n, studies, seed: difference.means_simulated(two, n, values["level"], studies, seed))  # fmt: skip
    if goal == "rate":
        known = values["rate"], values["alpha"]
        return (lambda n: width.rate_half_width(known[0], n, k, known[1]),
                lambda n, studies, seed: width.rate_simulated(known[0], n, k, known[1], studies=studies, seed=seed)[0])  # fmt: skip
    others = int(values["categories"]) - 1
    shares = [values["frequent"], *[(1 - values["frequent"]) / others] * others]
    profile = width.assumed_profile(values["alpha"], shares, max(k, 2))
    return (lambda n: width.alpha_half_width(profile, n),
            lambda n, studies, seed: width.alpha_simulated(profile, n, studies=studies, seed=seed))  # fmt: skip


class Pilot(NamedTuple):
    """What a pilot says of the values that a plan needs. goal -> values; `why`: goal -> where they come from."""

    values: dict[str, dict[str, float]]
    why: dict[str, str]


def from_pilot(study: Study, given: Sequence[Label]) -> Pilot:
    """Values of a plan, from the pilot's labels; a goal for which these do not suffice is left out."""
    given = [one for one in given if one.round == "pilot"]
    values: dict[str, dict[str, float]] = {}
    why: dict[str, str] = {}
    if "sentences" in study.ask and (found := table(study, given, "sentences")).values.size:
        _of_sentences(found, values, why)
    if "helpful" in study.ask and (found := table(study, given, "helpful")).values.size:
        _of_stars(found, values, why)
    if "preference" in study.ask and (found := table(study, given, "preference")).values.size:
        _of_labels(found, 0, values, why, "preferences")
    return Pilot(values, why)


def _of_labels(found: Table, yes: int, values: dict, why: dict, noun: str) -> None:
    """Share of one category, alpha, and the share of the most frequent one."""
    import numpy as np

    from core.statistics.agreement.alpha import alpha
    from core.statistics.agreement.coefficient import estimate

    known = found.values[~np.isnan(found.values)]
    shares = np.bincount(known.astype(int), minlength=len(found.categories)) / len(known)
    agreement = estimate(alpha(found.values, "nominal"), resamples=0).value
    binary = estimate(
        alpha(np.where(np.isnan(found.values), np.nan, found.values == yes), "nominal"), resamples=0
    ).value
    told = f"{len(known):,} labels of {len(found.items):,} {noun} in the pilot"
    if binary is not None:
        values["rate"], why["rate"] = {"rate": float(shares[yes]), "alpha": max(binary, 0.0)}, told
    if agreement is not None and shares.max() < 1:
        values["alpha"] = {"alpha": float(np.clip(agreement, 0, 0.99)), "frequent": float(np.clip(shares.max(), 0.3, 0.95)),
                           "categories": max(2, int((shares > 0).sum()))}  # fmt: skip
        why["alpha"] = told


def _of_sentences(found: Table, values: dict, why: dict) -> None:
    """An answer counts as right for an annotator where all its sentences are supported."""
    import numpy as np

    _of_labels(found, 0, values, why, "sentences")
    answers = list(dict.fromkeys(found.item_ids))
    whole = np.full((len(answers), len(found.annotators)), np.nan)
    for row, answer in enumerate(answers):
        mine = found.values[[place for place, id in enumerate(found.item_ids) if id == answer]]
        known = ~np.isnan(mine).any(axis=0)
        whole[row, known] = (mine[:, known] == 0).all(axis=0)
    pairs = [(whole[:, a], whole[:, b]) for a, b in combinations(range(whole.shape[1]), 2)]
    same = np.concatenate([a[ok] == b[ok] for a, b in pairs if (ok := ~np.isnan(a + b)).any()] or [np.zeros(0)])
    if not len(same) or np.isnan(whole).all():
        return
    # two annotators who are right with chance a agree with chance a^2 + (1 - a)^2
    accuracy = (1 + np.sqrt(max(2 * same.mean() - 1, 0))) / 2
    rate = float(np.nanmean(whole))
    values["difference"] = {"rate": round(rate, 3), "accuracy": round(float(accuracy), 3),
                            "discordant": round(2 * rate * (1 - rate), 3)}  # fmt: skip
    why["difference"] = (f"{len(answers):,} answers of the pilot, right where all sentences are supported; answers to a question as if "
                         f"independent, {len(same):,} pairs of labels")  # fmt: skip


def _of_stars(found: Table, values: dict, why: dict) -> None:
    import numpy as np

    from core.statistics.power_difference import means_from_pilot

    if (~np.isnan(found.values).all(axis=1)).sum() < 3:
        return
    one = means_from_pilot(found.values, found.values.shape[1])
    twice = 2**0.5  # of the difference between two answers with independent scores
    values["means"] = {"sd_items": round(max(one.sd_items * twice, 0.1), 2), "sd_label": round(one.sd_label * twice, 2)}
    why["means"] = f"scores of {len(found.items):,} answers of the pilot; two answers to a question as if independent"


def check_values(goal: str, values: dict[str, float]) -> None:
    """Raises a WorkbenchError where values contradict each other."""
    if goal != "difference":
        return
    low, high = discordant_bounds(values["rate"], values["difference"])
    if not 0 <= values["rate"] + values["difference"] <= 1:
        raise WorkbenchError("The share and the difference add up to more than 1.", todo="Lower one of them.")
    if not low - 1e-9 <= values["discordant"] <= high + 1e-9:
        raise WorkbenchError(f"With these shares {low:.0%} to {high:.0%} of the questions can have one right answer.",
                             todo="Move that share into this range.")  # fmt: skip
