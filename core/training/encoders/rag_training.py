"""Trains the question side of a dual encoder end to end: through the likelihood of the answer over the passages it finds.

No evidence is marked to learn from: a passage is a good one where the generator, which stays as it is, finds the reference answer likelier
with it. Chunks keep the vectors of the start encoder, so no index is built anew while it learns. Source: `rag_loop`.

Splits are those of `training`: by document, and training finds no chunk of a document that is evidence in validation or test. The test
questions are asked once, before and after: ranking metrics, the likelihood, and token F1 of the answer written over the same number
of passages. Files as those of `training`; likelihoods and answers are kept by content: a training that goes on, or another one, asks
for the rest only.
"""

import json
from collections.abc import Generator
from pathlib import Path

import numpy as np

from core.config import ContextConfig, EvaluationConfig, PartConfig, code_version
from core.context.citations import pattern
from core.embedding.vectors import embed, weights
from core.errors import WorkbenchError
from core.evaluation.judged import relevance
from core.generation.loading import loaded
from core.generation.model_texts import Request, TextTools, written
from core.judging.diversity import answer_f1
from core.records import Chunks, Corpus, Hit, Progress
from core.retrieval.top import tie_order
from core.training.encoders.rag_loop import AnswerReader, RagLoop, RagQuestions, messages_over
from core.training.encoders.rag_settings import RagTraining
from core.training.encoders.splits import FEWEST, Splits, corpus_of, evidence_documents, split_rows
from core.training.encoders.start import BertFolder, start_encoder
from core.training.encoders.training import TrainedDualEncoder, encoder_record, mark_of, searched
from core.training.encoders.validation import METRICS, compared, measure
from core.training.log import at_work, finish, write_line
from core.training.record import PhaseSeconds

NAMES = (*METRICS, "likelihood", "f1")  # of the comparison; likelihood: nats a token of the answer


def train_rag(
    config: RagTraining,
    corpus: Corpus,
    chunks: Chunks,
    texts: list[str],
    folder: Path,
    *,
    generation: PartConfig,
    context: ContextConfig,
    evaluation: EvaluationConfig,
    home: Path,
    vectors: Path,
) -> Generator[Progress, None, TrainedDualEncoder]:
    """Trains on the corpus' questions that have an answer, and writes the encoder to `folder`, whose name is the encoder's.

    texts: those of the chunks. generation: says how likely an answer is. home: data folder, where likelihoods and texts by the
    model are recorded; vectors: the vector store, by content.
    """
    if not generation.mixes:
        todo = "Choose transformers as generation.part."
        raise WorkbenchError("This engine does not say how likely a given answer is.", where="generation.part", todo=todo)
    with at_work(folder, "an encoder") as work:
        seconds = PhaseSeconds()
        part, base = start_encoder(config.base, folder.parent)
        relevant = relevance(corpus, chunks, evaluation.overlap)
        whole = split_rows(corpus, relevant, config.validation_share, config.seed)
        splits = drawn(corpus, whole, config)
        yield Progress(0, 0, f"Vectors of the start encoder, {config.base}")
        chunk_vectors = yield from embed(part, texts, vectors, weigh=weights)
        start = yield from embed(part, [query.text for query in corpus.queries], vectors, query=True)
        yield from loaded(generation)
        held_out = _held_out(corpus, chunks, whole)
        hits = _hits(corpus, chunks, texts)
        reader = AnswerReader(generation, context, corpus, hits, home)
        asked = RagQuestions(config, corpus, splits.train, chunk_vectors, ~held_out, reader)
        rows, ties = splits.validation, tie_order(corpus.documents, chunks)
        judged = relevance(corpus_of(corpus, rows), chunks, evaluation.overlap)

        def validation(questions: np.ndarray) -> dict[str, float]:
            from core.progress import drain

            values = np.nanmean(measure(questions, chunk_vectors, judged, ties, evaluation.k), axis=0).tolist()
            return dict(zip(METRICS, values, strict=True)) | {
                "likelihood": float(drain(asked.marginals(rows, questions)).a_token.mean())
            }

        decides = part.identity(), generation, generation.identity(), context, evaluation.overlap, evaluation.k
        mark = mark_of(config, corpus, chunks, *decides, code_version(train_rag))
        loop = RagLoop(config, base, asked, validation, rows, work, mark)
        seconds.end("preparing")
        yield from loop.run()
        seconds.end("training")

        made = work / "encoder"
        loop.write(made)
        few = corpus_of(corpus, splits.test)
        before = after = start[splits.test]
        if loop.best_step:
            after = yield from embed(BertFolder(folder=made), [query.text for query in few.queries], work / "test", query=True)
        values = searched(few, chunks, held_out, evaluation, (before, chunk_vectors), (after, chunk_vectors))
        tools = TextTools(generation, config.seed, home, None)
        sides, answers = [], []
        for questions, metrics in zip((before, after), values[0], strict=True):
            marginals = yield from asked.marginals(splits.test, questions)
            texts_of = yield from _answers(few, asked.nearest(questions), hits, context, tools)
            f1 = [answer_f1(text, query.answers) for text, query in zip(texts_of, few.queries, strict=True)]
            sides.append(np.column_stack([metrics, marginals.a_token, f1]))
            answers.append(texts_of)
        comparison = compared(*sides, evaluation, config.seed, NAMES)
        unseen = compared(*values[1], evaluation, config.seed)
        sizes = {name: len(part_rows) for name, part_rows in splits._asdict().items()}
        sizes |= {"unseen_chunks": int(held_out.sum()), "chunks": len(chunks), "documents": len(corpus.documents)}
        seconds.end("testing")
        result = TrainedDualEncoder.by(loop, folder, seconds, sizes=sizes, comparison=comparison, unseen=unseen)
        write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped, comparison=comparison)
        lines = [
            {"question": query.id, "before": dict(zip(NAMES, b, strict=True)), "after": dict(zip(NAMES, a, strict=True))}
            | {"answer_before": first, "answer_after": second}
            for query, b, a, first, second in zip(few.queries, *(side.tolist() for side in sides), *answers, strict=True)
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (made / "test.jsonl").write_text(text, "utf-8", errors="surrogatepass")
        more = {"generation": generation.model_dump(mode="json"), "generator": generation.identity()}
        finish(work, made, folder, encoder_record(made, result, config, corpus, evaluation, part, **more))
        return result


def drawn(corpus: Corpus, splits: Splits, config: RagTraining) -> Splits:
    """So many of each part as the settings allow, of those with an answer."""
    rng, made = np.random.default_rng([config.seed, 3 << 20]), {}
    for name, rows in splits._asdict().items():
        able = np.array([row for row in rows if corpus.queries[row].answers], np.int64)
        made[name] = np.sort(rng.permutation(able)[: getattr(config, f"{name}_questions")])
        if len(made[name]) < FEWEST:
            raise WorkbenchError(
                f"Only {len(made[name])} questions with a reference answer for {name}, at least {FEWEST} are needed.",
                where=corpus.name,
                todo="Take a corpus whose questions have answers.",
            )
    return Splits(**made)


def _held_out(corpus: Corpus, chunks: Chunks, splits: Splits) -> np.ndarray:
    """Chunks of documents that are evidence in validation or test [num_chunks] bool."""
    apart = evidence_documents(corpus, splits.validation) | evidence_documents(corpus, splits.test)
    return np.array([document.id in apart for document in corpus.documents], bool)[chunks.document]


def _hits(corpus: Corpus, chunks: Chunks, texts: list[str]) -> list[Hit]:
    """Each chunk as a passage of a prompt."""
    hits = []
    for place, start, end, text in zip(chunks.document, chunks.start, chunks.end, texts, strict=True):
        document = corpus.documents[place]
        hits.append(Hit(1, 0.0, document.id, document.title, int(start), int(end), text))
    return hits


def _answers(
    corpus: Corpus, nearest: np.ndarray, hits: list[Hit], context: ContextConfig, tools: TextTools
) -> Generator[Progress, None, list[str]]:
    """What the generator writes to each question over the chunks found [n, k], without citations."""
    part, requests = tools.generator, []
    for query, chunks in zip(corpus.queries, nearest, strict=True):
        messages = messages_over(query.text, [hits[chunk] for chunk in chunks], context, part)
        requests.append(Request(messages, part.max_tokens, tuple(part.stop), part.temperature))
    return [pattern().sub(" ", text.text).strip() for text in (yield from written(tools, requests))]
