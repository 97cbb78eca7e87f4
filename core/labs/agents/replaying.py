"""A run of an agent again from one of its steps, whose result a person has edited: what would it have answered, had the tool said this?

The steps up to that one come from the record, without the model; those behind it are run again with the same recipe and seed. Verbs of the
page Agents.
"""

import time
from collections.abc import Generator
from functools import partial
from typing import Any, NamedTuple

from core import registry
from core.agents import runs
from core.agents.mcp_servers import RESULT
from core.agents.runs import AgentStep
from core.agents.tools import TOOLS
from core.answering.protocol import Material
from core.config import build, code_version, fingerprint
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.labs.answers.answering import is_final
from core.labs.answers.stored import stored
from core.pipeline.provenance import source_of
from core.pipeline.stages import Resolved
from core.records import Answer, Hit, Progress
from core.store.batches import batches
from core.workbench import Workbench

KIND = "agent_replays"  # of the records
AGENT = "react"  # the part whose runs are replayed


class AgentReplay(NamedTuple):
    """answer: id of the answer whose run it was. step: from 1, the one whose result was edited."""

    answer: str
    step: int
    result: str
    text: str
    ended: str  # in words
    steps: list[AgentStep]


def steps_of(answer: dict[str, Any] | Answer) -> list[AgentStep]:
    """Of an answer, stored or just written; [] where no agent wrote it."""
    detail = answer.detail if isinstance(answer, Answer) else answer.get("detail") or {}
    return runs.read_steps(detail.get("steps", []))


def longest(step: AgentStep) -> int:
    """Characters of an edited result: as many as its tool gives."""
    most = TOOLS[step.tool].most if step.tool in TOOLS else RESULT
    return max(most, len(step.result))


def replay(workbench: Workbench, answer_id: str, step: int, result: str) -> Generator[str | Progress, None, AgentReplay]:
    """Yields the answer's text as it comes, and returns the run, which is recorded. step: from 1."""
    record = stored(workbench, answer_id)
    steps, way = steps_of(record), record.get("way") or {}
    if way.get("part") != AGENT or not steps:
        raise WorkbenchError(
            "This answer was not written by an agent.", where=answer_id, todo="`agents run` writes one, and tells its id."
        )
    calls = [number for number, each in enumerate(steps, 1) if each.tool != runs.FINISH]
    if step not in calls:
        told = f"1 to {calls[-1]}" if calls else "none: it answered at once"
        raise WorkbenchError(
            f"There is no step {step} with a result to edit.", where=answer_id, todo=f"Steps with a result: {told}."
        )
    if len(result) > (most := longest(steps[step - 1])):
        what = f"The result has {len(result):,} characters, and {steps[step - 1].tool} gives {most:,} at most."
        raise WorkbenchError(what, where="result", todo="Give a shorter one.")
    config, agent = build(record["config"]), registry.find("answering", AGENT)
    key = fingerprint(answer_id, step, result, code_version(replay, agent, type(config.generation)))
    if value := batches(workbench.home).read(KIND, [key]).get(key):
        yield value["text"]
        return _read(value)
    part = agent.model_validate(way)
    generator = config.generation.usable()
    part.check(generator)
    before = [*steps[: step - 1], steps[step - 1]._replace(result=result, failed=False, edited=True)]
    first = record["detail"]["first"]
    last = max([first, *(number for each in before for number in each.passages)])
    hits = [Hit(**{**hit, "excerpts": tuple(map(tuple, hit["excerpts"]))}) for hit in record["hits"][:last]]
    run = yield from workbench.pipeline.resolve(config)
    yield from loaded(generator)
    made = yield from part.resumed(material_of(workbench, run, record["question"], hits), before, first)
    if not is_final(generator, made.finish_reason):
        raise WorkbenchError(made.finish_reason, where=generator.model, todo="Run it again: nothing of it is recorded.")
    ended = runs.ENDS[made.detail["end"]]
    value = {"answer": answer_id, "step": step, "result": before[-1].result, "text": made.text, "ended": ended}
    value["steps"] = made.detail["steps"]
    return _read(batches(workbench.home).keep(KIND, {key: value})[key])


def material_of(workbench: Workbench, run: Resolved, question: str, hits: list[Hit]) -> Material:
    """What a run goes on with. hits: the passages that the model has read so far."""
    config = run.config
    tools = {"search": partial(workbench.search, run), "source": source_of(workbench.pipeline, run), "desk": workbench.desk()}
    until = time.perf_counter() + config.answering.deadline_s()
    return Material(question, hits, config.generation.usable(), config.context, until, config.seed, **tools)


def replays(workbench: Workbench, answer_id: str) -> list[AgentReplay]:
    """Those of an answer, oldest first."""
    words = "SELECT key FROM agent_replays WHERE answer = ? ORDER BY id, key"
    keys = [row["key"] for row in workbench.store.query(words, [answer_id])]
    values = batches(workbench.home).read(KIND, keys)
    return [_read(values[key]) for key in dict.fromkeys(keys) if key in values]


def _read(value: dict[str, Any]) -> AgentReplay:
    fields = {name: value[name] for name in AgentReplay._fields}
    return AgentReplay(**fields | {"steps": runs.read_steps(value["steps"])})
