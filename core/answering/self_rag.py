"""An answer from each passage, and the model's own critique of each."""

import time
from typing import Literal

from core.answering.deciding import YES_NO, decided, written
from core.answering.numbering import retitled
from core.answering.protocol import Answering, Material, Writing, together, whole
from core.config import PartConfig, knob
from core.context.citations import marks, plain
from core.records import Progress
from core.registry import part

SUPPORT = {"fully": 1.0, "partially": 0.5, "no": 0.0}
USEFUL = {"1": -1.0, "2": -0.5, "3": 0.0, "4": 0.5, "5": 1.0}
ASKED = {"relevant": YES_NO, "supported": tuple(SUPPORT), "useful": tuple(USEFUL)}


@part("answering")
class SelfRag(Answering):
    """An answer from each passage alone, each judged by the model itself: is the passage relevant, does it support the answer, is that
    useful; the best is taken. Choose it over `per_passage` where passages contradict one another; it takes two texts a passage.

    In the manner of Self-RAG, Asai et al. 2024, "Self-RAG: Learning to Retrieve, Generate, and Critique through Self-Reflection",
    arXiv:2310.11511, section 3.3, and only in its manner: there the model is trained to write these judgements as tokens and their
    probabilities are weighed, here any model is asked for them. Whether to retrieve is `adaptive`'s.
    """

    part: Literal["self_rag"] = "self_rag"
    relevance: float = knob(1.0, "What a relevant passage counts.", ge=0.0, le=5.0, step=0.1)
    support: float = knob(1.0, "What an answer counts that its passage supports; half of it in part.", ge=0.0, le=5.0, step=0.1)
    use: float = knob(0.5, "What a useful answer counts, from minus to plus.", ge=0.0, le=5.0, step=0.1)

    def texts(self, passages: int) -> int:
        return 2 * passages

    def check(self, generator: PartConfig) -> None:
        self.needs_schema(generator)

    def write(self, material: Material) -> Writing:
        started, texts, rows, answers = time.perf_counter(), [], [], []
        chosen, style = material.hits[: material.context.passages], material.context.citations
        for number, hit in enumerate(chosen, 1):
            yield Progress(number - 1, 2 * len(chosen), f"Answering from passage {number}")
            prompt = material.prompt([hit], number)
            answers.append(((yield from written(material, prompt.messages, texts)), prompt.used[0]))
        for number, (said, hit) in enumerate(answers, 1):  # after all answers: judging takes the model without its adapter
            yield Progress(len(chosen) + number - 1, 2 * len(chosen), f"Judging the answer from passage {number}")
            asked = (
                f"Passage: {plain(hit.shown, style)}\n\nQuestion: {plain(material.question, style)}\nAnswer: {said.text}\n\nIs the "
                "passage relevant to the question? Does it support the answer: fully, partially, no? How useful is the answer, 1 to 5?"
            )
            judged = (yield from decided(material, asked, ASKED, texts)) if said.text else {}
            score = self._score(judged) if judged else -2.0
            told = ", ".join(f"{name} {value}" for name, value in judged.items()) or "not judged"
            rows.append({"passage": number, "text": said.text or said.finish_reason, "decision": told, "score": score})
        best = max(range(len(rows)), key=lambda place: (bool(answers[place][0].text), rows[place]["score"], -place))
        (said, hit), hits = answers[best], tuple(hit for _, hit in answers)
        said = said._replace(text=retitled(said.text, style, dict.fromkeys(marks(style, [hit]), best + 1), hits))
        yield said.text
        detail = {"decisions": rows, "taken": best + 1, "calls": len(texts), "first": len(hits)}
        return whole(material, together(said, texts, started), hits, detail)

    def _score(self, judged: dict[str, str]) -> float:
        relevant = self.relevance * (judged["relevant"] == "yes")
        return relevant + self.support * SUPPORT[judged["supported"]] + self.use * USEFUL[judged["useful"]]
