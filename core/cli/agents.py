"""Agents: a model that calls tools until it answers, its steps, and what it is worth beside plain answers."""

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions, Text
from core.cli.tables import kept_of, show_table, told_after

subject("agents", "Agents: a model that calls tools until it answers, compared with plain answers.")


def show_run(made: dict[str, Any]) -> None:
    """A line a step, then how the run ended; the answer itself was streamed."""
    for number, step in enumerate(made["steps"], 1):
        edited = " (edited)" if step["edited"] else ""
        print(f"\n{number}. {step['thought']}\n   {step['tool']} {step['arguments']}{edited}\n   {step['result']}")
    print("".join(f"\n{note}" for note in made.get("notes", ())))
    print(f"ended: {made['ended']}; {made['id']}")


@verb("agents run", show_run)
def run_agent(
    workbench: Any,
    question: Text,
    /,
    *,
    tools: Annotated[
        str, Parameter(help="Names of tools, by commas, as `agents tools` lists them (default: the recipe's).")
    ] = "",
    steps: Annotated[Positive | None, Parameter(help="Calls at most (default: the recipe's).")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An agent's answer to a question, with its steps; stored as any answer."""
    from core.agents.runs import ENDS
    from core.agents.tools import checked
    from core.config import with_settings
    from core.labs.agents.replaying import AGENT, steps_of
    from core.records import plain

    settings = {"answering.part": AGENT}
    settings |= {"answering.tools": list(checked(_names(tools)))} if tools else {}
    settings |= {"answering.steps": steps} if steps else {}
    made = yield from workbench.ask(with_settings(recipe.read(), settings), question)
    ended = ENDS.get(made.detail.get("end", ""), made.finish_reason)
    spent = {"prompt_tokens": made.prompt_tokens, "answer_tokens": made.answer_tokens, "seconds": made.generation_ms / 1000}
    return plain(
        {
            "id": made.id,
            "question": question,
            "text": made.text,
            "ended": ended,
            "notes": made.notes,
            **spent,
            "steps": steps_of(made),
        }
    )


@verb("agents replay", show_run)
def replay_run(
    workbench: Any,
    answer_id: str,
    /,
    *,
    step: Annotated[Positive, Parameter(help="Number of the step whose result is edited.")],
    result: Annotated[str, Parameter(help="What stands in its result's place.", allow_leading_hyphen=True)],
) -> Any:
    """An agent's run again from a step with an edited result: those before from the record, the rest by the model."""
    from core.labs.agents import replaying
    from core.records import plain

    made = yield from replaying.replay(workbench, answer_id, step, result)
    return plain({"id": answer_id, "text": made.text, "ended": made.ended, "steps": made.steps})


def _told(recipe: Any, questions: Any, plan: Any, about: dict[str, Any]) -> dict[str, Any]:
    """What a comparison tells, behind what it was of."""
    from core.records import plain

    return plain({"dataset": recipe.corpus.dataset, "questions": len(questions), "plan": plan, **about})


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


@verb("agents compare", told_after("arms"), job_keeps=kept_of)
def compare_agents(
    workbench: Any,
    *,
    ask: Asked = 30,
    ways: Annotated[str, Parameter(help="Ways of answering, by commas, as `list answering` names them.")] = "ircot,react",
    temperature: Annotated[
        float, Parameter(validator=Number(gte=0, lte=2), help="Of the samples of the arm with equal budget.")
    ] = 0.7,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Agents against closed book, chain of thought and RAG on the same questions, one arm at the agents' budget: scores, cost, tests."""
    from core.labs.agents import comparing as lab

    read = recipe.read()
    plan = lab.AgentPlan(ask, _names(ways), temperature)
    made = yield from lab.compare_agents(workbench, read, plan)
    told = {"arms": lab.rows(made), "told": lab.sentences(made, read.evaluation.confidence), "items": lab.item_rows(made)}
    return _told(read, made.draw.rows, plan, told)


@verb("agents attack", told_after("attacks"), job_keeps=kept_of)
def attack_agents(
    workbench: Any,
    *,
    ask: Asked = 20,
    way: Annotated[str, Parameter(help="Way of answering, as `list answering` names it (default: the recipe's).")] = "",
    rule: Annotated[
        bool, Parameter(negative="--without-rule", help="Text not trusted chooses no tool that writes; --without-rule: it may.")
    ] = True,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Whether answers follow text planted in the first document, by six kinds of attack and an adaptive one, and whether agents write."""
    from core.labs.agents import attacking as lab

    read = recipe.read()
    plan = lab.AttackPlan(ask, rule, way)
    made = yield from lab.attack_agents(workbench, read, plan)
    told = {"attacks": lab.rows(made), "told": lab.sentences(made, read.evaluation.confidence), "items": lab.item_rows(made)}
    return _told(read, made.targets, plan, told)


@verb("agents observe", told_after("observations"), job_keeps=kept_of)
def replace_observation(
    workbench: Any,
    *,
    ask: Asked = 20,
    step: Annotated[Positive, Parameter(help="The call whose result is replaced; runs with fewer are left out.")] = 1,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Recorded runs with one observation replaced by gold evidence, by nothing and by a contradiction: what the step mattered."""
    from core.labs.agents import mattering as lab

    read = recipe.read()
    made = yield from lab.replace_observation(workbench, read, plan := lab.ObservationPlan(ask, step))
    told = {"observations": lab.observation_rows(made), "told": lab.sentences(made, read.evaluation.confidence)}
    return _told(read, made.draw.rows, plan, told)


@verb("agents searches", told_after("searches"), job_keeps=kept_of)
def answer_early(
    workbench: Any,
    *,
    ask: Asked = 20,
    calls: Annotated[
        Positive, Parameter(help="The answer is asked for after 0 calls, 1, and so on below this; last is the whole run.")
    ] = 3,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answers of recorded runs after 0 to k calls of tools: the marginal value of the next one."""
    from core.labs.agents import mattering as lab

    read = recipe.read()
    made = yield from lab.answer_early(workbench, read, plan := lab.SearchPlan(ask, calls))
    told = {"searches": lab.search_rows(made), "told": lab.sentences(made, read.evaluation.confidence)}
    return _told(read, made.draw.rows, plan, told)


@verb("agents repeat", told_after("passes", "plans"), job_keeps=kept_of)
def repeat_agents(
    workbench: Any,
    *,
    ask: Asked = 20,
    repeats: Annotated[Positive, Parameter(help="Of each question.")] = 4,
    ways: Annotated[str, Parameter(help="One or two ways of answering, by a comma.")] = "one_prompt,react",
    temperature: Annotated[float, Parameter(help="At which repeats are drawn.")] = 0.7,
    difference: Annotated[float, Parameter(help="In F1, that one wants to see between the two.")] = 0.05,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The same questions several times: right k times in a row (pass^k), and how many repeats show that two ways differ."""
    from core.labs.agents import repeating as lab

    read = recipe.read()
    plan = lab.RepeatedPlan(ask, repeats, _names(ways), temperature, difference)
    made = yield from lab.repeat_agents(workbench, read, plan)
    told = {"passes": lab.pass_rows(made), "plans": lab.plan_rows(made), "told": lab.sentences(made)}
    return _told(read, made.draw.rows, plan, told)


@verb("agents effects", show_table)
def list_effects(workbench: Any) -> list[dict[str, Any]]:
    """Calls of agents that write, those first of which it is not known whether they were made."""
    from core.labs.agents import settling

    return settling.effects(workbench)


@verb("agents settle")
def settle_effect(
    workbench: Any,
    key: Annotated[str, Parameter(help="Of the call, as `agents effects` tells it.")],
    /,
    *,
    done: Annotated[bool, Parameter(negative="--not-done", help="It was made; --not-done: it was not.")],
) -> dict[str, Any]:
    """Say whether a call was made whose end was not noted; one that was not is made when its run is asked for again."""
    from core.labs.agents import settling

    return settling.settle(workbench, key, done)


@verb("agents tools", show_table)
def list_tools() -> list[dict[str, Any]]:
    """The tools that an agent may call: arguments, what they touch, and whether they can be used on this machine."""
    from core.agents.mcp_servers import names
    from core.agents.tools import TOOLS, USUAL, chosen

    return [
        {
            "tool": tool.signature,
            "what": tool.about,
            "permission": tool.permission,
            "characters": tool.most,
            "usual": tool.name in USUAL,
            "off": tool.lacking(),
        }
        for tool in chosen([*TOOLS, *names()])
    ]
