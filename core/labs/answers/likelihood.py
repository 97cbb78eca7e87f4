"""How likely a given answer is over the passages that a recipe finds: RAG-Sequence's and RAG-Token's marginal likelihood."""

import math
import time
from collections.abc import Generator
from typing import Any, NamedTuple

from core.answering.marginal import likelihood
from core.answering.protocol import Material
from core.answering.rag_token import RagToken
from core.config import TrialConfig
from core.context.passages import distinct
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.pipeline.provenance import source_of
from core.records import Hit, Progress
from core.report.table import TWO, Column, Table
from core.workbench import Workbench

DEADLINE_S = 600.0


class AnswerLikelihood(NamedTuple):
    """Natural logarithms, over `tokens` tokens of the answer with its end."""

    answer: str
    tokens: int
    sequence: float  # RAG-Sequence: log of the sum over passages of p(z) p(answer | z)
    token: float  # RAG-Token: sum over tokens of the log of the sum over passages of p(z) p(token | z)
    passages: list[dict[str, Any]]  # number, document, prior, logprob of the answer, posterior by RAG-Sequence


def answer_likelihood(
    workbench: Workbench, config: TrialConfig, question: str, answer: str
) -> Generator[Progress, None, AnswerLikelihood]:
    """The marginal likelihood of this answer to this question, with the temperature of the recipe's way of answering where it
    has one, else the default. Not stored."""
    if not answer.strip():
        raise WorkbenchError("The answer is empty.", todo="Give the words whose likelihood is asked for.")
    way = config.answering if config.answering.part in ("rag_token", "rag_sequence") else RagToken()
    way.check(config.generation)
    run = workbench.resolve(config)
    hits, _ = distinct(workbench.search(run, question), config.context)
    if not hits:
        raise WorkbenchError("No passage was found, so there is nothing to sum over.", todo="Ask for something in the corpus.")
    yield from loaded(config.generation)
    until, source = time.perf_counter() + DEADLINE_S, source_of(workbench.pipeline, run)
    sides = way.sides(Material(question, hits, config.generation, config.context, until, config.seed, source=source))
    [table] = yield from config.generation.answer_logprobs(sides.prompts, [answer.strip()], DEADLINE_S)
    made = likelihood(sides.log_prior, table)
    rows = [
        {"passage": number, **_place(hit), "log_prior": prior, "logprob": logprob, "posterior": share}
        for number, (hit, prior, logprob, share) in enumerate(
            zip(sides.hits, sides.log_prior, made.each, made.posterior, strict=True), 1
        )
    ]
    return AnswerLikelihood(answer.strip(), made.tokens, made.sequence, made.token, rows)


def passage_table(made: AnswerLikelihood, command: str = "") -> Table:
    """What each passage makes of the answer."""
    rows = []
    for row in made.passages:
        shares = {"prior": 100 * math.exp(row["log_prior"]), "share": 100 * row["posterior"]}
        rows.append({**row, "characters": f"{row['start']:,} to {row['end']:,}", **shares})
    columns = (
        Column("passage"),
        Column("document_id", "Document"),
        Column("characters"),
        Column("prior", "p(passage | question)", "%.1f%%"),
        Column("logprob", "log p(answer | passage)", TWO),
        Column("share", "Share of the answer", "%.1f%%"),
    )
    note = "Share of the answer: p(passage | question, answer) by RAG-Sequence"
    return Table("likelihood_table", columns, rows, "Likelihood of the answer by passage", note, command)


def _place(hit: Hit) -> dict[str, Any]:
    return {"document_id": hit.document_id, "start": hit.start, "end": hit.end}
