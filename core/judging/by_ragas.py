"""What the measures of ragas do alike: ragas scores, our generator answers for its judge, our encoder embeds.

ragas asks its judge within coroutines. All cases and runs go on side by side until each waits for an answer; these are then
written together, so that a model of this machine computes them in one batch, and kept by content like every text of a model.
Es et al. 2024, "RAGAS: Automated Evaluation of Retrieval Augmented Generation"; ragas 0.4.3, `ragas.metrics.collections`.
"""

import asyncio
import json
import math
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from core.context.citations import uncited
from core.errors import missing_package
from core.generation.model_texts import Request
from core.judging.asking import ByRuns, fields_of, of_runs
from core.judging.measure import AnswerCase, AnswerScore, JudgeTools
from core.progress import event_loop, told_within
from core.records import Progress

TOKENS = 2048  # of an answer by a service; ragas gives its own 1024
LISTED, CHARACTERS = 6, 120  # of what a model of this machine writes: its longest answer has to fit into its window
DRAWS = 100  # of one prompt within one run


class NoAnswer(Exception):
    """The judge gave none."""


class Awaited(NamedTuple):
    """What a run waits for: a judge's answer, or vectors where `texts` are given."""

    prompt: str
    model: Any  # of pydantic, that the answer is of
    draw: int
    texts: list[str]
    answer: asyncio.Future


class RagasMeasure(ByRuns):
    """Base of the measures that ragas computes."""

    def identity(self) -> str:
        try:
            return f"ragas {version('ragas')}"
        except PackageNotFoundError:
            return "no ragas"

    @abstractmethod
    def metric(self, llm: Any, embeddings: Any) -> Any:
        """The metric of `ragas.metrics.collections`."""

    @abstractmethod
    def inputs(self, case: AnswerCase) -> dict[str, Any]:
        """What its `ascore` is given of a case."""

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        judge, embedder = _bridges()
        waiting, logs, tasks = [], [], []
        with event_loop() as (loop, step):
            for case in cases:
                for run in range(self.runs):
                    logs.append([])
                    metric = self.metric(judge(waiting, run, logs[-1]), embedder(waiting))
                    tasks.append(loop.create_task(_outcome(metric.ascore(**self.inputs(case)))))
            while unfinished := _settled(step, tasks, waiting):
                done = len(tasks) - unfinished
                yield Progress(done, len(tasks), self.label)
                yield from self._serve(tools, waiting, Progress(done, len(tasks), self.label))
            outcomes = [task.result() for task in tasks]
        width = self.runs
        groups = [slice(at, at + width) for at in range(0, len(tasks), width)]
        return [of_runs(outcomes[group], logs[group], self.range) for group in groups]

    def _serve(self, tools: JudgeTools, waiting: list[Awaited], step: Progress) -> Generator[Progress, None, None]:
        """Answers all that is waited for."""
        served, waiting[:] = list(waiting), []
        prompts = [each for each in served if not each.texts]
        texts = list(dict.fromkeys(text for each in served for text in each.texts))
        local = tools.generator.local
        requests = [
            Request([{"role": "user", "content": p.prompt}], TOKENS, (), self.temperature, p.draw, _schema(p.model, local))
            for p in prompts
        ]
        answers = yield from told_within(fields_of(tools, requests), step)
        for each, (fields, why) in zip(prompts, answers, strict=True):
            if why:
                each.answer.set_exception(NoAnswer(why))
            else:
                each.answer.set_result(each.model.model_validate(fields))
        if texts:
            vectors = yield from tools.embed(tools.encoder, texts)
            row = {text: vector.tolist() for text, vector in zip(texts, vectors, strict=True)}
            for each in served:
                if each.texts:
                    each.answer.set_result([row[text] for text in each.texts])


def bare(case: AnswerCase) -> str:
    """The answer without its citations, which ragas would read as words."""
    return uncited(case.answer, case.citations) or case.answer


def reference(case: AnswerCase) -> str:
    """The longest of the references, which are alternatives of one another: ragas reads one."""
    return max(case.references, key=len)


async def _outcome(work: Coroutine[Any, Any, Any]) -> tuple[float, str]:
    """(value, why there is none) of a run."""
    try:
        value = (await work).value
    except NoAnswer as error:
        return math.nan, str(error)
    except (ValueError, TypeError) as error:
        return math.nan, f"ragas refuses it: {str(error).splitlines()[0]:.200}"
    return float(value), "" if math.isfinite(value) else "ragas gives no number: nothing to score in the judge's answer"


def _settled(step: Callable[[Coroutine], None], tasks: list[asyncio.Task], waiting: list[Awaited]) -> int:
    """So many runs are not over, each of which now waits."""
    while len(waiting) < (unfinished := sum(not task.done() for task in tasks)):
        step(asyncio.sleep(0))
    return unfinished


def _schema(model: Any, local: bool) -> str:
    """Of what ragas wants its judge to write; all its integers are verdicts, 0 or 1."""

    def bound(tree: Any) -> Any:
        if not isinstance(tree, dict):
            return [bound(each) for each in tree] if isinstance(tree, list) else tree
        made = {name: bound(value) for name, value in tree.items()}
        if made.get("type") == "integer":
            made["enum"] = [0, 1]
        if made.get("type") == "string" and local:
            made["maxLength"] = CHARACTERS
        if made.get("type") == "array" and local:
            made["maxItems"] = LISTED
        return made

    return json.dumps(bound(model.model_json_schema()))


@cache
def _bridges() -> tuple[type, type]:
    """(judge, embedder) as ragas wants them: small, and asking us. Nothing phones home."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    try:
        from ragas.embeddings.base import BaseRagasEmbedding
        from ragas.llms.base import InstructorBaseRagasLLM
    except ImportError as error:
        raise missing_package(error) from None

    def future() -> asyncio.Future:
        return asyncio.get_running_loop().create_future()

    class Judge(InstructorBaseRagasLLM):
        def __init__(self, waiting: list[Awaited], run: int, log: list[Any]) -> None:
            self.waiting, self.run, self.log, self.times = waiting, run, log, Counter()

        def generate(self, prompt: str, response_model: Any) -> Any:
            raise NotImplementedError

        async def agenerate(self, prompt: str, response_model: Any) -> Any:
            draw = self.run * DRAWS + self.times[prompt]  # ragas asks the same again for another draw
            self.times[prompt] += 1
            self.waiting.append(Awaited(prompt, response_model, draw, [], future()))
            reply = await self.waiting[-1].answer
            self.log.append(reply.model_dump(mode="json"))
            return reply

    class Embedder(BaseRagasEmbedding):
        def __init__(self, waiting: list[Awaited]) -> None:
            super().__init__()
            self.waiting = waiting

        def embed_text(self, text: str, **_: Any) -> list[float]:
            raise NotImplementedError

        async def aembed_text(self, text: str, **_: Any) -> list[float]:
            return (await self.aembed_texts([text]))[0]

        async def aembed_texts(self, texts: list[str], **_: Any) -> list[list[float]]:
            self.waiting.append(Awaited("", None, 0, list(texts), future()))
            return await self.waiting[-1].answer

    return Judge, Embedder
