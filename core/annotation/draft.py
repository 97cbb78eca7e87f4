"""A study's draft: made whole from what is stored, its items drawn anew. Nothing is recorded here; what is drawn follows from the seed."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

from core.annotation.drawing import Candidate, draw, draw_pairs, drawn_by, with_attention, with_duplicates
from core.annotation.drawing import shared as answered_by_all
from core.annotation.rubric import default_rubric
from core.annotation.stored_answers import candidates, read_candidates
from core.annotation.study import Item, Study, altered, plain, systems_of
from core.annotation.system_names import systems
from core.annotation.versions import studies
from core.config import valid
from core.errors import WorkbenchError
from core.workbench import Workbench

PILOT, MAIN, REPEATS = 30, 100, 0.1  # items of the rounds, and the share of them that is shown twice
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
    answers = candidates(workbench)
    here = usual_corpus(answers, dataset)
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
    return redraw(answers, study, Drawing(dataset=here, systems=whole(answers, here)))


def usual_corpus(answers: Sequence[Candidate], dataset: str) -> str:
    """Of which corpus a draft takes answers by itself: of this one, where there are some; "": of all."""
    return dataset if any(answer.dataset == dataset for answer in answers) else ""


def of_corpus(answers: Sequence[Candidate], dataset: str) -> list[Candidate]:
    """dataset: "", all."""
    return [answer for answer in answers if dataset in ("", answer.dataset)]


def left_over(answers: Sequence[Candidate]) -> dict[str, int]:
    """Systems that answered less than a third of what the largest did, as after a job that was cancelled -> how many answers."""
    counts = systems(answers)
    most = max(counts.values(), default=0)
    return {name: number for name, number in counts.items() if 3 * number < most}


def whole(answers: Sequence[Candidate], dataset: str) -> tuple[str, ...]:
    """The systems that a draft begins with, as a drawing names them."""
    here = of_corpus(answers, dataset)
    few = left_over(here)
    return tuple(sorted(name for name in systems(here) if name not in few)) if few else ()


def free_name(workbench: Workbench, title: str) -> str:
    """A study's name made of its title; with a number where it is taken."""
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:48] or "study"
    taken = {version.study.id for version in studies(workbench)}
    return next(slug for n in range(1, len(taken) + 2) if (slug := name if n == 1 else f"{name}-{n}") not in taken)


def of_kind(answers: Sequence[Candidate], study: Study, drawing: Drawing, kind: str) -> Drawn:
    """The draft as a study of single answers, or of pairs."""
    bare = altered(study, {"kind": kind, "items": (), "ask": DEFAULTS[kind]["ask"]})
    systems = whole(answers, drawing.dataset) if kind == "rating" else ()
    drawn = redraw(answers, bare, replace(drawing.wish, systems=systems, by=""))
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
    return texts | (ONE_SYSTEM if len(systems_of(study)) < 2 else PAIRED if paired(study) else SEVERAL)


def without(study: Study, ids: Iterable[str]) -> Study:
    """The draft without these items and their repeats; where systems answer the same questions, without the whole question."""
    gone = [study.item(item_id) for item_id in ids]
    asked = {(item.round, item.question) for item in gone} if paired(study) else set()
    left = {item.id for item in study.items if item.plain and (item in gone or (item.round, item.question) in asked)}
    return altered(study, {"items": tuple(item for item in study.items if item.id not in left and item.duplicate_of not in left)})


def paired(study: Study) -> bool:
    """Does every question have an answer of each system, in the same round? The main round tells, before it is drawn the
    pilot."""
    items = plain(study.items, "main") or plain(study.items)
    by_question: dict[tuple[str, str], Counter] = defaultdict(Counter)
    for item in items:
        by_question[item.round, item.question].update(response.system for response in item.responses)
    number = len({response.system for item in items for response in item.responses})
    return number > 1 and all(len(by) == number and len(set(by.values())) == 1 for by in by_question.values())


def drawing_of(study: Study, answers: Sequence[Candidate]) -> Drawing:
    """How a study's items were drawn, as far as they tell."""
    items = plain(study.items)
    origin = {answer.source: answer.dataset for answer in answers}
    datasets = {origin.get(item.responses[0].source, "") for item in items}
    used = tuple(sorted(systems_of(study)))
    by = "question" if paired(study) else "" if len(used) == len(datasets) == 1 else drawn_by(study) or "none"
    repeats = sum(bool(item.duplicate_of) for item in study.items) / len(items) if items else REPEATS
    everything = study.kind == "rating" and set(used) == {answer.system for answer in answers}
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
    here = pool = of_corpus(answers, drawing.dataset)
    if study.kind == "pairs":
        drawing = replace(drawing, systems=_two(pool, drawing.systems))
    if drawing.systems:
        pool = [answer for answer in pool if answer.system in drawing.systems]
    if study.kind == "rating" and not drawing.by:
        drawing = replace(drawing, by="question" if _enough(pool, drawing.pilot + drawing.main) else "system")
    named = {answer.system for answer in pool}
    pilot = [item for item in study.items if keep_pilot and item.round == "pilot"]
    shown = {(response.system, item.question) for item in pilot for response in item.responses}
    pool = [answer for answer in pool if (answer.system, answer.question) not in shown]
    together = len(named) if study.kind == "rating" and drawing.by == "question" else 1  # items that are drawn as one
    if study.kind == "pairs":
        available = _pairs(pool, drawing.systems)
    else:
        available = len(answered_by_all(pool, named)) * together if together > 1 else len(pool)
    first = 0 if pilot else min(drawing.pilot, available) // together * together
    main = min(drawing.main, available - first) // together * together
    drawing = replace(drawing, main=main, pilot=len(plain(pilot)) or first, asked=asked)
    seed, count = (study.seed if keep_pilot else drawing.seed), first + main
    drawn: tuple[Item, ...] = ()
    if count and study.kind == "pairs":
        drawn = draw_pairs(pool, *drawing.systems, count, seed=seed, pilot=first)
    elif count:
        drawn = draw(pool, count, drawing.by, drawing.allocation, seed, first)
    rounds = [
        pilot or _repeated(plain(drawn, "pilot"), drawing.repeats, seed),
        _repeated(plain(drawn, "main"), drawing.repeats, seed),
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
    number = len({answer.system for answer in pool})
    return number > 1 and number * len(answered_by_all(pool)) >= min(items, len(pool) / 2)


def _repeated(items: Sequence[Item], share: float, seed: int) -> tuple[Item, ...]:
    return with_duplicates(items, round(share * len(items)), seed)


def _two(pool: Sequence[Candidate], named: tuple[str, ...]) -> tuple[str, ...]:
    """The two systems that are named, or those that share most questions."""
    names = sorted({answer.system for answer in pool})
    if len(set(named)) == 2 and set(named) <= set(names):
        return named
    return max(combinations(names, 2), key=lambda two: _pairs(pool, two), default=())


def _pairs(pool: Sequence[Candidate], two: tuple[str, ...]) -> int:
    return len(answered_by_all(pool, two)) if len(two) == 2 else 0


def from_settings(workbench: Workbench, mapping: dict[str, Any]) -> Study:
    """A study from plain settings: those of `Study`, with `draw` in place of the items.

    draw: count, pilot, by (question, system, dataset, none), allocation, dataset, systems (two for pairs), duplicates,
    attention (true: items with known answers among those of each round, made of the corpus).
    Without rubrics it has the one in use.
    """
    settings = {"rubrics": [default_rubric().model_dump(mode="json")], **mapping}
    how = settings.pop("draw", None)
    seed, kind = settings.get("seed", 0), settings.get("kind", "rating")
    if how is not None:
        try:
            how = dict(how)
            answers = read_candidates(workbench, how.get("dataset", ""))
            items = _drawn(answers, kind, seed, how, _names(settings["rubrics"]))
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise WorkbenchError(
                f"The items cannot be drawn: {error}.", where="draw", todo=from_settings.__doc__.split("\n\n")[1].strip()
            ) from None
        settings["items"] = [item.model_dump(mode="json") for item in items]
    return valid(Study, settings)


def _names(rubrics: Any) -> tuple[str, ...]:
    """The labels of the rubric in use; whether it is a rubric at all is looked at later."""
    with suppress(TypeError, KeyError, IndexError, AttributeError):
        return tuple(label["name"] for label in rubrics[-1]["labels"])
    return ()


def _drawn(answers: list[Candidate], kind: str, seed: int, how: dict[str, Any], labels: Sequence[str]) -> tuple[Item, ...]:
    """The items of `draw`, with duplicates and attention items."""
    duplicates, attention, named = how.pop("duplicates", 0), how.pop("attention", False), how.pop("systems", None)
    how.pop("dataset", None)
    if named:
        answers = [answer for answer in answers if answer.system in named]
    if kind == "pairs":
        if len(named or ()) != 2:
            raise WorkbenchError("Pairs are drawn of two systems.", where="draw.systems", todo="Name two.")
        items = draw_pairs(answers, *named, seed=seed, **how)
    else:
        items = draw(answers, seed=seed, **how)
    items = with_duplicates(items, duplicates, seed)
    return with_attention(items, seed, candidates=answers, labels=labels) if attention else items
