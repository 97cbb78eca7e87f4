from typing import Any, ClassVar, Literal

from core.judging.by_ragas import RagasMeasure, reference
from core.judging.measure import AnswerCase
from core.registry import part


@part("measure")
class RagasContextPrecision(RagasMeasure):
    """A judge says of each passage whether it was useful for the reference answer; the average precision of that ranking.
    Choose it where no gold evidence is marked; where it is, that needs no judge."""

    part: Literal["ragas_context_precision"] = "ragas_context_precision"
    label: ClassVar[str] = "Ragas context precision"
    source: ClassVar[str] = "ragas 0.4.3, ContextPrecision (with reference)"
    needs: ClassVar[tuple[str, ...]] = ("passages", "references")
    judges_silence: ClassVar[bool] = True
    order: ClassVar[int] = 230

    def metric(self, llm: Any, embeddings: Any) -> Any:
        from ragas.metrics.collections import ContextPrecision

        return ContextPrecision(llm=llm)

    def inputs(self, case: AnswerCase) -> dict[str, Any]:
        return {"user_input": case.question, "reference": reference(case), "retrieved_contexts": list(case.passages)}
