"""Sampling: chains of steps from logits to a token, traced, side by side, studied."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import ASK, USUAL, Positive, RecipeOptions, Text
from core.cli.tables import show_parts, show_table
from core.errors import WorkbenchError

subject("sampling", "Sampling, step by step.")

Manner = Annotated[
    Literal["question", "message", "text"],
    Parameter(help="A question over the recipe's passages, a message to the model alone, or a text to be continued."),
]
Chain = Annotated[
    str, Parameter(allow_leading_hyphen=True, help="STEPS, such as 'top_k=40 temperature=0.8', 'greedy' or 'none'.")
]


@verb("sample-study", show_table)
def sample_study(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    chains: Annotated[
        tuple[str, ...],
        Parameter(
            name="--chain",
            required=True,
            allow_leading_hyphen=True,
            help="STEPS, such as 'top_k=40 temperature=0.8', 'greedy' or 'none'; repeatable.",
        ),
    ],
    samples: Annotated[Positive, Parameter(help="Answers a question and chain.")] = 5,
    ask: Annotated[Positive, Parameter(name=ASK, help="So many questions, spread evenly over the corpus.")] = 20,
) -> Any:
    """Diversity against quality of sampled answers, by sampling chain, stored."""
    from core.labs.sampling import study

    return study.rows((yield from study.sample_study(workbench, recipe.read(), list(chains), samples, ask)))


@verb("sample-trace", show_parts)
def sample_trace(
    workbench: Any,
    prompt: Text,
    /,
    *,
    manner: Manner = "question",
    chain: Chain = "greedy",
    tokens: Annotated[Positive, Parameter(help="Of the answer, at most.")] = 64,
    place: Annotated[Positive, Parameter(help="Token of the answer whose steps are shown.")] = 1,
    begin: Annotated[
        tuple[int, ...], Parameter(consume_multiple=(1, 100_000), help="Ids of the tokens that the answer has to begin with.")
    ] = (),
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An answer token by token: how sure the model was, and what each step of the chain did to one of them."""
    from core.labs.sampling import prompts, traces
    from core.labs.sampling.chains import read_chain
    from core.progress import drain
    from core.sampling.trace import trace
    from core.sampling.writing import write

    config, steps = recipe.read(), read_chain(chain)
    reading = (yield from prompts.read(workbench, config, prompt, manner)).reading
    words = len(prompts.first_logits(workbench, config, reading))
    if unknown := [token for token in begin if not 0 <= token < words]:
        raise WorkbenchError(f"The model has no token {unknown[0]}.", where="--begin", todo=f"Ids go from 0 to {words - 1:,}.")
    memory = prompts.remembered(workbench, reading)
    work = write(config.generation, reading.prompt, memory, steps, seed=config.seed, max_tokens=tokens, begin=begin)
    written = drain(work)
    if place > len(written.picks):
        todo = f"Choose a token from 1 to {len(written.picks)}."
        raise WorkbenchError(f"The answer has {len(written.picks)} tokens.", where=f"--place {place}", todo=todo)
    pick = written.picks[place - 1]
    stages = trace(pick.logits, steps, pick.before)
    shown = traces.shown_tokens(stages)
    texts = dict(zip(shown, prompts.token_texts(config, shown), strict=True))
    return {
        "answer": written.text,
        "reason": written.reason,
        "perplexity": written.traced.perplexity,
        "tokens": traces.token_rows(config, written.traced),
        "sentences": [sentence._asdict() for sentence in prompts.sentences(written, reading.hits)],
        "chain": traces.step_rows(stages),
        "steps": traces.probability_rows(stages, texts),
    }


@verb("sample-compare", show_table)
def sample_compare(
    workbench: Any,
    prompt: Text,
    /,
    *,
    manner: Manner = "question",
    chains: Annotated[tuple[str, ...], Parameter(name="--chain", allow_leading_hyphen=True, help="STEPS; repeatable.")] = (),
    searches: Annotated[
        tuple[str, ...], Parameter(name="--search", help="Such as beam=4,length_penalty=0.5 or contrastive=4; repeatable.")
    ] = (),
    engines: Annotated[tuple[str, ...], Parameter(name="--engine", help="As `list generator` names it; repeatable.")] = (),
    tokens: Annotated[Positive, Parameter(help="Of an answer, at most; of a remote engine its own limit holds.")] = 64,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answers to one prompt side by side: by chains, searches and engines, with their speed."""
    from core.labs.sampling import chains as notation
    from core.labs.sampling import prompts, sides

    config = recipe.read()
    offered = sides.engines(config)
    if not (chains or searches or engines):
        raise WorkbenchError(
            "There is nothing to compare.", todo="Give a --chain, a --search or an --engine, each as often as wanted."
        )
    if unknown := [name for name in engines if name not in offered]:
        raise WorkbenchError(f"There is no engine '{unknown[0]}'.", where="--engine", todo=f"Choose among {', '.join(offered)}.")
    wanted = [
        *((text, notation.read_chain(text)) for text in chains),
        *((text, notation.read_search(text)) for text in searches),
        *((name, offered[name]) for name in engines),
    ]
    reading = (yield from prompts.read(workbench, config, prompt, manner)).reading
    written = yield from sides.written_sides(config, reading, wanted, tokens)
    return [side._asdict() for side in written]


@verb("sample-search", show_parts)
def sample_search(
    workbench: Any,
    prompt: Text,
    /,
    *,
    search: Annotated[str, Parameter(help="Such as beam=4,length_penalty=0.5 or contrastive=4.")] = "beam",
    manner: Manner = "question",
    tokens: Annotated[Positive, Parameter(help="Of an answer, at most.")] = 64,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """All texts that a search finds, best first, and of contrastive search its choices."""
    from core.labs.sampling import chains, prompts, searches
    from core.progress import drain
    from core.records import plain

    config, how = recipe.read(), chains.read_search(search)
    reading = (yield from prompts.read(workbench, config, prompt, manner)).reading
    result = drain(searches.search(config, reading, how, tokens))
    return plain({"seconds": result.seconds, "lines": result.lines, "choices": searches.choice_rows(config, result)})


@verb("chains list", show_table)
def chains_stored(workbench: Any) -> list[dict[str, str]]:
    """Those that came with Groundwork, then the saved ones."""
    from core.labs.sampling import chains

    return [{"name": name, "chain": text} for name, text in chains.presets(workbench).items()]


@verb("chains save")
def save_chain(workbench: Any, name: str, chain: Text, /) -> str:
    """Save a chain, such as 'top_k=40 temperature=0.8', under a name."""
    from core.labs.sampling import chains

    chains.save_preset(workbench, name, chains.read_chain(chain))
    return f"Saved {name}."


@verb("chains delete")
def delete_chain(workbench: Any, name: str, /) -> str:
    """Delete a saved chain."""
    from core.labs.sampling import chains

    chains.delete_preset(workbench, name)
    return f"Deleted {name}."
