"""Citations of an answer and what of them holds, as ALCE counts it.

A statement is supported where the passages that it cites bear it out together. A citation is precise where its statement is supported,
and it either bears the statement out alone or is needed: the others together do not. A statement that cites a passage that there is not
is not supported, and its citations are not counted, as in the authors' script.

Gao et al. 2023, "Enabling Large Language Models to Generate Text with Citations", arXiv:2305.14627, section 4.3.
"""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

from core.config import knob
from core.context.citations import places
from core.judging.claims import NOTHING_CLAIMED, Statement, statements
from core.judging.containment import sentence_of
from core.judging.deciding import Decided, SupportCheck
from core.judging.measure import NOT_IN_CONTEXT, SUPPORTED, AnswerCase, AnswerScore, Claim, JudgeTools, sentences_of
from core.records import Progress

UNASKED = "it cites nothing, and was not asked to"
TITLES = "titles"  # a case knows the texts of its passages, not their titles


class CitingStatement(NamedTuple):
    statement: Statement
    numbers: tuple[int, ...]  # of the passages that it cites, in its order, each once
    invented: tuple[int, ...]  # numbers of no passage


class Tally(NamedTuple):
    """Of an answer. wrong: citations of statements that theirs do not bear out. missing: statements without any."""

    statements: int
    supported: int
    citations: int
    precise: int
    missing: int
    wrong: int
    useless: int
    invented: int


class CitationMeasure(Decided):
    """Base of citation recall and precision."""

    topic: ClassVar[str] = "citations"
    source: ClassVar[str] = "Gao et al. 2023 (ALCE), section 4.3"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    most: int = knob(3, "So many citations of a statement count, the first ones, as in ALCE.", unit="citations", ge=1, le=20)

    def unmeasurable(self, case: AnswerCase) -> str:
        reason = super().unmeasurable(case) or ("citations by title are not read back" if case.citations == TITLES else "")
        return reason or ("" if case.asked_to_cite or cites(case) else UNASKED)

    def checks(self, case: AnswerCase) -> int:
        return sentences_of(case.answer) * (1 + 2 * self.most)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        read = [citing(case, self.most) for case in cases]
        questions = [
            each for case, some in zip(cases, read, strict=True) for statement in some for each in asked(case, statement)
        ]
        borne = yield from self.decided(questions, tools)
        return [self._scored(case, some, borne) for case, some in zip(cases, read, strict=True)]

    def _scored(self, case: AnswerCase, citing: Sequence[CitingStatement], borne: Mapping[SupportCheck, bool]) -> AnswerScore:
        if not citing:
            return AnswerScore(math.nan, NOTHING_CLAIMED)
        tally, claims = Tally(*([0] * len(Tally._fields))), []
        for each in citing:
            supported, useful = judged(case, each, borne)
            valid = 0 if each.invented else len(each.numbers)
            tally = Tally(
                tally.statements + 1,
                tally.supported + supported,
                tally.citations + valid,
                tally.precise + len(useful),
                tally.missing + (not each.numbers and not each.invented),
                tally.wrong + valid * (not supported),
                tally.useless + (valid - len(useful)) * supported,
                tally.invented + len(each.invented),
            )
            claims.append(claim(case, each.statement, supported, useful))
        return AnswerScore(self.value(tally), claims=tuple(claims), detail=tally._asdict())

    def value(self, tally: Tally) -> float:
        raise NotImplementedError


def cites(case: AnswerCase) -> bool:
    """Whether it cites by number."""
    return case.citations != TITLES and bool(places(case.answer, len(case.passages), case.citations))


def citing(case: AnswerCase, most: int) -> list[CitingStatement]:
    """The statements with what they cite. What stands between two belongs to the one before, behind a line's end to the next."""
    said = statements(case)
    numbers: list[list[int]] = [[] for _ in said]
    for start, _, some in places(case.answer, len(case.passages), case.citations) if said else ():
        before = max((i for i, each in enumerate(said) if each.start <= start), default=0)
        next_line = start >= said[before].end and "\n" in case.answer[said[before].end : start] and before + 1 < len(said)
        numbers[before + next_line] += some
    rows = []
    for each, some in zip(said, numbers, strict=True):
        distinct = tuple(dict.fromkeys(some))
        there = tuple(number for number in distinct if 1 <= number <= len(case.passages))
        rows.append(CitingStatement(each, there[:most], tuple(number for number in distinct if number not in there)))
    return rows


def passages_of(case: AnswerCase, numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(case.passages[number - 1] for number in numbers)


def asked(case: AnswerCase, each: CitingStatement) -> Iterator[SupportCheck]:
    """Of all that it cites, of each alone, and of all but each."""
    if not each.numbers or each.invented:
        return
    yield SupportCheck(each.statement.text, passages_of(case, each.numbers))
    if len(each.numbers) > 1:
        for number in each.numbers:
            yield SupportCheck(each.statement.text, passages_of(case, (number,)))
            yield SupportCheck(each.statement.text, passages_of(case, others(each.numbers, number)))


def others(numbers: Sequence[int], number: int) -> tuple[int, ...]:
    return tuple(each for each in numbers if each != number)


def judged(case: AnswerCase, each: CitingStatement, borne: Mapping[SupportCheck, bool]) -> tuple[bool, tuple[int, ...]]:
    """Whether its citations bear it out, and the numbers of those that are precise."""
    text, numbers = each.statement.text, each.numbers
    if not numbers or each.invented or not borne[SupportCheck(text, passages_of(case, numbers))]:
        return False, ()
    if len(numbers) == 1:
        return True, numbers
    alone = {number: borne[SupportCheck(text, passages_of(case, (number,)))] for number in numbers}
    without = {number: borne[SupportCheck(text, passages_of(case, others(numbers, number)))] for number in numbers}
    return True, tuple(number for number in numbers if alone[number] or not without[number])


def claim(case: AnswerCase, statement: Statement, supported: bool, useful: Sequence[int]) -> Claim:
    number = useful[0] if useful else 0
    evidence = sentence_of(statement.words(), case.passages[number - 1]) if number else None
    return Claim(statement.start, statement.end, float(supported), SUPPORTED if supported else NOT_IN_CONTEXT, number, evidence)
