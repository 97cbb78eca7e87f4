"""The verbs of designing a study: a whole draft to start from, its list drawn anew, where it stands, and how large it has to be.

Nothing is recorded here: `annotation_lab` saves and freezes. What is drawn follows from the seed alone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

from core.annotation import studies as lab
from core.annotation.drawing import Candidate, draw, draw_pairs, drawn_by, with_attention, with_duplicates
from core.annotation.drawing import shared as answered_by_all
from core.annotation.labels import Label, Table, attention_score, complete, differences, table
from core.annotation.study import Item, Study, altered, assignment, default_rubric
from core.config import TrialConfig, valid
from core.errors import WorkbenchError
from core.records import Progress
from core.workbench import Workbench

PILOT, MAIN, REPEATS = 30, 100, 0.1  # items of the rounds, and the share of them that is shown twice
STEPS = ("Draft", "Pilot", "Revise", "Main", "Adjudicate", "Analyse")
# alpha below which even tentative conclusions are unsafe: Krippendorff 2004, "Content analysis", p. 241
TENTATIVE = 0.667

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
PAIRED = {
    "hypothesis": SEVERAL["hypothesis"],
    "test": "95% interval of the difference, by bootstrap over the questions that all systems answered: it leaves out 0.",
}


# A draft and its items -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """How the items are drawn. repeats: share of the items that everybody who has them meets twice."""

    pilot: int = PILOT
    main: int = MAIN
    by: str = ""  # of BY; "": by question where the systems share enough of them, else by system
    allocation: str = "equal"
    dataset: str = ""  # "": all corpora
    systems: tuple[str, ...] = ()  # (): all; two for pairs
    repeats: float = REPEATS
    attention: bool = True
    seed: int = 0
    asked: "Drawing | None" = None  # of one that was drawn: as it was asked for, which there may be too few answers for

    @property
    def wish(self) -> "Drawing":
        """To go on from when something is changed, so that a number comes back once there are answers for it."""
        return self.asked or self


class Drawn(NamedTuple):
    study: Study
    drawing: Drawing  # as far as there are answers for it
    available: int  # answers, or questions that both systems of pairs answered


def start(workbench: Workbench, title: str = "", dataset: str = "") -> Drawn:
    """A draft that could be frozen as it is; not recorded. The answers of `dataset`, where there are some."""
    title = title.strip() or "Faithfulness"
    found = candidates(workbench)
    here = dataset if any(one.dataset == dataset for one in found) else ""
    study = valid(
        Study,
        {
            "id": free_name(workbench, title),
            "title": title,
            **DEFAULTS["rating"],
            **ONE_SYSTEM,
            "rubrics": [default_rubric()],
            "annotators": ("Annotator 1", "Annotator 2"),
        },
    )
    return redraw(found, study, Drawing(dataset=here, systems=whole(found, here)))


def left_over(found: Sequence[Candidate]) -> dict[str, int]:
    """Systems that answered less than a third of what the largest did, as after a job that was cancelled -> how many answers."""
    known = lab.systems(found)
    most = max(known.values(), default=0)
    return {name: number for name, number in known.items() if 3 * number < most}


def whole(found: Sequence[Candidate], dataset: str) -> tuple[str, ...]:
    """The systems that a draft begins with, as a drawing names them."""
    here = [one for one in found if dataset in ("", one.dataset)]
    few = left_over(here)
    return tuple(sorted(name for name in lab.systems(here) if name not in few)) if few else ()


def candidates(workbench: Workbench, study: Study | None = None) -> list[Candidate]:
    """Stored answers that can be judged; read again once there are more. Systems that the study has already are called
    as it calls them: names that were made by an older version stay."""
    found = _candidates(workbench)
    known = {one.source: one.system for item in plain(study.items) for one in item.responses} if study else {}
    named = {one.system: known[one.source] for one in found if one.source in known}
    if all(now == name for now, name in named.items()):
        return found
    return [one._replace(system=named.get(one.system, one.system)) for one in found]


def _candidates(workbench: Workbench) -> list[Candidate]:
    [row] = workbench.store.query(
        "SELECT count(*) AS answers, max(id) AS last, (SELECT count(*) FROM questions) AS questions FROM answers"
    )
    known = "/".join(map(str, row.values()))
    return workbench.pipeline.remember("candidates", known, lambda: lab.candidates(workbench))


def seconds_an_answer(workbench: Workbench, config: TrialConfig) -> float | None:
    """What an answer of this model took, where some are stored."""
    made = config.generation
    [row] = workbench.store.query(
        """SELECT median(retrieval_ms + generation_ms) / 1000 AS seconds FROM answers
           WHERE generation_ms > 0 AND (config ->> '$.generation.part') = ? AND (config ->> '$.generation.model') = ?""",
        [made.part, made.model],
    )
    return row["seconds"]


def free_name(workbench: Workbench, title: str) -> str:
    """A study's name made of its title; with a number where it is taken."""
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:48] or "study"
    taken = {one.study.id for one in lab.studies(workbench)}
    return next(one for n in range(1, len(taken) + 2) if (one := name if n == 1 else f"{name}-{n}") not in taken)


def of_kind(found: Sequence[Candidate], study: Study, drawing: Drawing, kind: str) -> Drawn:
    """The draft as a study of single answers, or of pairs."""
    bare = altered(study, {"kind": kind, "items": (), "ask": DEFAULTS[kind]["ask"]})
    systems = whole(found, drawing.dataset) if kind == "rating" else ()
    drawn = redraw(found, bare, replace(drawing.wish, systems=systems, by=""))
    return drawn._replace(study=_worded(study, drawn.study))


def _worded(before: Study, after: Study) -> Study:
    """Texts that nobody wrote follow what is drawn."""
    old, new = _usual(before), _usual(after)
    return altered(after, {name: new[name] for name in new if getattr(before, name) == old[name]})


def _usual(study: Study) -> dict[str, str]:
    """Question, hypothesis, measure and test as a new study has them."""
    texts = {name: text for name, text in DEFAULTS[study.kind].items() if name != "ask"}
    if study.kind == "pairs":
        return texts
    return texts | (ONE_SYSTEM if len(systems(study)) < 2 else PAIRED if paired(study) else SEVERAL)


def systems(study: Study) -> dict[str, int]:
    """System -> items with an answer of it, without repeats and attention items."""
    return dict(Counter(response.system for item in plain(study.items) for response in item.responses).most_common())


def plain(items: Sequence[Item], round: str = "") -> list[Item]:
    return [item for item in items if item.plain and round in ("", item.round)]


def without(study: Study, ids: Iterable[str]) -> Study:
    """The draft without these items and their repeats; where systems answer the same questions, without the whole question."""
    gone = [study.item(id) for id in ids]
    asked = {(item.round, item.question) for item in gone} if paired(study) else set()
    left = {item.id for item in study.items if item.plain and (item in gone or (item.round, item.question) in asked)}
    return altered(study, {"items": tuple(item for item in study.items if item.id not in left and item.duplicate_of not in left)})


def paired(study: Study) -> bool:
    """Does every question have an answer of each system, in the same round? The main round tells, before it is drawn the
    pilot."""
    items = plain(study.items, "main") or plain(study.items)
    by_question: dict[tuple[str, str], Counter] = defaultdict(Counter)
    for item in items:
        by_question[item.round, item.question].update(one.system for one in item.responses)
    number = len({one.system for item in items for one in item.responses})
    return number > 1 and all(len(by) == number and len(set(by.values())) == 1 for by in by_question.values())


def drawing_of(study: Study, found: Sequence[Candidate]) -> Drawing:
    """How a study's items were drawn, as far as they tell."""
    items = plain(study.items)
    origin = {one.source: one.dataset for one in found}
    datasets = {origin.get(item.responses[0].source, "") for item in items}
    used = tuple(sorted(systems(study)))
    by = "question" if paired(study) else "" if len(used) == len(datasets) == 1 else drawn_by(study) or "none"
    repeats = sum(bool(item.duplicate_of) for item in study.items) / len(items) if items else REPEATS
    everything = study.kind == "rating" and set(used) == {one.system for one in found}
    return Drawing(
        len(plain(items, "pilot")),
        len(plain(items, "main")),
        by,
        "equal",
        datasets.pop() if len(datasets) == 1 else "",
        () if everything else used,
        round(repeats, 2),
        any(item.attention for item in study.items),
        study.seed,
    )


def redraw(answers: Sequence[Candidate], study: Study, drawing: Drawing, *, keep_pilot: bool = False) -> Drawn:
    """The study with its items drawn by `drawing`, as many as there are answers for.

    keep_pilot: the pilot's items stay, and the main round is drawn from answers that the pilot has not shown.
    """
    asked = replace(drawing, asked=None)
    here = pool = [one for one in answers if drawing.dataset in ("", one.dataset)]
    if study.kind == "pairs":
        drawing = replace(drawing, systems=_two(pool, drawing.systems))
    if drawing.systems:
        pool = [one for one in pool if one.system in drawing.systems]
    if study.kind == "rating" and not drawing.by:
        drawing = replace(drawing, by="question" if _enough(pool, drawing.pilot + drawing.main) else "system")
    named = {one.system for one in pool}
    pilot = [item for item in study.items if keep_pilot and item.round == "pilot"]
    shown = {(response.system, item.question) for item in pilot for response in item.responses}
    pool = [one for one in pool if (one.system, one.question) not in shown]
    together = len(named) if study.kind == "rating" and drawing.by == "question" else 1  # items that are drawn as one
    if study.kind == "pairs":
        available = _pairs(pool, drawing.systems)
    else:
        available = len(answered_by_all(pool, named)) * together if together > 1 else len(pool)
    first = 0 if pilot else min(drawing.pilot, available) // together * together
    main = min(drawing.main, available - first) // together * together
    drawing = replace(drawing, main=main, pilot=len(plain(pilot)) or first, asked=asked)
    seed, count = (study.seed if keep_pilot else drawing.seed), first + main
    found: tuple[Item, ...] = ()
    if count and study.kind == "pairs":
        found = draw_pairs(pool, *drawing.systems, count, seed=seed, pilot=first)
    elif count:
        found = draw(pool, count, drawing.by, drawing.allocation, seed, first)
    rounds = [
        pilot or _repeated(plain(found, "pilot"), drawing.repeats, seed),
        _repeated(plain(found, "main"), drawing.repeats, seed),
    ]
    items = (*rounds[0], *rounds[1])
    if pilot:  # those of both rounds: their labels are there
        items += tuple(item for item in study.items if item.attention and not item.round)
    if drawing.attention and "sentences" in study.ask and not any(item.attention and not item.round for item in items):
        items = with_attention(items, seed, ("main",) if pilot else ("pilot", "main"), here, study.names)
    new = altered(study, {"items": items, "seed": seed})
    return Drawn(new if keep_pilot else _worded(study, new), drawing, available)


def _enough(pool: Sequence[Candidate], items: int) -> bool:
    """Do the systems share questions for so many items, or at least for half of all there are?"""
    number = len({one.system for one in pool})
    return number > 1 and number * len(answered_by_all(pool)) >= min(items, len(pool) / 2)


def _repeated(items: Sequence[Item], share: float, seed: int) -> tuple[Item, ...]:
    return with_duplicates(items, round(share * len(items)), seed)


def _two(pool: Sequence[Candidate], named: tuple[str, ...]) -> tuple[str, ...]:
    """The two systems that are named, or those that share most questions."""
    known = sorted({one.system for one in pool})
    if len(set(named)) == 2 and set(named) <= set(known):
        return named
    return max(combinations(known, 2), key=lambda two: _pairs(pool, two), default=())


def _pairs(pool: Sequence[Candidate], two: tuple[str, ...]) -> int:
    return len(answered_by_all(pool, two)) if len(two) == 2 else 0


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


def apart(study: Study, round: str) -> int:
    """Fewest screens from an item to its repeat, of any annotator; 0: there are no repeats."""
    places = [{id: place for place, id in enumerate(mine)} for mine in assignment(study, round).values()]
    return min(
        (
            at[item.id] - at[item.duplicate_of]
            for at in places
            for item in study.items
            if item.duplicate_of in at and item.id in at
        ),
        default=0,
    )


def shared(study: Study, round: str) -> tuple[int, int]:
    """Fewest and most items that two annotators have in common, without repeats and attention items."""
    assigned = assignment(study, round)
    given = {name: {one.id for one in plain([study.item(id) for id in ids])} for name, ids in assigned.items()}
    common = [len(a & b) for a, b in combinations(given.values(), 2)]
    return (min(common), max(common)) if common else (0, 0)


# Where a study stands ------------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    step: str  # one of STEPS
    people: tuple[lab.AnnotatorProgress, ...]
    disputed: int  # items on which the annotators of the main round differ
    agreement: Any  # core.statistics Agreement of what was labelled in this round; None before there is some
    stopped: str  # why labelling may end early; "" where it may not
    # of the round that is analysed: labels of an item -> how many have so few, though more were planned
    short: dict[int, int]
    undecided: int  # disputed items that no adjudicator decided
    differ: dict[str, int] = {}  # what the annotators of the main round differ in -> how many of them

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
        return Standing("Draft", (), 0, None, "", {}, 0)
    study, people = frozen.study, tuple(lab.progress(workbench, frozen))
    judged = "main" if frozen.round == "adjudication" else frozen.round
    given = lab.labels(workbench, study.id, judged)
    agreement = agreed(study, given)
    done = all(one.done >= one.assigned for one in people)
    differ = differences(study, given) if judged == "main" else {}
    stopped = stop_reached(study, agreement) if frozen.round == "main" and not done else ""
    if frozen.round == "pilot":
        step = "Revise" if done else "Pilot"
    elif frozen.round == "main":
        step = "Main" if not (done or stopped) else "Adjudicate" if differ and study.annotators[1:] else "Analyse"
    else:
        step = "Analyse" if done else "Adjudicate"
    last = lab.labels(workbench, study.id, "adjudication") if frozen.round == "adjudication" else []
    undecided = sum(few_labels(study, "adjudication", last).values())
    parts = dict(sum(differ.values(), Counter()).most_common())
    return Standing(step, people, len(differ), agreement, stopped, few_labels(study, judged, given), undecided, parts)


def few_labels(study: Study, round: str, given: Sequence[Label]) -> dict[int, int]:
    """Whole labels that an item has -> how many items have so few, of those with fewer than the design wants."""
    wanted = 1 if round == "adjudication" else study.per_item
    many = Counter(one.item for one in given if complete(study, one))
    found = Counter(many[item.id] for item in plain(study.round_items(round)))
    return {number: found[number] for number in sorted(found) if number < wanted}


def agreed(study: Study, given: Sequence[Label]) -> Any:
    """Krippendorff's alpha of the first thing that is asked, as the last point of it as labels come in; None where nothing
    is labelled."""
    from core.statistics.agreement.alpha import alpha
    from core.statistics.agreement.coefficient import estimate
    from core.statistics.agreement.growth import RESAMPLES

    found = table(study, given, study.ask[0])
    return estimate(alpha(found.values, found.level), RESAMPLES, groups=found.item_ids) if found.values.size else None


def stop_reached(study: Study, agreement: Any) -> str:
    """Why the study's stop rule ends the labelling; "" while it does not. The rule is that of alpha as labels come in."""
    from core.statistics.agreement.growth import met

    rule = study.stop
    if agreement is None or not met(rule.kind, rule.value, agreement):
        return ""
    if rule.kind == "alpha":
        return f"alpha {agreement.value:.3f} has reached {rule.value:g}"
    half = (agreement.high - agreement.low) / 2
    return f"the half-width of alpha's interval, {half:.3f}, is at most {rule.value:g}"


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
    by_annotators: dict[int, list[float | None]]  # annotators an item -> by formula, as `predictors` says
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
    several = sorted({1, 2, 3, 5, annotators} - ({1} if goal == "alpha" else set()))
    makers, needed = {k: predictors(goal, values, k) for k in several}, {}
    for number, k in enumerate(several):
        yield Progress(number, 2 * len(several) + 6, f"{k} annotators an item")
        needed[k] = items_for(goal, values, k)
    most = max(1.4 * items, 1.25 * min(needed.get(annotators) or 400, 20_000), 60)
    places = sorted({max(4, round(most * step / 63)) for step in range(1, 64)})
    found = {}
    for number, k in enumerate(several):
        yield Progress(len(several) + number, 2 * len(several) + 6, f"{k} annotators an item")
        found[k] = [makers[k][0](n) for n in places]
    simulated, every = [], [max(5, round(most * step / 6)) for step in range(1, 7)]
    for number, n in enumerate(every):
        yield Progress(2 * len(several) + number, 2 * len(several) + 6, f"{n:,} items simulated")
        if annotators in makers and (value := makers[annotators][1](n, studies, seed)) is not None:
            simulated.append((n, value))
    at = makers[annotators][0](items) if annotators in makers and items > 1 else None
    return Curves(places, found, simulated, at, needed)


def items_for(goal: str, values: dict[str, float], annotators: int) -> int | None:
    """Items that the target of a goal takes, by formula; None: more than 100,000."""
    from core.statistics.power_difference import items_needed

    sign, formula = (1 if goal in ("difference", "means") else -1), predictors(goal, values, annotators)[0]
    return items_needed(lambda n: -1e9 if (value := formula(n)) is None else sign * value, sign * values["target"])


def predictors(goal: str, values: dict[str, float], k: int) -> tuple[Callable, Callable]:
    """What a study of k annotators an item reaches: (by formula, by simulation), functions of the number of items."""
    from core.statistics import power_difference as difference
    from core.statistics import power_width as width

    if goal == "difference":
        one = difference.Proportions(
            values["rate"] + values["difference"], values["rate"], values["discordant"], values["accuracy"], k
        )
        return (
            lambda n: difference.proportions_power(one, n, values["level"]),
            lambda n, studies, seed: difference.proportions_simulated(one, n, values["level"], studies, seed),
        )
    if goal == "means":
        two = difference.Means(values["difference"], values["sd_items"], values["sd_label"], k)
        return (
            lambda n: difference.means_power(two, n, values["level"]),
            lambda n, studies, seed: difference.means_simulated(two, n, values["level"], studies, seed),
        )
    if goal == "rate":
        known = values["rate"], values["alpha"]
        return (
            lambda n: width.rate_half_width(known[0], n, k, known[1]),
            lambda n, studies, seed: width.rate_simulated(known[0], n, k, known[1], studies=studies, seed=seed)[0],
        )
    others = int(values["categories"]) - 1
    shares = [values["frequent"], *[(1 - values["frequent"]) / others] * others]
    profile = width.assumed_profile(values["alpha"], shares, max(k, 2))
    return (
        width.alpha_planned(profile, 1 - max(shares)),
        lambda n, studies, seed: width.alpha_simulated(profile, n, studies=studies, seed=seed),
    )


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
    binary = estimate(alpha(np.where(np.isnan(found.values), np.nan, found.values == yes), "nominal"), resamples=0).value
    told = f"{len(known):,} labels of {len(found.items):,} {noun} in the pilot"
    if binary is not None:
        values["rate"], why["rate"] = {"rate": float(shares[yes]), "alpha": max(binary, 0.0)}, told
    if agreement is not None and shares.max() < 1:
        values["alpha"] = {
            "alpha": float(np.clip(agreement, 0, 0.99)),
            "frequent": float(np.clip(shares.max(), 0.3, 0.95)),
            "categories": max(2, int((shares > 0).sum())),
        }
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
    if accuracy == 0.5:  # labels of chance tell no rate
        return
    # labels say yes in rate * accuracy + (1 - rate) * (1 - accuracy): errors are taken out, as the power puts them in again
    rate = float(np.clip((np.nanmean(whole) + accuracy - 1) / (2 * accuracy - 1), 0, 1))
    values["difference"] = {
        "rate": round(rate, 3),
        "accuracy": round(float(accuracy), 3),
        "discordant": round(2 * rate * (1 - rate), 3),
    }
    why["difference"] = (
        f"{len(answers):,} answers of the pilot, right where all sentences are supported, less the errors of "
        f"labels; answers to a question as if independent, {len(same):,} pairs of labels"
    )


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
        raise WorkbenchError(
            f"With these shares {low:.0%} to {high:.0%} of the questions can have one right answer.",
            todo="Move that share into this range.",
        )
