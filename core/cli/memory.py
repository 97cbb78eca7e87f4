"""Memory: facts are written, read, superseded and forgotten."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Positive, RecipeOptions, Text
from core.cli.tables import show_columns
from core.errors import WorkbenchError
from core.memory.ranking import HALF_LIFE_DAYS, STRENGTH_DAYS
from core.records import Progress

subject("memory", "Memory of facts: written, read, superseded, forgotten with proof; policies over simulated lives.")
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]
Days = Annotated[float, Parameter(validator=Number(gt=0), help="After how many days a fact counts half.")]
Seed = Annotated[int, Parameter(validator=Number(gte=0, lte=1_000_000), help="Of the simulated life.")]


def _facts(rows: list[dict[str, Any]]) -> None:
    from core.memory.shown import facts_table

    show_columns(facts_table(rows))


def _hits(rows: list[dict[str, Any]]) -> None:
    from core.memory.shown import hits_table

    show_columns(hits_table(rows))


def _audit(rows: list[dict[str, Any]]) -> None:
    from core.memory.shown import audit_table

    show_columns(audit_table(rows))


def _lives(rows: list[dict[str, Any]]) -> None:
    from core.memory.simulation import lives_table

    show_columns(lives_table(rows))


def _policies(rows: list[dict[str, Any]]) -> None:
    from core.memory.shown import policy_table

    show_columns(policy_table(rows))


About = Annotated[Text, Parameter(help="What it is about.")]


@verb("memory write")
def write(
    workbench: Any,
    text: Annotated[str, Parameter(help="The fact as a sentence; empty: made of subject, attribute and value.")] = "",
    /,
    *,
    about: About = "",
    attribute: Annotated[Text, Parameter(help="What of it; a new value replaces the old one.")] = "",
    value: Annotated[Text, Parameter(help="What that is.")] = "",
    source: Annotated[Text, Parameter(help="Who says it.")] = "",
    confidence: Annotated[Share, Parameter(help="That it is true.")] = 1.0,
    importance: Annotated[Share, Parameter(help="How much it would be missed.")] = 0.5,
    derived_from: Annotated[
        tuple[str, ...], Parameter(help="Id of a fact that it follows from; repeatable, in the argument's order.")
    ] = (),
    document: Annotated[str, Parameter(help="Of the corpus, in which it was read.")] = "",
    start: Annotated[int, Parameter(help="First character there that says it.")] = 0,
    end: Annotated[int, Parameter(help="The character behind the last one.")] = 0,
    recipe: RecipeOptions = USUAL,
) -> dict[str, Any]:
    """Remember a fact, and say what became of it: new, stated before, or in the place of an older one, with what is stale by it."""
    from core.memory.facts import FactDraft
    from core.memory.sources import read_in
    from core.memory.store import memory_of

    draft = FactDraft(text, about, attribute, value, None, source, confidence, importance, derived_from, document, start, end)
    return memory_of(workbench).write(read_in(workbench, recipe.read(), draft))._asdict()


@verb("memory read", _hits)
def read(
    workbench: Any,
    question: Text,
    /,
    *,
    k: Annotated[Positive, Parameter(help="How many facts.")] = 5,
    half_life: Days = HALF_LIFE_DAYS,
) -> list[dict[str, Any]]:
    """The facts that memory gives for a question, best first, with their scores; a stale one says why, and what it would be today."""
    from core.memory.ranking import Weights
    from core.memory.shown import hit_rows
    from core.memory.store import memory_of

    store = memory_of(workbench)
    rows = hit_rows(store, store.read(question, k, weights=Weights(half_life_days=half_life)))
    store.count_uses()
    return rows


@verb("memory facts", _facts)
def facts(
    workbench: Any,
    *,
    about: About = "",
    stale: Annotated[bool, Parameter(help="Only those that may hold no more.")] = False,
    all_versions: Annotated[bool, Parameter(help="Those too that have ended.")] = False,
    most: Positive = 100,
) -> list[dict[str, Any]]:
    """What is remembered, the latest first."""
    from core.memory.shown import fact_row
    from core.memory.store import memory_of

    return [fact_row(fact) for fact in memory_of(workbench).facts(most, not all_versions, stale, about)]


@verb("memory show")
def show(workbench: Any, fact: str, /) -> dict[str, Any]:
    """A fact with its earlier versions, what it was derived from, and what was derived from it."""
    from core.memory.store import memory_of

    store = memory_of(workbench)
    derivation = store.derivation(fact)
    return {
        "fact": store.fact(fact)._asdict(),
        "stale because": store.because(store.fact(fact)),
        "versions": [{"id": each.id, "text": each.text, "since": each.time, "ended": each.ended} for each in store.history(fact)],
        "derived from": [{"id": each.id, "text": each.text} for each in derivation.parents],
        "led to": [{"id": each.id, "text": each.text} for each in derivation.children],
    }


@verb("memory end")
def end(workbench: Any, fact: str, /) -> dict[str, Any]:
    """A fact holds no more, and nothing takes its place; it stays in the history, and what was derived from it is stale."""
    from core.memory.store import memory_of

    return memory_of(workbench).end(fact)._asdict()


@verb("memory import", job_keeps=lambda told: told["written"])
def import_facts(workbench: Any, file: Path, /) -> Any:
    """Remember the facts of a file, a JSON object a line: text, or subject, attribute, value; broken lines are told by their numbers."""
    from core.memory.exchange import import_lines
    from core.memory.store import memory_of

    return (yield from import_lines(memory_of(workbench), file))


@verb("memory export")
def export(workbench: Any, about: Text, /) -> dict[str, Any]:
    """All that is remembered about a subject, with its history, derivations and uses, and the facts of others that mention it."""
    from core.memory.forgetting import exported

    return exported(workbench, about)


@verb("memory forget", healthy=lambda told: told["proven"], job_keeps=lambda told: told["key"])
def forget(
    workbench: Any,
    *facts: Annotated[str, Parameter(help="Their ids.")],
    who: Annotated[Text, Parameter(help="Who asks for it.")],
    why: Annotated[Text, Parameter(help="The reason, without what is forgotten: it stays.")],
    about: Annotated[Text, Parameter(help="All facts about this subject.")] = "",
    derived: Annotated[bool, Parameter(help="What was derived from them, too.")] = False,
) -> Any:
    """Forget facts with all their versions, and prove that no search, table or byte of the data folder holds them (else exit code 1)."""
    from core.memory.forgetting import forget

    made = yield from forget(workbench, who, why, facts, about, derived)
    return made._asdict()


@verb("memory forgettings", _audit)
def forgettings(workbench: Any) -> list[dict[str, Any]]:
    """Who had what number of facts forgotten, when and why, and what the proof said."""
    from core.memory.forgetting import forgettings

    return forgettings(workbench)


@verb("memory trim")
def trim(workbench: Any, budget: Positive, /, *, half_life: Days = STRENGTH_DAYS) -> dict[str, int]:
    """Delete the weakest facts beyond a number: those that ended, then by importance, halved with each half-life since they were used."""
    from core.memory.store import memory_of

    store = memory_of(workbench)
    return {"deleted": store.trim(budget, half_life), **store.counts()._asdict()}


@verb("memory half-life")
def half_life(workbench: Any) -> dict[str, Any]:
    """The half-life of use in days, fitted by maximum likelihood to when facts were used, with its 95% interval."""
    from core.memory.ranking import DAY_S
    from core.memory.store import memory_of

    fitted = memory_of(workbench).half_life()
    days = {name: value and value / DAY_S for name, value in (("days", fitted.value), ("low", fitted.low), ("high", fitted.high))}
    return days | {"uses": fitted.uses, "facts": fitted.things, "note": fitted.note}


@verb("memory check", healthy=lambda told: not told["damage"])
def check(workbench: Any, *, recipe: RecipeOptions = USUAL) -> Any:
    """Whether the file of facts is whole, and whether documents still say what facts were read in; those that do not make them stale."""
    from core.memory.sources import check_sources
    from core.memory.store import memory_of

    store = memory_of(workbench)
    told = {"damage": store.damage()}
    if not store.sourced():
        yield Progress(1, 1, "No fact was read in a document")
        return told | {"facts": 0, "drifted": 0, "stale": 0, "ids": [], "elsewhere": 0}
    return told | (yield from check_sources(workbench, recipe.read()))


@verb("memory simulate", _lives, job_keeps=lambda rows: len(rows))
def simulate(
    workbench: Any, *, seed: Seed = 0, lives: Annotated[Positive, Parameter(help="Lives with the seeds from this one on.")] = 1
) -> Any:
    """Live 26 weeks from a seed with a memory that adds all and one that selects; what each knows at the end, by strings alone."""
    from core.memory.recorded import record_life
    from core.memory.simulation import simulate

    yield from record_life(workbench, seed)
    return (yield from simulate(workbench, seed, lives))


@verb("memory lives", _lives)
def lives(workbench: Any) -> list[dict[str, Any]]:
    """The lives that were simulated, an arm a row."""
    from core.memory.simulation import simulated

    return simulated(workbench)


@verb("memory policy", _policies)
def policy(
    workbench: Any,
    *,
    seed: Seed = 0,
    half_life: Days = STRENGTH_DAYS,
    novelty: Annotated[
        Share, Parameter(help="Cosine with an earlier sentence from which a sentence is not stored; 1: all are stored.")
    ] = 0.95,
    budget: Annotated[int, Parameter(validator=Number(gte=0), help="Facts at most; 0: any number.")] = 1200,
    adds_only: Annotated[bool, Parameter(help="A new value does not replace the old one.")] = False,
    add_all: Annotated[bool, Parameter(help="Everything is taken up, and nothing goes.")] = False,
) -> Any:
    """Try a rule of remembering over a recorded life, beside adding all: recall, stale answers, size."""
    from core.memory.policy import ADD_ALL, Policy, tried
    from core.memory.recorded import record_life
    from core.memory.shown import policy_rows

    chosen = ADD_ALL if add_all else Policy(half_life, novelty, budget, not adds_only)
    life = yield from record_life(workbench, seed)
    if not 0 < chosen.half_life_days < 1e6:
        raise WorkbenchError("The half-life lies between 0 and a million days.", where="--half-life")
    return policy_rows({"this policy": tried(life, chosen), "add-all": tried(life, ADD_ALL)})
