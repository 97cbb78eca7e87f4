"""An answer and the steps that led to one of its tokens, as rows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from core.config import TrialConfig
from core.labs.sampling.chains import describe_chain
from core.labs.sampling.prompts import token_texts
from core.report.table import COUNT, TWO, Column, Table
from core.sampling.trace import AnswerTrace, Distribution, most_likely

ROWS = 14  # tokens that are told of
CUTS = 2  # of what a step cut, the likeliest


def step_name(stage: Distribution) -> str:
    return describe_chain([stage.step]) if stage.step else "model itself"


def shown_tokens(stages: Sequence[Distribution]) -> list[int]:
    """The likeliest tokens of the model and those that steps made likely, with the likeliest that each step cut."""
    some: dict[int, None] = {}
    for before, stage in pairwise(stages):
        some |= dict.fromkeys(stage.cut[np.argsort(-before.probabilities[stage.cut], kind="stable")[:CUTS]].tolist())
    for stage in (stages[-1], stages[0]):
        for token in most_likely(stage.probabilities, ROWS).tolist():
            if len(some) < ROWS + 2 and stage.probabilities[token] > 0:
                some[token] = None
    return sorted(some, key=lambda token: (-stages[0].probabilities[token], token))


def token_rows(config: TrialConfig, traced: AnswerTrace) -> list[dict[str, Any]]:
    """A row a token of an answer: how sure the model was of it."""
    columns = traced.token, traced.probability, traced.entropy_bits, traced.rank
    texts = token_texts(config, traced.token)
    return [
        {"place": place, "token": token, "text": text, "probability": probability, "entropy_bits": bits, "rank": rank}
        for place, (text, token, probability, bits, rank) in enumerate(
            zip(texts, *(column.tolist() for column in columns), strict=True), 1
        )
    ]


def step_rows(stages: Sequence[Distribution]) -> list[dict[str, Any]]:
    """A row a step: how many tokens it leaves and cuts, and how sure the distribution after it is."""
    return [
        {
            "step": step_name(stage),
            "kept": len(stage.support),
            "cut": len(stage.cut),
            "cut_probability": stage.cut_mass,
            "entropy_bits": stage.entropy_bits,
            "perplexity": stage.perplexity,
        }
        for stage in stages
    ]


def step_table(stages: Sequence[Distribution], command: str = "") -> Table:
    rows = [
        {**row, "step": f"{place}  {row['step']}" if place else row["step"], "percent cut": 100 * row["cut_probability"]}
        for place, row in enumerate(step_rows(stages))
    ]
    columns = (
        Column("step"),
        Column("kept", "", COUNT),
        Column("cut", "Cut here", COUNT),
        Column("percent cut", "Probability cut", "%.2f%%"),
        Column("entropy_bits", "Entropy", "%.3f bits"),
        Column("perplexity", "", TWO),
    )
    return Table("steps_table", columns, rows, "Tokens kept and cut by each step of the chain", "", command)


def probability_rows(stages: Sequence[Distribution], texts: dict[int, str]) -> list[dict[str, Any]]:
    """A row a step and token; texts: of the tokens told of."""
    return [
        {
            "step": step_name(stage),
            "token": token,
            "text": text,
            "probability": float(stage.probabilities[token]),
            "kept": bool(stage.logits[token] > -np.inf),
        }
        for stage in stages
        for token, text in texts.items()
    ]
