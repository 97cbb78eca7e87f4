"""What a model is given, and where its answer comes from."""

from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, RecipeOptions, Text, reference

subject("answers", "Answers of a model: prompts, answers to question sets, and studies of them.")


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
        Parameter(help="STAGE.FIELD=VALUE: also how the templates differ from those of the recipe with this; repeatable."),
    ] = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """What the model would read for a question, in tokens; nothing is answered."""
    from core.labs.answers import prompt as lab
    from core.records import plain

    read = recipe.read()
    preview = yield from lab.preview(workbench, read, question)
    if not against:
        return preview
    texts = [lab.template_texts(each.context) for each in (reference(read, against), read)]
    return {**plain(preview), "difference": {kind: lab.template_difference(*(t[kind] for t in texts)) for kind in texts[0]}}


def show_stored(answer: dict[str, Any]) -> None:
    """The answer, then each chunk with its places, and where the time went."""
    print(f"{answer['question']}\n\n{answer['text']}\n\n{answer['finish_reason']}")
    for note in answer["notes"]:
        print(note)
    for document, words in answer["stale"].items():
        print(f"{document}: {words}")
    if not (origin := answer["provenance"]):
        return print("Its provenance was not noted when it was made.")
    print(f"\n{origin['corpus']}, checksum {origin['corpus_checksum']}")
    for chunk in origin["origins"]:
        number = f"[{chunk['passage']}]" if chunk["passage"] else "not given"
        page = f", page {chunk['page']}" if chunk["page"] else ""
        places = ", ".join(f"{name} {place['rank']} ({place['score']:.4g})" for name, place in chunk["stages"].items())
        for name, place in chunk["stages"].items():
            places += f"; {name} read it in {place['longer']}" if place.get("longer") else ""
        print(f"{number:>9}  {chunk['document_id']} [{chunk['start']}:{chunk['end']}]{page}, chunk {chunk['chunk']}: {places}")
    print()
    for step in origin["steps"]:
        print(f"{step['ms']:>9,.1f} ms  {step['name'].replace('_', ' ')}")


@verb("answer", show_stored)
def answer(workbench: Any, answer_id: str, /) -> Any:
    """A stored answer: its chunks with rank and score in each stage, where its time went, and documents that changed since."""
    from core.labs.answers import stored as answers
    from core.labs.answers.freshness import stale_since

    record = answers.stored(workbench, answer_id)
    return record | {"stale": stale_since(workbench, record)}
