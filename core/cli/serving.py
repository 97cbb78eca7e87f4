"""A recipe served over HTTP, and the keys of those who may ask."""

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.options import USUAL, Positive, RecipeOptions
from core.cli.tables import show_table
from core.config import build
from core.records import Progress

Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65535))]
Rate = Annotated[float, Parameter(validator=Number(gt=0), help="Requests a second of one client, in the long run.")]
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]
Days = Annotated[float, Parameter(validator=Number(gte=0), help="Until it expires; 0: never.")]


@verb("serve")
def serve(
    workbench: Any,
    *,
    trial: Annotated[str, Parameter(help="A stored trial, whose recipe is served; else the recipe of the options.")] = "",
    port: Port = 8600,
    batch: Annotated[Positive, Parameter(help="Answers written side by side.")] = 8,
    at_once: Annotated[Positive, Parameter(help="Requests at work; more wait in line.")] = 16,
    waiting: Annotated[Positive, Parameter(help="Requests in line; more are refused with status 429.")] = 64,
    rate: Rate = 20.0,
    similarity: Annotated[
        Share, Parameter(help="Cosine from which the answer to another question is given, where the words agree; 0: never.")
    ] = 0.0,
    with_keys: Annotated[bool, Parameter(help="Only who has a key may ask (`serving make-key`).")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answer, search and chat over HTTP on this machine until it is stopped; its /docs tells how."""
    from core.serving.keys import Keys
    from core.serving.service import Service
    from core.serving.web import Limits, make_app, run

    config = build(workbench.show(workbench.trial_id(trial))["config"]) if trial else recipe.read()
    service = Service(workbench, config, trial, similarity)
    app = make_app(
        service, Limits(batch, at_once, waiting, rate, max(1, round(2 * rate))), Keys(workbench.home) if with_keys else None
    )
    yield Progress(0, 0, f"Serving on http://127.0.0.1:{port}; ctrl-c stops it")
    return run(app, port)


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
