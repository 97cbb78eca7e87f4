"""Reranking: what it is worth, which words met, and rerankers trained here."""

from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.encoders import Training
from core.cli.frame import subject, verb
from core.cli.options import USUAL, Metric, Positive, RecipeOptions, Text, read_settings
from core.cli.recipes import By, Folds
from core.cli.tables import show_parts
from core.evaluation.metric import MAIN
from core.files.grids import read_numbers
from core.records import plain

subject("rerankers", "Reranking: what it is worth, and its training.")


@verb("rerank-effect", show_parts)
def rerank_effect(workbench: Any, *, metric: Metric = MAIN, recipe: RecipeOptions = USUAL) -> Any:
    """The recipe beside itself without reranking: paired difference, and the questions that reranking lost."""
    from core.labs.reranking import effect

    evaluation = yield from workbench.evaluating(recipe.read())
    return plain(effect.record(workbench, evaluation, metric))


@verb("learn-cascade", show_parts)
def learn_cascade(
    workbench: Any,
    *,
    recipe: RecipeOptions = USUAL,
    metric: Metric = MAIN,
    depth: Annotated[Positive, Parameter(help="So many of the best MaxSim ranks again.")] = 30,
    last: Annotated[Positive, Parameter(help="So many of the best the cross-encoder ranks again.")] = 5,
    shares: Annotated[str, Parameter(help="A,B,C | START:STOP:STEP: the weights tried.")] = "0.25:1:0.25",
    folds: Folds = 5,
    by: By = "article",
) -> Any:
    """Choose none, MaxSim, the cross-encoder or both behind the recipe's fusion by cross-validation; sets nothing."""
    from core.labs.reranking import cascades

    tried = cascades.cascades(depth, last, read_numbers(shares, "--shares"))
    return cascades.learn(workbench, recipe.read(), tried, metric, folds, by)


@verb("token-matches", show_parts)
def token_matches(
    workbench: Any,
    question: Text,
    /,
    *,
    rank: Annotated[Positive, Parameter(help="Of the passage in the recipe's ranking.")] = 1,
    passage: Annotated[str, Parameter(help="A text in the passage's place; nothing is searched.")] = "",
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Which word of a passage each word of a question met, and what it adds to the score of late interaction."""
    from core.labs.reranking import token_matches

    if passage:
        met = token_matches.matches(recipe.read(), question, passage)
    else:
        hit, met = yield from token_matches.of_rank(workbench, recipe.read(), question, rank)
        passage = hit.text
    return {
        "passage": passage,
        "score": met.score,
        "words": token_matches.rows(met),
        "cosines": [
            {"word": word} | {f"{place} {other}": float(row[place]) for place, other in enumerate(met.offered)}
            for word, row in zip(met.asked, met.cosines, strict=True)
        ],
    }


@verb("train-reranker")
def train_reranker(workbench: Any, name: str, /, *, train: Training = (), recipe: RecipeOptions = USUAL) -> Any:
    """A cross-encoder, trained on the questions of a corpus: an adapter of the bundled encoder, and a head."""
    from core.labs.reranking import training

    return training.train_reranker(workbench, recipe.read(), name, read_settings(train))
