"""How annotators fare with the items whose labels are known."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from core.annotation.labels import Label
from core.annotation.study import Study


class AttentionScore(NamedTuple):
    right: int
    asked: int  # sentences of attention items that were labelled

    @property
    def careless(self) -> bool:
        """Fewer than three quarters: somebody who clicks rather than reads."""
        return self.right < 0.75 * self.asked


def attention_score(study: Study, labels: Iterable[Label]) -> dict[str, AttentionScore]:
    """How many sentences of attention items each annotator labelled as they are known to be."""
    right, asked = Counter(), Counter()
    for label in labels:
        item = study.item(label.item) if study.has(label.item) else None
        if item and item.attention and label.sentences and label.judges:
            pairs = [pair for pair in zip(label.sentences[0], item.expected, strict=True) if pair[0] is not None]
            asked[label.annotator] += len(pairs)
            right[label.annotator] += sum(answer == expected for answer, expected in pairs)
    return {name: AttentionScore(right[name], asked[name]) for name in asked}
