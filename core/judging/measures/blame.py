import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from core.judging.claims import Statement, bare, sentences, statements
from core.judging.deciding import Decided, SupportCheck
from core.judging.measure import AnswerCase, AnswerScore, JudgeTools, sentences_of
from core.records import Progress
from core.registry import part


@part("measure")
class Blame(Decided):
    """Of what the reference says and the answer does not, the share that no passage says either: 1, the retriever is to blame; 0, the
    generator. Choose it to see which of the two to mend first; unmeasured where the answer says all of the reference.

    Its detail has the metrics of Ru et al. 2024, "RAGChecker", arXiv:2408.08067, section 3.3, by sentences in the place of claims that
    a model extracts: of the retriever claim recall and context precision; of the generator context utilisation, noise sensitivity,
    hallucination, self-knowledge and faithfulness; of both precision and recall. A statement of the answer is right where a reference
    bears it out, or where it says all of a sentence of one, so that a reference of a few words can be met.
    """

    part: Literal["blame"] = "blame"
    label: ClassVar[str] = "Retriever to blame"
    topic: ClassVar[str] = "context"
    source: ClassVar[str] = "after Ru et al. 2024 (RAGChecker), section 3.3"
    direction: ClassVar[int] = 0
    needs: ClassVar[tuple[str, ...]] = ("references", "passages")
    judges_silence: ClassVar[bool] = True
    order: ClassVar[int] = 50

    def checks(self, case: AnswerCase) -> int:
        said, wanted = sentences_of(case.answer), max(map(sentences_of, case.references), default=0)
        return (said + wanted) * len(case.passages) + wanted * (1 + said) + said * len(case.references)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        read = [told(case) for case in cases]
        questions = (each for case, some in zip(cases, read, strict=True) for each in some.questions(case))
        borne = yield from self.decided(questions, tools)
        return [blamed(case, some, borne) for case, some in zip(cases, read, strict=True)]


class Told(NamedTuple):
    """What the longest reference says, and what the answer says, both in sentences."""

    wanted: list[Statement]
    said: list[Statement]
    answer: str

    def questions(self, case: AnswerCase) -> Iterator[SupportCheck]:
        for each in (*self.wanted, *self.said):
            yield from (SupportCheck(each.text, (text,)) for text in case.passages)
        for each in self.wanted:
            yield from (SupportCheck(each.text, (text,)) for text in (self.answer, *(statement.text for statement in self.said)))
        for each in self.said:
            yield from (SupportCheck(each.text, (text,)) for text in case.references)


def told(case: AnswerCase) -> Told:
    wanted = max((sentences(text) for text in case.references), key=lambda some: sum(len(each.words()) for each in some))
    said = statements(case)
    return Told(wanted, said, bare(case) if said else "")


def blamed(case: AnswerCase, texts: Told, borne: Mapping[SupportCheck, bool]) -> AnswerScore:
    if not texts.wanted:
        return AnswerScore(math.nan, "no word in the reference")

    def there(each: Statement, among: Sequence[str]) -> list[bool]:
        return [borne[SupportCheck(each.text, (text,))] for text in among]

    retrieved = [there(each, case.passages) for each in texts.wanted]
    in_context, in_answer = [any(row) for row in retrieved], [any(there(each, (texts.answer,))) for each in texts.wanted]
    relevant = [any(column) for column in zip(*retrieved, strict=True)]
    said = [there(each, case.passages) for each in texts.said]
    right = [any(there(each, case.references)) or any(any(there(w, (each.text,))) for w in texts.wanted) for each in texts.said]
    missed = [held for held, answered in zip(in_context, in_answer, strict=True) if not answered]
    detail = {
        "claim_recall": mean(in_context),
        "context_precision": mean(relevant),
        "context_utilisation": mean([a for a, held in zip(in_answer, in_context, strict=True) if held]),
        **generated(said, right, relevant),
        "precision": mean(right),
        "recall": mean(in_answer),
        "missed_in_context": sum(missed),
        "missed_not_in_context": len(missed) - sum(missed),
    }
    if not missed:
        return AnswerScore(math.nan, "the answer says all of the reference", detail=detail)
    return AnswerScore(missed.count(False) / len(missed), detail=detail)


def generated(said: list[list[bool]], right: list[bool], relevant: list[bool]) -> dict[str, Any]:
    """Of the answer's statements, by the passages that bear each out: the shares of the generator's faults, which part them."""
    by_relevant = [any(a and b for a, b in zip(row, relevant, strict=True)) for row in said]
    any_passage = [any(row) for row in said]
    rows = list(zip(right, by_relevant, any_passage, strict=True))
    return {
        "noise_sensitivity_relevant": mean([not ok and near for ok, near, _ in rows]),
        "noise_sensitivity_irrelevant": mean([not ok and held and not near for ok, near, held in rows]),
        "hallucination": mean([not ok and not held for ok, _, held in rows]),
        "self_knowledge": mean([ok and not held for ok, _, held in rows]),
        "faithfulness": mean(any_passage),
    }


def mean(values: Sequence[bool]) -> float | None:
    """None where there is nothing to count."""
    return sum(values) / len(values) if values else None
