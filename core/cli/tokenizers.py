"""Tokenizers: trained on a corpus, and compared on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core import config
from core.cli.frame import subject, verb
from core.cli.options import USUAL, Positive, RecipeOptions, Text, Training, read_settings
from core.cli.tables import show_table
from core.errors import WorkbenchError

subject("tokenizers", "Tokenizers: trained and compared.")

Names = Annotated[tuple[str, ...], Parameter(name="--tokenizer", help="Of those at hand; repeatable (default: all).")]
Files = Annotated[
    tuple[Path, ...], Parameter(name="--file", help="A tokenizer.json, a folder with one, or a GGUF file; repeatable.")
]


@verb("train-tokenizer")
def train_tokenizer(workbench: Any, name: str, /, *, train: Training = (), recipe: RecipeOptions = USUAL) -> Any:
    """A tokenizer, trained on the texts of a corpus; says where it lies."""
    from core.training import tokenizers

    corpus = yield from workbench.read_corpus(recipe.read())
    training = config.valid(tokenizers.TokenizerConfig, read_settings(train))
    return str(
        (
            yield from tokenizers.train_tokenizer(
                [document.text for document in corpus.documents], training, tokenizers.folder_of(name)
            )
        )
    )


@verb("tokenizers-compare", show_table)
def tokenizers_compare(
    workbench: Any,
    *,
    names: Names = (),
    files: Files = (),
    chunks: Annotated[
        tuple[Positive, ...], Parameter(consume_multiple=(1, 100), help="Sizes of chunks whose contents are reported.")
    ] = (64, 128, 256, 512),
    documents: Annotated[Positive | None, Parameter(help="Only the first so many.")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Tokens a word, bytes a token, what a chunk holds: each tokenizer on each document, as means with intervals."""
    from core.labs.inside.tokenizers import compare, summary

    read = recipe.read()
    corpus, rules = (yield from workbench.read_corpus(read)), read.evaluation
    readers = _readers(names, files)
    texts = [document.text for document in corpus.documents[:documents]]
    compared = yield from compare(texts, readers, chunks)
    return summary(compared, rules.resamples, rules.confidence, read.seed)


@verb("tokenizers-split", show_table)
def tokenizers_split(text: Text, /, *, names: Names = (), files: Files = ()) -> Any:
    """One text as each tokenizer cuts it."""
    from core.labs.inside.tokenizers import split_rows

    return split_rows(_readers(names, files), text)


def _readers(names: Sequence[str], files: Sequence[Path]) -> list[Any]:
    """The tokenizers named, opened; without any name all that are at hand."""
    from core.training import tokenizers

    there = tokenizers.tokenizer_files()
    if unknown := [name for name in names if name not in there]:
        raise WorkbenchError(f"There is no tokenizer '{unknown[0]}'.", where="--tokenizer", todo=f"There are {', '.join(there)}.")
    readers = [tokenizers.opened(there[name], name) for name in names or (() if files else there)]
    return readers + [tokenizers.opened(path) for path in files]
