"""Examples and pairs of answers that were judged: by people, or by their reference.

An example is an answer that was found right, in the prompt over the passages that it was written from. A pair is two answers to one
question of which one was found better (Ouyang et al. 2022, arXiv:2203.02155, section 3.5: every pair of a question's answers). Answers
that say the same, and those nobody could decide, are left out and counted.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from core.config import ContextConfig
from core.context.citations import uncited
from core.context.prompt import written
from core.records import Hit
from core.training.adapters.examples import AdapterData, PreferencePair, SplitPlace, TrainingExample, from_examples
from core.training.adapters.settings import AdapterTraining, PreferenceTraining


class ToldAnswer(NamedTuple):
    """An answer with what it was written from. score: 0 to 1; None: undecided. rivals: answers of one name are compared."""

    id: str
    question: str
    passages: tuple[Hit, ...]
    text: str
    score: float | None
    rivals: str
    references: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        return tuple(written(self.question, self.passages, ContextConfig()))

    @property
    def read(self) -> str:
        return "\n".join(hit.text for hit in self.passages)


def right_ones(
    answers: Sequence[ToldAnswer], least: float, places: Mapping[str, SplitPlace], source: str, config: AdapterTraining
) -> AdapterData:
    """An example of each answer whose score is `least` or more."""
    left_out, examples = Counter(), []
    for each in answers:
        if why := _unusable(each) or _not_right(each, least):
            left_out[why] += 1
            continue
        bare = uncited(each.text)
        told = (each.question, each.read)
        group = _place(each, places).group
        examples.append(TrainingExample(each.id, each.messages, each.text, each.references or (bare,), group, told))
    return from_examples(examples, source, config, left_out, _halves(answers, places))


def pairs(
    answers: Sequence[ToldAnswer], places: Mapping[str, SplitPlace], source: str, config: PreferenceTraining
) -> AdapterData:
    """A pair of each two answers to a question whose scores differ by `margin`, the better one preferred."""
    left_out, rivals, made = Counter(), defaultdict(list), []
    for each in answers:
        if why := _unusable(each):
            left_out[f"answer: {why}"] += 1
        else:
            rivals[each.rivals].append(each)
    for first, second in (pair for some in rivals.values() for pair in combinations(some, 2)):
        better, worse = sorted((first, second), key=lambda each: -(each.score or 0.0))
        if why := _no_pair(better, worse, config):
            left_out[f"pair: {why}"] += 1
            continue
        name, group = f"{better.id}>{worse.id}", _place(better, places).group
        made.append(PreferencePair(name, better.messages, better.text, worse.text, group, (better.question,), better.read))
    return from_examples(made, source, config, left_out, _halves(answers, places))


def _unusable(answer: ToldAnswer) -> str:
    return "without passages" if not answer.passages else "" if answer.text.strip() else "empty"


def _not_right(answer: ToldAnswer, least: float) -> str:
    return "undecided" if answer.score is None else f"score below {least:g}" if answer.score < least else ""


def _no_pair(better: ToldAnswer, worse: ToldAnswer, config: PreferenceTraining) -> str:
    """Why two answers are no pair; "": they are one."""
    if better.text.strip() == worse.text.strip():
        return "the same text"
    if better.score is None or worse.score is None:
        return "undecided"
    if better.score - worse.score < config.margin - 1e-9:
        return "a tie" if better.score == worse.score else f"scores closer than {config.margin:g}"
    return "written from different passages" if config.same_passages and better.messages != worse.messages else ""


def _place(answer: ToldAnswer, places: Mapping[str, SplitPlace]) -> SplitPlace:
    """A question that the corpus has not is a group by itself."""
    return places.get(answer.question, SplitPlace(answer.question))


def _halves(answers: Sequence[ToldAnswer], places: Mapping[str, SplitPlace]) -> dict[str, str]:
    return dict(_place(each, places) for each in answers)
