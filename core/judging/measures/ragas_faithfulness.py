from typing import Any, ClassVar, Literal

from core.judging.by_ragas import RagasMeasure, bare
from core.judging.measure import AnswerCase
from core.registry import part


@part("measure")
class RagasFaithfulness(RagasMeasure):
    """A judge splits the answer into statements and says of each whether the passages bear it out; the share that they do.
    Choose it to compare with results that others publish; a weak judge makes it a draw of lots."""

    part: Literal["ragas_faithfulness"] = "ragas_faithfulness"
    label: ClassVar[str] = "Ragas faithfulness"
    source: ClassVar[str] = "Es et al. 2024, section 3; ragas 0.4.3, Faithfulness"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 210

    def metric(self, llm: Any, embeddings: Any) -> Any:
        from ragas.metrics.collections import Faithfulness

        return Faithfulness(llm=llm)

    def inputs(self, case: AnswerCase) -> dict[str, Any]:
        return {"user_input": case.question, "response": bare(case), "retrieved_contexts": list(case.passages)}
