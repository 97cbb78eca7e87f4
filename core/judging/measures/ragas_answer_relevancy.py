from typing import Any, ClassVar, Literal

from core.judging.by_ragas import RagasMeasure, bare
from core.judging.measure import AnswerCase
from core.registry import part


@part("measure")
class RagasAnswerRelevancy(RagasMeasure):
    """A judge writes three questions that the answer would answer; their mean cosine to the question, 0 where the judge calls
    every one evasive. Choose it to see answers that dodge; a false answer to the point scores high."""

    part: Literal["ragas_answer_relevancy"] = "ragas_answer_relevancy"
    label: ClassVar[str] = "Ragas answer relevancy"
    source: ClassVar[str] = "Es et al. 2024, section 3; ragas 0.4.3, AnswerRelevancy"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    encodes: ClassVar[bool] = True
    order: ClassVar[int] = 220

    def metric(self, llm: Any, embeddings: Any) -> Any:
        from ragas.metrics.collections import AnswerRelevancy

        return AnswerRelevancy(llm=llm, embeddings=embeddings)

    def inputs(self, case: AnswerCase) -> dict[str, Any]:
        return {"user_input": case.question, "response": bare(case)}
