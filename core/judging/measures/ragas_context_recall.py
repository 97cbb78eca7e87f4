from typing import Any, ClassVar, Literal

from core.judging.by_ragas import RagasMeasure, reference
from core.judging.measure import AnswerCase
from core.registry import part


@part("measure")
class RagasContextRecall(RagasMeasure):
    """A judge splits the reference answer into statements and says of each whether the passages hold it; the share that they
    do. Choose it where no gold evidence is marked; where it is, that needs no judge."""

    part: Literal["ragas_context_recall"] = "ragas_context_recall"
    label: ClassVar[str] = "Ragas context recall"
    source: ClassVar[str] = "ragas 0.4.3, ContextRecall"
    needs: ClassVar[tuple[str, ...]] = ("passages", "references")
    judges_silence: ClassVar[bool] = True
    order: ClassVar[int] = 240

    def metric(self, llm: Any, embeddings: Any) -> Any:
        from ragas.metrics.collections import ContextRecall

        return ContextRecall(llm=llm)

    def inputs(self, case: AnswerCase) -> dict[str, Any]:
        return {"user_input": case.question, "reference": reference(case), "retrieved_contexts": list(case.passages)}
