"""A plan of simpler questions, each searched for and answered, then the answer."""

import time
from typing import Literal

from core.answering.deciding import decided, written
from core.answering.numbering import concluded, numbered
from core.answering.protocol import Answering, Material, Writing
from core.config import PartConfig, knob
from core.context.citations import plain, uncited
from core.context.prompt import within
from core.context.template import before_question
from core.records import Hit, Progress
from core.registry import part


@part("answering")
class PlanAndSolve(Answering):
    """The model splits the question into simpler ones; each is searched for and answered, and the last prompt holds these answers with
    the passages. Choose it over `ircot` where a question's parts can be named before anything is read.

    Plan-and-solve, Wang et al. 2023, "Plan-and-Solve Prompting: Improving Zero-Shot Chain-of-Thought Reasoning by Large Language Models",
    arXiv:2305.04091, section 2, with a search a step.
    """

    part: Literal["plan_and_solve"] = "plan_and_solve"
    questions: int = knob(3, "Simpler questions at most.", unit="questions", ge=1, le=8)

    def texts(self, passages: int) -> int:
        return self.questions + 2

    def check(self, generator: PartConfig) -> None:
        self.needs_schema(generator)

    def write(self, material: Material) -> Writing:
        started, texts, rows, seen, searches = time.perf_counter(), [], [], [], 0
        style, began = material.context.citations, material.hits[: material.context.passages]
        numbered(began, seen)
        yield Progress(0, self.questions + 1, "Making a plan")
        plan = {
            "questions": {
                "type": "array",
                "items": {"type": "string", "maxLength": 100},
                "minItems": 1,
                "maxItems": self.questions,
            }
        }
        prompt = (
            f"Question: {plain(material.question, style)}\n\nSplit it into simpler questions, to be answered one after the other."
        )
        asked = (yield from decided(material, prompt, plan, texts)).get("questions", [])
        best, answered = began[:1], []
        for number, simpler in enumerate(dict.fromkeys(each.strip() for each in asked if each.strip()), 1):
            if material.left_s <= 0:
                break
            yield Progress(number, self.questions + 1, simpler)
            hits = material.search(simpler)[: material.context.passages] if material.search else began
            searches += material.search is not None
            hits = hits or began
            part_of = material._replace(question=simpler).prompt(hits)
            said = yield from written(material, part_of.messages, texts)
            read = [hit for hit in hits if any(within(hit, other) or within(other, hit) for other in part_of.used)]
            numbers = list(numbered(read, seen).values())
            best += hits[:1]
            text = uncited(said.text, style)
            rows.append({"passage": numbers[0], "text": simpler, "decision": text or said.finish_reason, "score": None})
            answered += [f"{simpler} {text}"] * bool(text)
        by_place: dict[tuple[str, int, int], Hit] = {}  # two searches give the same passage another rank
        for hit in best + began:
            by_place.setdefault((hit.document_id, hit.start, hit.end), hit)
        own = material.context.template
        template = before_question(own, "\n".join(["Known so far:", *answered])) if answered else own
        last = material.prompt_over(list(by_place.values()), template=template)
        detail = {"decisions": rows, "searches": searches, "first": len(began)}
        return (yield from concluded(material, last, seen, texts, started, detail))
