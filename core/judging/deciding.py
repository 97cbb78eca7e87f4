"""Whether texts bear out a statement: citations, the use of the context and blame are decided by it."""

from collections.abc import Generator, Iterable
from typing import ClassVar, Literal, NamedTuple

from core.config import knob
from core.judging import judgement_models
from core.judging.claims import WORD
from core.judging.containment import THRESHOLD, share
from core.judging.evidence import claims, evidence
from core.judging.judgement_models import EMBEDDED, Judgements, pair_text, read_judgement
from core.judging.measure import MOST_CHECKS, AnswerCase, AnswerMeasure, JudgeTools, sentences_of
from core.records import Progress


class SupportCheck(NamedTuple):
    """Do these texts together bear out the statement?"""

    statement: str
    texts: tuple[str, ...]


class Decided(AnswerMeasure):
    """Base of measures that rest on such decisions."""

    by_sentence: ClassVar[bool] = True
    by: Literal["containment", "entailment"] = knob(
        "containment",
        "How it is decided whether texts support a statement: the share of its word trigrams that occur in them, or a model of entailment.",
    )
    threshold: float = knob(
        THRESHOLD,
        "A statement is supported from this share, or probability, on. Higher asks for closer copies, or a surer model.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    model: str = knob(EMBEDDED, f"That decides by entailment: {EMBEDDED} (embedded), one trained here, or an NLI model's folder.")

    def identity(self) -> str:
        return judgement_models.identity(self.model) if self.by == "entailment" else ""

    def unmeasurable(self, case: AnswerCase) -> str:
        most = MOST_CHECKS[self.by]
        why = super().unmeasurable(case)
        return why or (f"over {most:,} decisions by {self.by}" if self.checks(case) > most else "")

    def checks(self, case: AnswerCase) -> int:
        """About as many decisions as it takes."""
        return sentences_of(case.answer) * len(case.passages)

    def decided(
        self, questions: Iterable[SupportCheck], tools: JudgeTools
    ) -> Generator[Progress, None, dict[SupportCheck, bool]]:
        """The answer to each different question; without texts it is no. By entailment a statement longer than a model reads at once
        is borne out where each of its pieces is."""
        distinct = list(dict.fromkeys(questions))
        if self.by == "containment":
            return {each: self._contained(each) for each in distinct}
        asked = [each for each in distinct if WORD.search(each.statement) and any(WORD.search(text) for text in each.texts)]
        pieces = [(each, each.statement[start:end]) for each in asked for start, end in claims(each.statement)]
        pairs = [pair_text(evidence(each.texts, piece), piece) for each, piece in pieces]
        vectors = (yield from tools.embed(Judgements(self.model), pairs)) if pairs else ()
        borne = dict.fromkeys(distinct, False) | dict.fromkeys(asked, True)
        for (each, _), vector in zip(pieces, vectors, strict=True):
            borne[each] &= float(read_judgement(vector).probabilities[0]) >= self.threshold
        return borne

    def _contained(self, question: SupportCheck) -> bool:
        words = WORD.findall(question.statement.lower())
        return bool(words and question.texts) and share(words, question.texts) >= self.threshold
