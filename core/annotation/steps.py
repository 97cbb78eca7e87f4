"""What is asked of an item, one step after the other, and what a label answers to each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.annotation.labels import Label, Span
from core.annotation.study import Item, Study


class Step(NamedTuple):
    """One thing asked of an item. response: its place in the item, not on the screen."""

    kind: str  # "sentence", "helpful", "preference"
    response: int = 0
    sentence: int = 0


def steps(study: Study, item: Item, order: tuple[int, ...]) -> tuple[Step, ...]:
    """In the order of the screen."""
    asked: list[Step] = []
    for place in order:
        if "sentences" in study.ask:
            asked += [Step("sentence", place, number) for number in range(len(item.responses[place].sentences))]
        if "helpful" in study.ask:
            asked.append(Step("helpful", place))
    return (*asked, Step("preference")) if "preference" in study.ask and len(order) == 2 else tuple(asked)


def answer_to(label: Label, step: Step) -> Any:
    if step.kind == "sentence":
        return label.sentences[step.response][step.sentence]
    return label.helpful[step.response] if step.kind == "helpful" else label.preference


def answered(label: Label, step: Step, answer: Any, bulk: bool = False) -> Label:
    """The label with this step answered; an answer takes "cannot judge" of the whole item back. bulk: together with that of another
    screen, which is recorded until the sentence is answered on its own."""
    if step.kind == "preference":
        change: dict[str, Any] = {"preference": answer}
    elif step.kind == "helpful":
        change = {"helpful": _put(label.helpful, step.response, answer)}
    else:
        row = _put(label.sentences[step.response], step.sentence, answer)
        here = (step.response, step.sentence)
        rest = [place for place in label.bulk if place != here]
        change = {"sentences": _put(label.sentences, step.response, row), "bulk": (*rest, here) if bulk else tuple(rest)}
    return label.model_copy(update={**change, "cannot_judge": False})


def _put(row: tuple, place: int, value: Any) -> tuple:
    return (*row[:place], value, *row[place + 1 :])


def next_open(asked: tuple[Step, ...], label: Label, after: int = -1) -> int | None:
    """The next step without an answer, going on from `after` and round to the start."""
    for at in (*range(after + 1, len(asked)), *range(min(after + 1, len(asked)))):
        if answer_to(label, asked[at]) is None:
            return at
    return None


def equal_open(item: Item, asked: tuple[Step, ...], label: Label, at: int) -> list[Step]:
    """The open sentences of the same answer that say, word for word, what the one at `at` says: same words, same evidence."""

    def said(step: Step) -> str:
        response = item.responses[step.response]
        return " ".join(response.text[slice(*response.sentences[step.sentence])].split())

    here = asked[at]
    return [
        step
        for place, step in enumerate(asked)
        if place != at
        and here.kind == step.kind == "sentence"
        and step.response == here.response
        and answer_to(label, step) is None
        and said(step) == said(here)
    ]


def reading_seconds(item: Item) -> float:
    """What reading the answer takes, at 238 words a minute (Brysbaert 2019, silent reading of non-fiction)."""
    return 60 / 238 * sum(len(response.text.split()) for response in item.responses)


def agreed_answer(votes: Sequence[Label], step: Step) -> Any:
    """What all said of this; None: they differ, or one of them could not judge the item."""
    answers = {answer_to(label, step) for label in votes} - {None} if not any(label.cannot_judge for label in votes) else ()
    return answers.pop() if len(answers) == 1 else None


def wrong_words(label: Label, response: int) -> set[int]:
    return {word for span in label.spans if span.response == response for word in range(span.first, span.last)}


def toggled(label: Label, response: int, word: int) -> Label:
    """The label with this word marked wrong, or no longer; words side by side are one error."""
    marked = sorted(wrong_words(label, response) ^ {word})
    first = [n for n in marked if n - 1 not in marked]
    last = [n + 1 for n in marked if n + 1 not in marked]
    others = [span for span in label.spans if span.response != response]
    runs = [Span(response=response, first=a, last=b) for a, b in zip(first, last, strict=True)]
    return label.model_copy(update={"spans": tuple(sorted((*others, *runs), key=lambda s: (s.response, s.first)))})
