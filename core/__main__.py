"""The command line: `python -m core SUBJECT VERB …`. The same verbs as the pages; each file of core/cli says those of its subject."""

import sys

from core.cli import (
    adapters,
    agreement,
    annotation,
    answer_sets,
    answers,
    corpus,
    encoders,
    engines,
    experiment_book,
    experiments,
    failures,
    faithfulness,
    heads,
    index,
    inside,
    judges,
    noise,
    papers,
    parts,
    queries,
    recipes,
    reranking,
    runs,
    sampling,
    scores,
    store,
    tokenizers,
    traces,
    trials,
)
from core.cli.frame import main, parse

__all__ = ("SUBJECTS", "main", "parse")
# in the order in which the documentation names them
SUBJECTS = (
    corpus, parts, recipes, queries, reranking, answers, answer_sets, scores, judges, faithfulness, failures, trials, noise, runs,
    experiment_book, experiments, papers, encoders, heads, adapters, tokenizers, index, sampling, engines, inside, traces,
    annotation, agreement, store,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
