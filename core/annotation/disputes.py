"""What annotators differ in, item by item."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from core.annotation.labels import Label, complete
from core.annotation.study import Study


def disputed(study: Study, labels: Iterable[Label]) -> list[str]:
    """Items on which annotators differ: in a sentence's label, by more than one star, in their preference, or in whether the
    item can be judged."""
    return list(differences(study, labels))


def differences(study: Study, labels: Iterable[Label]) -> dict[str, Counter[str]]:
    """Item on which annotators differ -> in how many of its parts: sentence, rating, preference; item: not all could judge it."""
    by_item: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if complete(study, label) and study.item(label.item).plain:
            by_item[label.item].append(label)
    return {item.id: parts for item in study.items if (parts := _differ(study, by_item.get(item.id, [])))}


def _differ(study: Study, labels: Sequence[Label]) -> Counter[str]:
    parts: Counter[str] = Counter()
    if len({label.cannot_judge for label in labels}) > 1:
        parts["item"] += 1
    labels = [label for label in labels if label.judges]  # what they had answered before is taken back
    if "sentences" in study.ask:
        for column in zip(*(sum(label.sentences, ()) for label in labels), strict=False):
            if len(set(column) - {None}) > 1:
                parts["sentence"] += 1
    if "helpful" in study.ask:
        for stars in zip(*(label.helpful for label in labels), strict=False):
            ratings = [star for star in stars if star is not None]
            if ratings and max(ratings) - min(ratings) > 1:
                parts["rating"] += 1
    if "preference" in study.ask and len({label.preference for label in labels} - {None}) > 1:
        parts["preference"] += 1
    return parts
