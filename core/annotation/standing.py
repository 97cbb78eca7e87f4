"""Where a study stands: who is how far, what the labels say by now, and which step is under way."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.annotation import label_table, latest
from core.annotation.assignment import assignment
from core.annotation.attention import attention_score
from core.annotation.disputes import differences
from core.annotation.labels import Label, complete
from core.annotation.study import Study, plain
from core.annotation.versions import Frozen
from core.workbench import Workbench

STEPS = ("Draft", "Pilot", "Revise", "Main", "Adjudicate", "Analyse")
# alpha below which even tentative conclusions are unsafe: Krippendorff 2004, "Content analysis", p. 241
TENTATIVE = 0.667


class AnnotatorProgress(NamedTuple):
    annotator: str
    done: int
    assigned: int
    partial: int  # begun, not complete
    seconds_median: float | None  # an item, of those without a sentence labelled in bulk
    last: str  # when the latest label was saved
    bulk: int = 0  # sentences labelled together with those of other screens


def progress(workbench: Workbench, frozen: Frozen) -> list[AnnotatorProgress]:
    """How far each annotator is in the round."""
    records = [
        record
        for (round_name, _, _), record in workbench.store.labels.current(frozen.study.id).items()
        if round_name == frozen.round and not record.get("withdrawn")
    ]
    rows = []
    for name, assigned in assignment(frozen.study, frozen.round).items():
        mine = set(assigned)
        own = [record for record in records if record["annotator"] == name and record["item"] in mine]
        seconds = [
            record["seconds"]
            for record in own
            if record["complete"] and record.get("seconds") is not None and not record.get("bulk")
        ]
        whole = sum(record["complete"] for record in own)
        rows.append(
            AnnotatorProgress(
                name,
                whole,
                len(mine),
                len(own) - whole,
                statistics.median(seconds) if seconds else None,
                max((record["created"] for record in own), default=""),
                sum(len(record.get("bulk") or ()) for record in own),
            )
        )
    return rows


class SameLabels(NamedTuple):
    """Of the labels that an annotator shares with another: how many say the same. A label shared with two counts twice."""

    same: int
    shared: int


def may_show_agreement(frozen: Frozen, people: Sequence[AnnotatorProgress]) -> bool:
    """Whether agreement may be looked at while labels come in: not before all are there, unless the frozen stop rule itself reads it.
    Who sees it earlier can stop, or speak to somebody, when it suits the result."""
    return frozen.study.stop.kind != "all_labelled" or all(person.done >= person.assigned for person in people)


def alike(workbench: Workbench, frozen: Frozen) -> dict[str, SameLabels]:
    """Annotator -> agreement with the others on shared units of the first thing asked, of the round; {} where it may not be shown, and
    in adjudication, where nothing is shared."""
    if frozen.round == "adjudication" or not may_show_agreement(frozen, progress(workbench, frozen)):
        return {}
    table = label_table.table(frozen.study, latest.labels(workbench, frozen.study.id, frozen.round), frozen.study.ask[0])
    labelled = ~np.isnan(table.values)  # [num_units, num_annotators]
    shared, same = Counter[str](), Counter[str]()
    for i, name in enumerate(table.annotators):
        for other in range(len(table.annotators)):
            if other != i:
                both = labelled[:, i] & labelled[:, other]
                shared[name] += int(both.sum())
                same[name] += int((table.values[both, i] == table.values[both, other]).sum())
    return {name: SameLabels(same[name], shared[name]) for name in table.annotators if shared[name]}


class Standing(NamedTuple):
    step: str  # one of STEPS
    people: tuple[AnnotatorProgress, ...]
    disputed: int  # items on which the annotators of the main round differ
    agreement: Any  # core.statistics Agreement of what was labelled in this round; None before there is some
    stopped: str  # why labelling may end early; "" where it may not
    # of the round that is analysed: labels of an item -> how many have so few, though more were planned
    short: dict[int, int]
    undecided: int  # disputed items that no adjudicator decided
    differ: dict[str, int] = {}  # what the annotators of the main round differ in -> how many of them

    @property
    def open(self) -> int:
        return sum(person.assigned - person.done for person in self.people)


def state(workbench: Workbench, frozen: Frozen) -> tuple[str, int, str]:
    """Under the same state a study stands where it stood."""
    records = workbench.store.labels.current(frozen.study.id)
    return frozen.id, len(records), max((record["id"] for record in records.values()), default="")


def standing(workbench: Workbench, frozen: Frozen) -> Standing:
    """How far a study is: the step that is under way, and what the labels say by now."""
    if frozen.round == "draft":
        return Standing("Draft", (), 0, None, "", {}, 0)
    study, people = frozen.study, tuple(progress(workbench, frozen))
    judged = "main" if frozen.round == "adjudication" else frozen.round
    labels = latest.labels(workbench, study.id, judged)
    agreement = agreed(study, labels)
    done = all(person.done >= person.assigned for person in people)
    differ = differences(study, labels) if judged == "main" else {}
    stopped = stop_reached(study, agreement) if frozen.round == "main" and not done else ""
    if frozen.round == "pilot":
        step = "Revise" if done else "Pilot"
    elif frozen.round == "main":
        step = "Main" if not (done or stopped) else "Adjudicate" if differ and study.annotators[1:] else "Analyse"
    else:
        step = "Analyse" if done else "Adjudicate"
    last = latest.labels(workbench, study.id, "adjudication") if frozen.round == "adjudication" else []
    undecided = sum(few_labels(study, "adjudication", last).values())
    parts = dict(sum(differ.values(), Counter()).most_common())
    return Standing(step, people, len(differ), agreement, stopped, few_labels(study, judged, labels), undecided, parts)


def few_labels(study: Study, round_name: str, labels: Sequence[Label]) -> dict[int, int]:
    """Whole labels that an item has -> how many items have so few, of those with fewer than the design wants."""
    wanted = 1 if round_name == "adjudication" else study.per_item
    many = Counter(label.item for label in labels if complete(study, label))
    counts = Counter(many[item.id] for item in plain(study.round_items(round_name)))
    return {number: counts[number] for number in sorted(counts) if number < wanted}


def agreed(study: Study, labels: Sequence[Label]) -> Any:
    """Krippendorff's alpha of the first thing that is asked, as the last point of it as labels come in; None where nothing
    is labelled."""
    from core.statistics.agreement.alpha import alpha
    from core.statistics.agreement.coefficient import estimate
    from core.statistics.agreement.growth import RESAMPLES

    table = label_table.table(study, labels, study.ask[0])
    return estimate(alpha(table.values, table.level), RESAMPLES, groups=table.item_ids) if table.values.size else None


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


def attention(workbench: Workbench, frozen: Frozen) -> dict[str, Any]:
    """Annotator -> how many sentences of attention items are labelled as they are known to be."""
    return attention_score(frozen.study, latest.labels(workbench, frozen.study.id, frozen.round))
