"""The agent `react` with its loop in CrewAI: the same tools, engine and limits, and the framework's own prompts around them."""

from collections.abc import Generator, Sequence
from typing import Any, Literal

from core.agents import crewai, runs
from core.answering.react import AgentRun, React
from core.config import PartConfig
from core.files import read_json
from core.records import Progress
from core.registry import part


@part("answering")
class ReactCrewAI(React):
    """The loop of `react` by CrewAI, in its own environment (`make crewai`) and process. Choose it to see what the framework's prompts
    and loop do to answers, steps and tokens, beside `react` and `react_langgraph`.

    CrewAI (https://docs.crewai.com), one agent with tools and native calls. It wraps the task in a role of its own and keeps no thoughts.
    It reports to nobody, and sees no key of any service. At a limit the answer is asked for as in `react`.
    """

    part: Literal["react_crewai"] = "react_crewai"

    def check(self, generator: PartConfig) -> None:
        super().check(generator)
        crewai.interpreter()

    def work(self, run: AgentRun) -> Generator[str | Progress, None, None]:
        if not run.end:
            crew, whole = crewai.engaged(), False
            try:
                whole = yield from self._crew(run, crew)
            finally:
                crewai.released(crew, whole)
        if not run.answer:
            yield from run.last_answer()

    def _crew(self, run: AgentRun, crew: crewai.CrewProcess) -> Generator[str | Progress, None, bool]:
        """The framework's loop until it ends; False: its process is of no more use."""
        tools = [{"name": tool.name, "about": tool.about, "arguments": [*tool.arguments]} for tool in run.tools]
        made = [f"\n\nCalled before: {each.call}\n{runs.RESULT}{each.result}" for each in run.steps]
        crew.tell({"task": "".join([run.opening, *made]), "tools": tools, "steps": self.steps})
        step = None
        while True:
            yield Progress(len(run.steps), self.steps, f"Step {len(run.steps) + 1}")
            asked = yield from crew.asks(run.left_s)
            if "answer" in asked:
                return True
            if "error" in asked:
                run.notes.append(f"CrewAI failed: {asked['error']}.")
                run.end = run.end or ("seconds" if asked.get("late") else "tool_failure")
                return False
            if "tool" in asked:
                run.call(step)
                crew.tell({"result": run.steps[-1].result})
                continue
            step = None
            while not (step or run.end):
                step = yield from run.next_step(run.tools if asked["offered"] else [], _chat(asked["messages"]))
            if step and step.tool == runs.FINISH and not run.end:
                run.finish(step)
            ended = {"answer": run.answer or "ended"}  # what it makes of that is not read
            crew.tell(ended if run.end else {"call": {"tool": step.tool, "arguments": step.arguments}})


def _chat(messages: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The framework's messages, calls and results as `react` writes them."""
    chat = []
    for message in messages:
        role, text = message["role"], message.get("content") or ""
        for call in message.get("tool_calls") or ():
            text = runs.said("", call["function"]["name"], read_json(call["function"]["arguments"], "The arguments", of=dict))
        chat.append({"role": "user", "content": runs.RESULT + text} if role == "tool" else {"role": role, "content": text})
    return chat
