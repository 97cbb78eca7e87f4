"""What a model is given, and where its answer comes from."""

from typing import Annotated, Any

from cyclopts import Parameter

from core import config
from core.cli.frame import verb
from core.cli.options import USUAL, RecipeOptions, Text, read_settings


def show_prompt(prompt: dict[str, Any]) -> None:
    """The text, what it takes, and how its template differs from another one: [-only there-] and {+only here+}."""
    window = "" if prompt["window"] is None else f" of a window of {prompt['window']:,}"
    print(prompt["text"])
    print(
        f"\n{prompt['prompt_tokens']:,} tokens{window}, {prompt['passage_tokens']:,} of them in "
        f"{len(prompt['passages'])} passages; the answer has {prompt['answer_tokens']:,} at most"
    )
    for note in prompt["notes"]:
        print(note)
    marks = {"both": "{}", "first": "[-{}-]", "second": "{{+{}+}}"}
    for kind, pieces in prompt.get("difference", {}).items():
        print(f"\n{kind}: {''.join(marks[piece['side']].format(piece['text']) for piece in pieces)}")


@verb("prompt", show_prompt)
def prompt(
    workbench: Any,
    question: Text,
    /,
    *,
    against: Annotated[
        tuple[str, ...],
        Parameter(
            help="STAGE.FIELD=VALUE: also what the templates say otherwise than those of the recipe with this; repeatable."
        ),
    ] = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """What the model would read for a question, in tokens; nothing is answered."""
    from core.labs import prompt as lab
    from core.records import plain

    read = recipe.read()
    preview = yield from lab.preview(workbench, read, question)
    if not against:
        return preview
    texts = [lab.template_texts(each.context) for each in (config.with_settings(read, read_settings(against)), read)]
    return {**plain(preview), "difference": {kind: lab.template_difference(*(t[kind] for t in texts)) for kind in texts[0]}}
