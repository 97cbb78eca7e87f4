"""What the labels say by now, in sentences."""

from typing import Any

from app import session
from app.ui import cards
from app.ui.studies.desk import Desk
from app.ui.studies.goals import noun, usual_goal
from app.ui.tables import minus
from core.annotation import latest, power
from core.annotation.pilot import from_pilot


def whose_turn(desk: Desk) -> Any:
    """Who labels next: whoever has begun, with the least done; None where all is done."""
    left = [person for person in desk.standing.people if person.done < person.assigned]
    return max(left, key=lambda person: (person.partial + person.done > 0, -person.done), default=None)


ROUNDS = {"": "All rounds", "pilot": "Pilot", "main": "Main", "adjudication": "Adjudication"}


def unlabelled(desk: Desk) -> str:
    """What has fewer labels than the design wants, in a sentence; "" where nothing has."""
    wanted, standing = desk.frozen.study.per_item, desk.standing
    told = [
        f"{cards.count(items, 'item')} {'has' if items == 1 else 'have'} {cards.count(labels, 'label') if labels else 'no label'}"
        for labels, items in standing.short.items()
    ]
    said = f"{' and '.join(told)} instead of {wanted:,}. " if told else ""
    if standing.undecided:
        said += f"{cards.count(standing.undecided, 'disputed item')} {'is' if standing.undecided == 1 else 'are'} undecided. "
    return said


def alpha_words(desk: Desk) -> str:
    """What the labels of the round say of the rubric, in a sentence."""
    from core.agreement import coefficients, sources

    alpha = desk.standing.agreement
    if alpha is None:
        return ""
    if alpha.value is None:
        return f"Alpha is {alpha.note}."
    interval = "" if alpha.low is None else minus(f", 95% interval {alpha.low:.3f} to {alpha.high:.3f}")
    unit = {"sentences": "sentence", "helpful": "answer", "preference": "pair"}[desk.study.ask[0]]
    of = f" of {sources.drawn(desk.study, alpha.drawn)}" if unit == "sentence" else ""
    by = "both" if len(desk.frozen.study.annotators) == 2 else "two or more"
    judged = f"{cards.count(alpha.items, unit)}{of} judged by {by}"
    return f"Alpha {alpha.value:.3f}{interval}, {judged}: {coefficients.word(alpha)}.".replace("-0.", "−0.").replace("-1.", "−1.")


def needed_words(desk: Desk) -> str:
    """How many main items the pilot's values ask for."""
    goal = usual_goal(desk.study)
    pilot = from_pilot(desk.frozen.study, latest.labels(session.workbench(), desk.study.id, "pilot")).values.get(goal)
    if pilot is None:
        return "; the tab Power says how many it needs"
    values = power.ASSUMED[goal] | power.fitted(goal, pilot, power.ASSUMED[goal].get("difference", 0.0))
    number = power.items_for(goal, values, desk.study.per_item)
    aim = f"a half-width of {values['target']:g}" if goal == "rate" else f"a power of {values['target']:g}"
    many = f"{number:,} {noun(goal)}" if number else f"more than 100,000 {noun(goal)}"
    return f"; for {aim} the pilot's values ask for {many}: see the tab Power"


def ended(desk: Desk) -> str:
    """Why labelling is over, and what it leaves open."""
    stopped, few = desk.standing.stopped, unlabelled(desk)
    why = f"The stop rule ends the labelling: {stopped}. " if stopped else "" if few else "All is labelled. "
    return why + few
