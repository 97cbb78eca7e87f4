"""An agent: the model thinks, calls a tool, reads what it returns, and goes on until it answers."""

import time
from collections.abc import Generator, Sequence
from typing import Any, Literal

from pydantic import field_validator

from core.agents import runs, tools
from core.agents.runs import AgentLimits, AgentStep
from core.agents.tools import ToolDesk
from core.answering.deciding import written
from core.answering.ircot import Ircot
from core.answering.numbering import cited_among, numbered, retitled
from core.answering.protocol import Answering, Material, Writing, together, whole
from core.config import PartConfig, knob
from core.context.citations import marks, plain
from core.context.prompt import UNKNOWN, says_unknown
from core.errors import PromptTooLong, WorkbenchError
from core.generation import structured
from core.generation.loading import loaded
from core.generation.protocol import Generated
from core.progress import Running
from core.records import Hit, Progress
from core.registry import part

LAST_S = 30.0  # for the answer, behind the limit of seconds
FAILURES = 3  # failing results in a row, or texts without a valid call, that end a run


@part("answering")
class React(Answering):
    """The model calls tools, a thought before each call, and reads their results until it finishes. Choose it over `ircot` where
    questions need more than searching, and over `one_prompt` where one search does not find all; it takes several times the tokens.

    ReAct, Yao et al. 2023, "ReAct: Synergizing Reasoning and Acting in Language Models", arXiv:2210.03629, section 2. Here a step is
    JSON of a schema, to which a grammar, or a service's JSON mode, holds every engine: a call is well formed, not therefore right.
    At a limit one last text is asked for, the answer: of the bundled model by one prompt over the passages read. Engines that take a
    JSON schema.
    """

    part: Literal["react"] = "react"
    tools: tuple[str, ...] = knob(
        tools.USUAL,
        "Tools that may be called, by the names that `agents tools` lists. What fetches or executes is off unless named.",
    )
    passages_first: bool = knob(
        True, "It begins with the passages found for the question; off, it has to search for them.", label="Passages first"
    )
    steps: int = knob(10, "Calls at most, then the answer is asked for.", unit="steps", ge=1, le=50)
    tokens: int = knob(20000, "Tokens read and written at most; 0 sets no limit.", unit="tokens", ge=0, le=1000000)
    seconds: int = knob(90, "So long at most; 0 leaves it to the answer's own deadline.", unit="s", ge=0, le=3600)
    write_after_reading: bool = knob(
        False,
        "Tools that write are called even after the run has read text of others (passages, documents, the web). On, a document can make "
        "the agent write; off, it cannot, whatever it says, and a run that is to write has to do so before it reads.",
        label="Write after reading",
    )
    usd: float = knob(
        0.0,
        "Cost at most, by the price table: a step of unknown price ends the run. 0: none.",
        unit="USD",
        ge=0.0,
        le=100.0,
        step=0.01,
    )

    @field_validator("tools")
    @classmethod
    def _are_there(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tools.checked(names)
        except WorkbenchError as error:
            raise ValueError(f"{error.what} {error.todo}".rstrip(".")) from None

    def texts(self, passages: int) -> int:
        return self.steps + 1

    def deadline_s(self) -> float:
        return max(super().deadline_s(), self.seconds + LAST_S)

    def check(self, generator: PartConfig) -> None:
        self.needs_schema(generator)

    def write(self, material: Material) -> Writing:
        first = material.hits[: material.context.passages] if self.passages_first else []
        return (yield from self.resumed(material._replace(hits=first), (), len(first)))

    def resumed(self, material: Material, steps: Sequence[AgentStep], first: int, calls: bool = True) -> Writing:
        """From behind these steps, which are taken as they are. The material's hits are the passages that the model had read by
        then, the first so many with the question. calls: it may make more, where they have reached no limit; False: the answer is asked
        for at once."""
        yield from loaded(material.untaught)
        run = AgentRun(self, material, steps, first)
        run.end = run.limits.reached(run.steps, 0.0) if calls else "steps"
        yield from self.work(run)
        yield run.answer
        return run.told()

    def work(self, run: "AgentRun") -> Generator[str | Progress, None, None]:
        """Steps until the run ends, then, where a limit ended it, the last text."""
        while not run.end:
            yield Progress(len(run.steps), self.steps, f"Step {len(run.steps) + 1}")
            step = yield from run.next_step(run.tools)
            if step and step.tool == runs.FINISH:
                return run.finish(step)
            if step:
                run.call(step)
        return (yield from run.last_answer())


class AgentRun:
    """One run: its steps so far, and the texts that the model wrote."""

    def __init__(self, way: React, material: Material, steps: Sequence[AgentStep], first: int) -> None:
        self.way, self.material, self.steps = way, material, list(steps)
        self.started = time.perf_counter()
        free = material.generator.local  # such a model tells no cost
        self.limits = AgentLimits(way.steps, way.tokens, way.seconds, 0.0 if free else way.usd)
        self.texts: list[Generated] = []
        self.lost: list[AgentStep] = []  # texts without a valid call
        self.answer, self.end, self.reason = "", "", ""
        chosen = tools.chosen(way.tools)
        self.tools = [tool for tool in chosen if not tool.lacking()]
        self.notes = [f"{tool.name} is off. {why}" for tool in chosen if (why := tool.lacking())]
        style = material.context.citations
        how = {**material.desk, "write_after_reading": way.write_after_reading}
        self.desk = ToolDesk(material.search, material.source, style, **how)
        self.first, began = first, material.hits[:first]
        passages = self.desk.shown(began, tools.SEARCH.most).text if began else ""
        self.desk.numbered(material.hits)
        self.desk.read_others |= any(not step.trusted for step in self.steps) or any(tool.told_by_others for tool in self.tools)
        self.opening = runs.task(plain(material.question, style), self.tools, passages)

    @property
    def left_s(self) -> float:
        """For calls; the last answer has what is left of the deadline."""
        left, most = max(0.0, self.material.left_s), self.way.seconds
        return min(left, max(0.0, most - (time.perf_counter() - self.started))) if most else left

    def last_answer(self) -> Generator[str | Progress, None, None]:
        """Asks for the answer of a run that a limit has ended. Of the bundled model in the form that its adapter learnt: by one prompt over
        the passages that the run has read."""
        if self.end == "model_failure" or self.material.left_s <= 0:
            return
        yield Progress(len(self.steps), self.way.steps, "Asking for the answer")
        read = self._read() if self.material.untaught != self.material.generator else []
        if step := (yield from self._from_passages(read) if read else self.next_step([])):
            self.finish(step, self.end)

    def _read(self) -> list[Hit]:
        """The best passage that the run began with, then those that were read last. A result that a person has edited is one, without a
        document."""
        passages = self.desk.passages[: self.first]
        for step in self.steps:
            own = [self.desk.passages[number - 1] for number in step.passages]
            if step.edited:
                own = [Hit(0, 0.0, "", step.tool, 0, len(step.result), step.result)] if step.result else []
            passages[1:1] = [hit for hit in own if hit not in passages]
        return passages[: Ircot().most]

    def _from_passages(self, read: Sequence[Hit]) -> Generator[str, None, AgentStep | None]:
        """The end of the run by one prompt over these passages; None where the model writes nothing."""
        prompt = self.material.prompt_over(read, hand_on="chunk", compress=1.0)  # as they were read
        said = yield from written(self.material, prompt.messages, self.texts)
        if not said.text:
            self.reason = said.finish_reason
            return None
        there = self.desk.passages
        numbers = {number: own for number, own in numbered(prompt.used, [*there]).items() if own <= len(there)}
        text = cited_among(said.text, self.material.context.citations, prompt.used, numbers, there, "")
        return AgentStep("", runs.FINISH, {"answer": text}, **runs.taken(said))

    def next_step(
        self, offered: Sequence[tools.Tool], chat: list[dict[str, str]] | None = None
    ) -> Generator[str, None, AgentStep | None]:
        """What the model writes next; None where that is no valid call, which the second time in a row ends the run. chat: as a framework
        has it, else the run's own."""
        schema, own = runs.call_schema(offered), self.material.untaught
        room = max(own.max_tokens, structured.grammar(schema).longest)
        engine = own.having(json_schema=schema, max_tokens=room, stop=(), logprobs=0)
        chat = runs.fitting(chat or runs.messages(self.opening, self.steps), engine.holds)
        chat = chat if offered else runs.last_words(chat)
        left = self.left_s if offered else self.material.left_s
        try:
            for _ in (running := Running(engine.generate(chat, self.material.seed, left))):
                yield ""
        except PromptTooLong as error:
            self.reason, self.end = f"failed: {error.what}", self.end or "tokens"  # the last result alone may fill the window
            return None
        self.texts.append(running.result)
        step = runs.read_call(running.result)
        if step is None:
            self.reason = running.result.finish_reason
            if offered:  # else a limit has ended it already
                self.lost.append(AgentStep("", "", {}, **runs.taken(running.result)))
                self.end = (
                    "seconds" if "deadline" in self.reason else "model_failure" if self._twice_invalid() else self._reached()
                )
        return step

    def _twice_invalid(self) -> bool:
        """Whether the last two texts held no call."""
        return len(self.texts) > 1 and not self.texts[-2].text

    def call(self, step: AgentStep) -> None:
        if any((step.tool, step.arguments) == (other.tool, other.arguments) for other in self.steps):
            self.steps.append(step._replace(result="The same call was made before.", failed=True))
            self.end = "same_call"
            return
        began = time.perf_counter()
        made = tools.use(
            next(tool for tool in self.tools if tool.name == step.tool), self.desk, step.arguments, len(self.steps) + 1
        )
        took = time.perf_counter() - began
        told = {"result": made.text, "passages": made.passages, "failed": made.failed, "trusted": made.trusted}
        self.steps.append(step._replace(**told, tool_seconds=took))
        if len(self.steps) >= FAILURES and all(each.failed for each in self.steps[-FAILURES:]):
            self.end = "tool_failure"
        self.end = self.end or self._reached()

    def _reached(self) -> str:
        return self.limits.reached(self.steps, time.perf_counter() - self.started, self.lost)

    def finish(self, step: AgentStep, end: str = "") -> None:
        self.steps.append(step)
        self.answer = " ".join(self._as_called_now(step.arguments["answer"]).split())
        self.answer = UNKNOWN if says_unknown(self.answer, begins=True) or not self.answer else self.answer
        self.end = end or ("gave_up" if self.answer == UNKNOWN else "answered")
        self.reason = "length" if end else "stop"

    def _as_called_now(self, answer: str) -> str:
        """Passages that were read before others of the same title had another name then."""
        style, there, read_as = self.material.context.citations, self.desk.passages, dict[str, int]()
        for most in range(len(there), max(self.first, 1) - 1, -1):
            read_as |= {mark: number for number, mark in enumerate(marks(style, there[:most]), 1)}
        return retitled(answer, style, read_as, there)

    def told(self) -> Any:
        """The answer, with the steps as its detail."""
        if not self.answer:
            why = "no answer before the deadline" if self.end == "seconds" else self.reason.removeprefix("failed: ")
            self.reason = f"failed: {why or runs.ENDS[self.end]}"
        empty = Generated("", "", "", 0, 0, 0, 0.0, 0.0, str(self.material.generator.model), "")
        texts = self.texts or [empty]
        last = texts[-1]._replace(text=self.answer, finish_reason=self.reason, tokens=())
        taken = together(last, texts, self.started)._replace(prompt=last.prompt)
        detail = {"steps": [_told(step) for step in self.steps], "end": self.end, "first": self.first, "calls": len(self.texts)}
        unknown = self.desk.effects.unknown if self.desk.effects else []
        notes = (
            *self.notes,
            *(f"Nobody knows whether the call {key} was made: say it by `agents settle {key}`." for key in unknown),
            *((f"The run ended at: {runs.ENDS[self.end]}.",) if self.end not in ("answered", "gave_up") else ()),
        )
        return whole(self.material, taken, tuple(self.desk.passages), detail, notes=notes)


def _told(step: AgentStep) -> dict[str, Any]:
    return {**step._asdict(), "passages": list(step.passages)}
