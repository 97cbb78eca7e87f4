"""Other systems: asked the questions of a corpus, and compared with a recipe."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, Asked, RecipeOptions
from core.cli.tables import kept_of, told_after
from core.records import plain

subject("systems", "Other systems: asked the questions of a corpus once, and compared with a recipe.")


@verb("systems ask", job_keeps=lambda told: f"{told['answered']} of {told['questions']} questions answered")
def ask(
    workbench: Any,
    name: str,
    /,
    *,
    url: Annotated[str, Parameter(help="Its address; of an OpenAI-compatible one up to and with its version.")],
    speaks: Annotated[
        Literal["groundwork", "openai", "json"],
        Parameter(help="groundwork: another recipe that is served; openai: chat completions; json: as --body and --map say."),
    ] = "groundwork",
    model: Annotated[str, Parameter(help="Of an OpenAI-compatible system.")] = "",
    body: Annotated[
        str, Parameter(help='JSON that is sent, with {question} in its place (default: {"question": "{question}"}).')
    ] = "",
    places: Annotated[
        tuple[str, ...],
        Parameter(
            name="--map",
            help="FIELD=PLACE: where the reply holds answer and passages, and each of these its text, document, start and end, as "
            "answer=choices.0.message.content; repeatable.",
        ),
    ] = (),
    key_variable: Annotated[
        str, Parameter(help="Name of the environment variable with its key, which is sent to it and never stored.")
    ] = "",
    deadline: Annotated[float, Parameter(help="Seconds in which a question has to be answered.")] = 60.0,
    ask: Asked = 30,
    again: Annotated[bool, Parameter(help="Also what it was asked before, once more.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Ask a system at an address the questions that recipes answer; what it says is recorded, and asked for once."""
    from core.labs.systems import asking, over_http

    mapping = over_http.read_places(places)
    system = over_http.http_system(url, speaks, model, body, mapping, key_variable, deadline)
    return plain((yield from asking.ask_system(workbench, recipe.read(), name, system, ask, again)))


@verb("systems compare", told_after("compared"), job_keeps=kept_of)
def compare(
    workbench: Any,
    names: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, 20), help="Systems that were asked.")],
    /,
    *,
    ask: Asked = 30,
    measure: Annotated[
        tuple[str, ...],
        Parameter(help="As `list metric` and `list measure` name them; repeatable (default: all that ask no model)."),
    ] = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answers and rankings of systems against the recipe's, by every measure and metric, paired by question."""
    from core.labs.systems import comparing

    return comparing.record((yield from comparing.compare(workbench, recipe.read(), names, ask, measure)))
