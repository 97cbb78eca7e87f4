"""The question side of an encoder as it learns from the generator: the passages' side and the generator stay as they are.

Source: Lewis et al. 2020, "Retrieval-augmented generation for knowledge-intensive NLP tasks", arXiv:2005.11401, section 2.4 (the
encoder of documents is kept fixed), with the likelihood of RAG-Sequence (section 2.1); there the generator learns, too.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import ContextConfig, code_version, fingerprint
from core.context.prompt import Message, build
from core.embedding.minilm import QUESTIONS
from core.errors import PromptTooLong
from core.generation.torch_mixture import answer_logprobs
from core.progress import drain, told_within
from core.records import Corpus, Hit, Progress
from core.store.batches import batches
from core.training.encoders.loop import Loop

KIND = "likelihoods"  # of the records
DEADLINE_S = 600.0  # of one answer under its passages


class Marginals(NamedTuple):
    """Of questions: log p(answer | question) over the passages found, and tokens of the answer, its end among them [n]."""

    log: np.ndarray
    tokens: np.ndarray

    @property
    def a_token(self) -> np.ndarray:
        """Nats a token [n]."""
        return self.log / self.tokens


class AnswerReader:
    """What the generator makes of a question's first reference answer with one passage in its prompt. Recorded by content."""

    def __init__(self, generation: Any, context: ContextConfig, corpus: Corpus, hits: Sequence[Hit], home: Path) -> None:
        self._generation, self._context, self._corpus, self._hits = generation, context, corpus, hits
        self._kept, self._identity = batches(home), generation.identity()
        self._settings = fingerprint(self._identity, generation.context_tokens, code_version(answer_logprobs))

    def logs(self, rows: np.ndarray, nearest: np.ndarray) -> Generator[Progress, None, tuple[np.ndarray, np.ndarray]]:
        """log p(answer | question, passage) of the chunks found [n, k], and tokens of the answers [n]."""
        asked = [[self._asked(row, chunk) for chunk in chunks] for row, chunks in zip(rows, nearest, strict=True)]
        keys = [[fingerprint(self._settings, *each) for each in some] for some in asked]
        there = self._kept.read(KIND, [key for some in keys for key in some])
        for done, (some, texts) in enumerate(zip(keys, asked, strict=True)):
            absent = [place for place, key in enumerate(some) if key not in there]
            if absent:
                step = Progress(done, len(rows), "Likelihoods of answers by the generator")
                yield step
                work = self._generation.answer_logprobs([texts[place][0] for place in absent], [texts[0][1]], DEADLINE_S)
                [table] = yield from told_within(work, step)
                values = {
                    some[place]: {"logprob": sum(row), "tokens": len(row)} for place, row in zip(absent, table, strict=True)
                }
                there |= self._kept.keep(KIND, values, identity=self._identity)
        table = np.array(
            [[[there[key][name] for name in ("logprob", "tokens")] for key in some] for some in keys], np.float64
        )  # [n, k, 2]
        return table[:, :, 0], table[:, 0, 1]

    def _asked(self, row: int, chunk: int) -> tuple[list[dict[str, str]], str]:
        """The prompt over this passage alone, and the answer."""
        query, part = self._corpus.queries[row], self._generation
        return messages_over(query.text, [self._hits[chunk]], self._context, part), query.answers[0].strip()


def messages_over(question: str, hits: Sequence[Hit], context: ContextConfig, part: Any) -> list[Message]:
    """The prompt over these passages; of a first one that has no room in it the beginning, so that one chunk ends no training."""
    first, *others = hits
    while True:
        try:
            messages = build(question, [first, *others], context, part.count_tokens, None, part.holds).messages
            if part.holds(messages) or len(first.text) < 2:
                return messages
        except PromptTooLong:
            if len(first.text) < 2:
                raise
        text = first.text[: len(first.text) // 2]
        first = replace(first, text=text, end=first.start + len(text))


class RagQuestions:
    """What the loop asks: questions by step, the passages that stand fixed, and what the generator makes of them.

    chunk_vectors [num_chunks, dim] of length 1; seen [num_chunks] bool: those that training may find.
    """

    def __init__(
        self, config, corpus: Corpus, rows: np.ndarray, chunk_vectors: np.ndarray, seen: np.ndarray, reader: AnswerReader
    ) -> None:
        self.corpus, self.chunk_vectors, self.seen, self.reader = corpus, chunk_vectors, np.flatnonzero(seen), reader
        self._config, self._rows, self.size = config, rows, min(config.batch_size, len(rows))
        self.steps = min(config.max_steps, config.epochs * (len(rows) // self.size))

    def rows(self, step: int) -> np.ndarray:
        """Questions of step 0, 1, …"""
        epoch, place = divmod(step, len(self._rows) // self.size)
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._rows))
        return self._rows[order[place * self.size : (place + 1) * self.size]]

    def nearest(self, questions: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """The nearest chunks [n, passages], nearest first, of all or of those named."""
        among = np.arange(len(self.chunk_vectors)) if among is None else among
        order = np.argsort(-(questions @ self.chunk_vectors[among].T), axis=1, kind="stable")
        return among[order[:, : self._config.passages]]

    def marginals(self, rows: np.ndarray, questions: np.ndarray) -> Generator[Progress, None, Marginals]:
        """Over what is nearest of all chunks to these question vectors [n, dim]."""
        nearest = self.nearest(questions)
        logs, tokens = yield from self.reader.logs(rows, nearest)
        scores = np.einsum("nd,nkd->nk", questions, self.chunk_vectors[nearest]) / self._config.temperature
        return Marginals(log_marginal(scores, logs), tokens)


class RagLoop(Loop):
    """Of each step the passages are found by the encoder as it is then."""

    learnt = QUESTIONS
    remedy = "Lower learning_rate, raise temperature or warmup"

    def __init__(
        self, config, base: Path, asked: RagQuestions, validation: Callable[[np.ndarray], dict[str, float]], rows, work, mark
    ):
        """validation: measures of the vectors of the questions in `rows`."""
        super().__init__(config, base, asked, validation, work, mark)
        self._questions = [asked.corpus.queries[row].text for row in rows]

    def _learn(self) -> tuple[float, Callable[[], None]]:
        import torch

        asked, config = self._batches, self.config
        rows = asked.rows(self.step)
        self._model.eval()  # without dropout: a ranking by chance would ask the generator for passages that nobody finds
        with self._autocast():
            questions = self._vectors(self._ids([asked.corpus.queries[row].text for row in rows], config.question_tokens))
        nearest = asked.nearest(questions.detach().cpu().numpy(), asked.seen)
        logs, _ = drain(asked.reader.logs(rows, nearest))
        passages = torch.from_numpy(asked.chunk_vectors[nearest]).to(questions.device)  # [n, k, dim]
        scores = torch.einsum("nd,nkd->nk", questions, passages) / config.temperature
        loss = marginal_loss(scores, torch.from_numpy(logs).to(questions.device))
        return self._learnt_from(loss)

    def _measured(self) -> dict[str, float]:
        return self._validation(self._encode(self._questions, self.config.question_tokens))


def marginal_loss(scores, logs):
    """Mean over questions of -log sum over passages of p(passage | question) p(answer | question, passage).

    scores [n, k]: similarities over the temperature, whose softmax is p(passage | question); logs [n, k] natural, fixed. The
    gradient at a score is the prior less the posterior of its passage.
    """
    return -(scores.double().log_softmax(-1) + logs).logsumexp(-1).mean()


def log_marginal(scores: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The same of each question [n], without its sign."""
    from scipy.special import log_softmax, logsumexp

    return logsumexp(log_softmax(scores.astype(np.float64), axis=1) + logs, axis=1)
