"""A recipe served over HTTP: published, watched, and the keys of those who may ask."""

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, Positive, RecipeOptions
from core.cli.tables import show_table
from core.config import build
from core.errors import WorkbenchError
from core.records import Up
from core.serving.asking import ADDRESS, PORT, own_key

subject("serving", "A recipe served over HTTP: published, watched, its keys, load and traces.")
Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65535))]
Rate = Annotated[float, Parameter(validator=Number(gt=0), help="Requests a second of one client, in the long run.")]
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]
Published = Annotated[str, Parameter(help="The recipe that is published under this name.")]
Trial = Annotated[str, Parameter(help="The recipe of a stored trial; else that of the options.")]
Days = Annotated[float, Parameter(validator=Number(gte=0, lte=36_500), help="Until it expires; 0: never.")]


@verb("serve")
def serve(
    workbench: Any,
    *,
    published: Published = "",
    trial: Trial = "",
    port: Port = PORT,
    batch: Annotated[Positive, Parameter(help="Answers written side by side.")] = 8,
    at_once: Annotated[Positive, Parameter(help="Requests at work; more wait in line.")] = 16,
    waiting: Annotated[Positive, Parameter(help="Requests in line; more are refused with status 429.")] = 64,
    rate: Rate = 20.0,
    similarity: Annotated[
        Share, Parameter(help="Cosine from which the answer to another question is given, where the words agree; 0: never.")
    ] = 0.0,
    router: Annotated[
        str, Parameter(help="A classifier of questions (`heads train-classifier`) with the labels corpus, closed_book, refuse.")
    ] = "",
    with_keys: Annotated[bool, Parameter(help="Only who has a key may ask (`serving make-key`).")] = False,
    otlp: Annotated[str, Parameter(help="Address of a collector, as http://localhost:4318, that spans are sent to, too.")] = "",
    against: Annotated[str, Parameter(help="A second recipe, published under this name or of this trial: A/B.")] = "",
    share: Annotated[Share, Parameter(help="Of the questions that the second recipe answers.")] = 0.5,
    shadow: Annotated[bool, Parameter(help="The second recipe answers none, but is asked each again after the reply.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answer, search and chat over HTTP on this machine until it is stopped; its /docs tells how."""
    from core.serving.arms import SecondRecipe
    from core.serving.keys import Keys
    from core.serving.routing import trained
    from core.serving.service import Service
    from core.serving.stored_spans import recorder
    from core.serving.web import ServiceLimits, listening, make_app, run

    config = _served(workbench, published, trial, recipe)
    more = similarity, trained(router) if router else None
    service = Service(workbench, config, published or trial, *more)
    limits = ServiceLimits(batch, at_once, waiting, rate, max(1, round(2 * rate)))
    if shadow and not against:
        raise WorkbenchError("A shadow needs a second recipe.", where="--shadow", todo="Name one with --against.")
    second = SecondRecipe(Service(workbench, _second(workbench, against), against, *more), share, shadow) if against else None
    app = make_app(service, limits, Keys(workbench.home) if with_keys else None, recorder(workbench.home, address=otlp), second)
    with listening(port) as place:
        yield Up(0, 0, f"Up on http://127.0.0.1:{port} until it is stopped")
        return run(app, place)


@verb("serving mcp")
def mcp(workbench: Any, *, published: Published = "", trial: Trial = "", recipe: RecipeOptions = USUAL) -> Any:
    """The recipe as a server of the Model Context Protocol over standard input and output, with the tools search and answer."""
    from core.serving.mcp import run
    from core.serving.service import Service

    return run(Service(workbench, _served(workbench, published, trial, recipe), published or trial))


def _served(workbench: Any, published: str, trial: str, recipe: RecipeOptions) -> Any:
    ways = {"--published": published, "--trial": trial, "the recipe's own options": recipe != USUAL}
    if len(named := [way for way, value in ways.items() if value]) > 1:
        what = f"Several recipes are named, by {' and '.join(named)}."
        raise WorkbenchError(what, where=named[0], todo="Name one: what is published, a trial, or a recipe by its options.")
    if published:
        return _published(workbench, published)
    return _of_trial(workbench, trial) if trial else recipe.read()


def _second(workbench: Any, name: str) -> Any:
    """What is published under the name, else the trial."""
    from core.serving.publishing import publications

    return _published(workbench, name) if name in {each.name for each in publications(workbench)} else _of_trial(workbench, name)


def _of_trial(workbench: Any, trial: str) -> Any:
    return build(workbench.show(workbench.trial_id(trial))["config"])


def _published(workbench: Any, name: str) -> Any:
    from core.serving.publishing import published, recipe_of

    return recipe_of(published(workbench, name))


@verb("serving publish", job_keeps=str)
def publish(
    workbench: Any,
    name: str,
    /,
    *,
    trial: Trial = "",
    measure: Annotated[str, Parameter(help="Of the answers, as `list measure` names it: the gate.")] = "faithfulness",
    least: Annotated[
        float, Parameter(help="What its interval's lower end has to reach, or the upper not to exceed where less is better.")
    ] = 0.85,
    ask: Asked = 30,
    canaries: Annotated[Positive, Parameter(help="Questions with evidence by which the service is watched, at most.")] = 200,
    why: Annotated[str, Parameter(help="Reason to publish it anyway; kept in the record.")] = "",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Let a recipe through its gate under a name: by a measure of its answers; and note what its canaries find."""
    from core.serving.publishing import publish

    config = _served(workbench, "", trial, recipe)
    made = yield from publish(workbench, config, name, trial, measure, least, ask, canaries, why=why)
    return {
        "name": made.name,
        "recipe": made.recipe,
        **made.gate,
        "canaries": len(made.canaries),
        "found": sum(each["found"] for each in made.canaries),
        "created": made.created,
    }


@verb("serving published", show_table)
def published(workbench: Any) -> list[dict[str, Any]]:
    """What was published, the newest first."""
    from core.serving.publishing import publications

    columns = ("name", "trial", "recipe", "created")
    return [{column: getattr(each, column) for column in columns} | each.gate for each in publications(workbench)]


@verb("serving canaries", healthy=lambda told: told["alarm"] is None)
def canaries(
    workbench: Any,
    name: str,
    /,
    *,
    url: Annotated[str, Parameter(help="Of the service; empty: only what is recorded.")] = ADDRESS,
    most: Annotated[Positive, Parameter(help="Questions that are asked.")] = 200,
) -> Any:
    """Ask a service the questions again that its publication found: a loss is reported with its deployment and stage (exit code 1)."""
    from core.serving.publishing import published
    from core.serving.watching import ask_canaries, watched

    own = published(workbench, name)
    told = (yield from ask_canaries(workbench, own, url, most, own_key())) if url else watched(workbench, own)
    return {
        "publication": own.key,
        "canaries": told.asked,
        "lost": told.lost.mean,
        "low": told.lost.low,
        "high": told.lost.high,
        "alarm": None if told.alarm is None else told.alarm + 1,  # the canary that raised it, counted as the sentence does
        "since": told.since,
        "stage": told.stage,
        "sentence": told.sentence,
    }


@verb("serving make-key")
def make_key(workbench: Any, name: str, /, *, days: Days = 0.0) -> dict[str, str]:
    """A key for a client of the service. It is shown this once: only its hash is stored."""
    from core.serving.keys import Keys

    return {"name": name, "key": Keys(workbench.home).make(name, days)}


@verb("serving revoke-key")
def revoke_key(workbench: Any, name: str, /) -> dict[str, str]:
    """The client's key opens nothing any more, also of a service that is up."""
    from core.serving.keys import Keys

    Keys(workbench.home).revoke(name)
    return {"name": name, "status": "revoked"}


@verb("serving keys", show_table)
def keys(workbench: Any) -> list[dict[str, Any]]:
    """Who has a key, since when and until when."""
    from core.serving.keys import listed

    return listed(workbench.home)
