"""Sampling: chains of steps from logits to a token, traced, side by side, studied."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, Positive, RecipeOptions, Text
from core.cli.tables import show_parts, show_table
from core.errors import WorkbenchError

Manner = Annotated[
    Literal["question", "message", "text"],
    Parameter(help="A question over the recipe's passages, a message to the model alone, or a text to be continued."),
]
Chain = Annotated[
    str, Parameter(allow_leading_hyphen=True, help="STEPS, such as 'top_k=40 temperature=0.8', 'greedy' or 'none'.")
]
LIKELIEST = 10  # tokens of a place that are told


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
    questions: Annotated[Positive, Parameter(help="Questions, spread evenly over the corpus.")] = 20,
) -> Any:
    """Diversity against quality of sampled answers, by sampling chain, stored."""
    from core.labs.sampling import study

    return study.rows((yield from study.sample_study(workbench, recipe.read(), list(chains), samples, questions)))


@verb("sample-trace", show_parts)
def sample_trace(
    workbench: Any,
    prompt: Text,
    /,
    *,
    manner: Manner = "question",
    chain: Chain = "greedy",
    tokens: Annotated[Positive, Parameter(help="Of the answer, at most.")] = 64,
    place: Annotated[Positive, Parameter(help="Token of the answer of which each step is told.")] = 1,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """An answer token by token: how sure the model was, and what each step of the chain did to one of them."""
    from core.labs.sampling import prompts
    from core.labs.sampling.chains import describe_chain, read_chain
    from core.progress import drain
    from core.sampling.trace import most_likely, trace
    from core.sampling.writing import write

    config, steps = recipe.read(), read_chain(chain)
    reading = (yield from prompts.read(workbench, config, prompt, manner)).reading
    memory = prompts.remembered(workbench, reading)
    written = drain(write(config.generation, reading.prompt, memory, steps, seed=config.seed, max_tokens=tokens))
    pick, traced = written.picks[min(place, len(written.picks)) - 1], written.traced
    stages = trace(pick.logits, steps, pick.before)
    likeliest = (token for stage in (stages[0], stages[-1]) for token in most_likely(stage.probabilities, LIKELIEST).tolist())
    shown = list(dict.fromkeys(likeliest))
    names = dict(zip(shown, prompts.token_texts(config, shown), strict=True))
    return {
        "answer": written.text,
        "reason": written.reason,
        "perplexity": traced.perplexity,
        "tokens": [
            {"place": at, "token": token, "text": text, "probability": p, "entropy_bits": bits, "rank": rank}
            for at, (token, text, p, bits, rank) in enumerate(
                zip(
                    traced.token.tolist(),
                    prompts.token_texts(config, traced.token),
                    traced.probability.tolist(),
                    traced.entropy_bits.tolist(),
                    traced.rank.tolist(),
                    strict=True,
                ),
                1,
            )
        ],
        "steps": [
            {
                "step": describe_chain([stage.step]) if stage.step else "model itself",
                "token": token,
                "text": name,
                "probability": float(stage.probabilities[token]),
                "kept": bool(stage.logits[token] > float("-inf")),
            }
            for stage in stages
            for token, name in names.items()
        ],
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
    tokens: Annotated[Positive, Parameter(help="Of an answer, at most.")] = 64,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Answers to one prompt side by side: by chains, searches and engines, with their speed."""
    from core.labs.sampling import chains as notation
    from core.labs.sampling import prompts, sides

    config = recipe.read()
    offered = sides.engines(config)
    if unknown := [name for name in engines if name not in offered]:
        raise WorkbenchError(f"There is no engine '{unknown[0]}'.", where="--engine", todo=f"Choose among {', '.join(offered)}.")
    wanted = [
        *((text, notation.read_chain(text)) for text in chains),
        *((text, notation.read_search(text)) for text in searches),
        *((name, offered[name]) for name in engines),
    ]
    reading = (yield from prompts.read(workbench, config, prompt, manner)).reading
    written = yield from sides.written_sides(workbench, config, reading, wanted, tokens)
    return [side._asdict() for side in written]
