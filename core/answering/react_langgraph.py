"""The agent `react` with its loop in LangGraph: the same prompts, tools, engine and limits, so that what differs is the framework."""

from collections.abc import Generator
from typing import Any, Literal, TypedDict

from core.agents import runs
from core.answering.react import AgentRun, React
from core.progress import drain
from core.records import Progress
from core.registry import part


class _LoopState(TypedDict):
    step: Any  # what the model wrote last; None: no valid call


@part("answering")
class ReactLangGraph(React):
    """The loop of `react` as a graph of LangGraph: a node writes a call, a node makes it, an edge goes back. Choose it to see what the
    framework takes beside `react`, which is the same without it.

    LangGraph of LangChain (https://docs.langchain.com/oss/python/langgraph), its `StateGraph`; without checkpoints, which repeat what a
    tool has done when a run goes on (its issues 6792 and 9006), and without its tracing, which would send prompts away. A text is written
    whole before it can be stopped.
    """

    part: Literal["react_langgraph"] = "react_langgraph"

    def work(self, run: AgentRun) -> Generator[str | Progress, None, None]:
        from langsmith import tracing_context

        graph = _graph(run)
        with tracing_context(enabled=False):
            for _ in graph.stream({"step": None}, {"recursion_limit": 3 * self.steps + 10}):
                yield Progress(len(run.steps), self.steps, f"Step {len(run.steps) + 1}")


def _graph(run: AgentRun) -> Any:
    from langgraph.graph import END, START, StateGraph

    def model(state: _LoopState) -> _LoopState:
        return {"step": drain(run.next_step(run.tools))}

    def tools(state: _LoopState) -> _LoopState:
        run.call(state["step"])
        return state

    def last(state: _LoopState) -> _LoopState:
        drain(run.last_answer())
        return state

    def after_model(state: _LoopState) -> str:
        if (step := state["step"]) and step.tool == runs.FINISH:
            run.finish(step)
            return END
        return "tools" if step else "last" if run.end else "model"

    graph = StateGraph(_LoopState)
    for name, node in (("model", model), ("tools", tools), ("last", last)):
        graph.add_node(name, node)
    graph.add_conditional_edges(START, lambda state: "last" if run.end else "model", ["last", "model"])
    graph.add_conditional_edges("model", after_model, ["model", "tools", "last", END])
    graph.add_conditional_edges("tools", lambda state: "last" if run.end else "model", ["last", "model"])
    graph.add_edge("last", END)
    return graph.compile()
