"""Trains a dual encoder on a corpus with questions, in the manner of DPR.

Each question is pulled towards a chunk that holds its evidence and pushed away from the other chunks of its batch: the
evidence of the other questions and hard negatives found by BM25 (InfoNCE). Questions and chunks share one encoder.
Source: Karpukhin et al. 2020, "Dense Passage Retrieval for Open-Domain Question Answering", section 3; the loss of van
den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", equation 4; LoRA: Hu et al. 2022.

Splits are by document. The test half is `core.corpus.library.split`'s and is measured once, at the end; the dev half is
divided into train and validation. No chunk of a document that is evidence in validation or test is seen in training,
not even as a negative.

Files: the work stands in `<encoders>/.training/<name>/` (log.jsonl with a line for each step and evaluation,
checkpoint.pt), the finished encoder in `<encoders>/<name>/`, where it appears whole by renaming. Closing the generator
keeps the checkpoint of the last evaluation: the same settings continue there, other settings start anew.
"""

import json
import math
import os
import re
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from core import files
from core.config import EvaluationConfig, StageConfig, code_version, fingerprint, knob
from core.corpus import library
from core.embedding import bert, minilm
from core.embedding.trained import check
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.evaluation.judged import Relevance, judge, relevance
from core.evaluation.mrr import MRR
from core.evaluation.ndcg_linear import NDCGLinear
from core.evaluation.recall import Recall
from core.index.exact import Exact
from core.models import hub as models
from core.records import Chunks, Corpus, Progress
from core.retrieval.pool import make_pool, tie_order
from core.statistics.paired import paired_difference
from core.store.lock import Busy, hold
from core.training import negatives

METRICS = {"ndcg": NDCGLinear(), "recall": Recall(), "mrr": MRR()}
FEWEST = 10  # questions of a split: below, neither training nor a test says anything
LEARNING_RATE = {"lora": 5e-4, "full": 3e-5}
WEIGHT_DECAY, LONGEST_GRADIENT = 0.01, 1.0
LORA_LAYERS = r"encoder\..*\.(query|key|value|dense)"
TOKEN_CHARACTERS = 40  # of a text that is cut, so many a token are looked at


class TrainConfig(StageConfig):
    """How an encoder is trained."""

    base: str = knob("minilm", "Encoder to start from: minilm, the name of a trained one, or a folder with a BERT model.")
    method: Literal["lora", "full"] = knob(
        "lora", "LoRA trains small matrices beside the frozen weights; full trains all, slower and quicker to overfit."
    )
    lora_rank: int = knob(16, "Rank of LoRA's matrices. Larger can learn more, and overfit more.", ge=1, le=256)
    learning_rate: float = knob(
        0.0, "Step size at its peak; 0: 5e-4 for LoRA, 3e-5 for full. Too large diverges.", ge=0.0, le=0.1, step=0.00001
    )
    warmup: float = knob(
        0.1, "Share of the steps over which the learning rate rises; then it falls to 0.", ge=0.0, le=0.9, step=0.05
    )
    temperature: float = knob(
        0.05, "Divides similarities before the softmax. Lower looks at the hardest negatives only.", gt=0.0, le=1.0, step=0.01
    )
    batch_size: int = knob(
        16,
        "Questions of a step; each is a negative source for the others. More is better and slower.",
        unit="questions",
        ge=2,
        le=1024,
    )
    hard_negatives: int = knob(
        1, "Mined negatives added for each question of a batch; 0: only those of the batch.", unit="chunks", ge=0, le=8
    )
    negatives_depth: int = knob(
        30, "BM25 candidates looked at for negatives. Fewer are harder, and more often evidence.", unit="chunks", ge=1, le=1000
    )
    negatives_limit: float = knob(
        1.2,
        "Candidates nearer to the question than this many times the evidence are dropped as "
        "likely evidence. Below 1 is safest, and also drops what the start encoder gets wrong.",
        gt=0.0,
        le=2.0,
        step=0.05,
    )
    epochs: int = knob(3, "Passes over the training questions, at most.", ge=1, le=1000)
    max_steps: int = knob(
        200,
        "Steps at most, whatever the epochs say. A step takes some seconds on two cores.",
        unit="steps",
        label="At most",
        ge=1,
        le=1_000_000,
    )
    question_tokens: int = knob(32, "Tokens of a question that training reads. Fewer are faster.", unit="tokens", ge=8, le=512)
    passage_tokens: int = knob(
        80, "Tokens of a chunk that training reads; the encoder made reads as many as its base.", unit="tokens", ge=8, le=512
    )
    validation_share: float = knob(
        0.2, "Share of the dev half's questions kept for validation, with all their documents.", gt=0.0, lt=0.9, step=0.05
    )
    validation_questions: int = knob(
        120, "Questions an evaluation asks at most. More are a steadier curve, and slower.", unit="questions", ge=20, le=10_000
    )
    validation_chunks: int = knob(
        500, "Chunks an evaluation searches: the evidence, what BM25 finds, and random ones.", unit="chunks", ge=100, le=100_000
    )
    evaluate_every: int = knob(40, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)
    patience: int = knob(
        3, "Evaluations without a better one after which training stops. The best one is kept.", unit="evaluations", ge=1, le=1000
    )
    watch: Literal["ndcg", "recall", "mrr"] = knob("mrr", "Validation metric that decides which step is best.")
    seed: int = knob(0, "Seeds splits, order, dropout, LoRA and the test.", ge=0, le=2**31 - 1)


class Splits(NamedTuple):
    """Rows of corpus.queries [n] int64 each; no document is evidence in two of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class TrainingResult:
    """What training.json holds. comparison: metric -> before, after and the paired difference on the test questions.

    unseen: the same searching only documents that training never saw, neither as evidence nor as a negative: there the
    encoder cannot have gained by remembering which documents answer other questions.
    """

    folder: Path
    best_step: int  # 0: no step was better on validation than the start, so the encoder equals its start
    steps: int
    stopped: str  # "all steps" or "early"
    sizes: dict[str, int]
    comparison: dict[str, dict[str, Any]]
    unseen: dict[str, dict[str, Any]]
    seconds: dict[str, float]


def work_folder(folder: Path) -> Path:
    """Where the training of an encoder that is to stand in `folder` keeps its log and checkpoint."""
    return folder.parent / ".training" / folder.name


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The log of a training, running or finished; a line being written is left out. Each has `kind`, most `step`."""
    for file in (work_folder(folder) / "log.jsonl", folder / "log.jsonl"):
        if file.exists():
            lines = file.read_text("utf-8").split("\n")[:-1]
            return [json.loads(line) for line in lines]
    return []


def train(
    config: TrainConfig,
    corpus: Corpus,
    chunks: Chunks,
    texts: list[str],
    folder: Path,
    *,
    evaluation: EvaluationConfig | None = None,
    vectors: Path | None = None,
) -> Generator[Progress, None, TrainingResult]:
    """Trains on the corpus' questions and writes the encoder to `folder`, whose name is the encoder's.

    texts: those of the chunks. evaluation: depth, overlap and intervals of the test. vectors: the vector store that
    holds, or takes, the start encoder's vectors.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", folder.name):
        raise WorkbenchError(
            f"'{folder.name}' cannot name an encoder.",
            where="name",
            todo="Use up to 64 letters, digits, points, hyphens and underscores.",
        )
    if folder.exists():
        raise WorkbenchError(
            f"There is an encoder '{folder.name}' already.", where=str(folder), todo="Take another name, or delete that folder."
        )
    work = work_folder(folder)
    with _written(work):
        work.mkdir(parents=True, exist_ok=True)
        try:
            with hold(work / "lock", purpose="training an encoder", seconds=0.5):
                return (
                    yield from _train(
                        config, corpus, chunks, texts, folder, work, evaluation or EvaluationConfig(), vectors or work / "vectors"
                    )
                )
        except GeneratorExit:
            _log(work, "interrupted")
            raise
        except Busy:
            raise WorkbenchError(
                f"An encoder '{folder.name}' is being trained already.",
                where=str(work),
                todo="Wait for it, cancel it, or take another name.",
            ) from None


def _train(config, corpus, chunks, texts, folder, work, evaluation, store):
    started = time.monotonic()
    part, base = start_encoder(config.base, folder.parent)
    found = relevance(corpus, chunks, evaluation.overlap)
    splits = split_rows(corpus, found, config.validation_share, config.seed)
    yield Progress(0, 0, f"Vectors of the start encoder, {config.base}")
    chunk_vectors = yield from embed(part, texts, store)
    question_vectors = yield from embed(part, [query.text for query in corpus.queries], store, query=True)
    yield Progress(0, 0, "Mining negatives")
    batches = _Batches(config, corpus, chunks, texts, splits, found, question_vectors, chunk_vectors)
    validation = _Validation(config, corpus, chunks, texts, splits.validation, found, evaluation)
    loop = _Loop(config, base, batches, validation, work, _mark(config, corpus, chunks, part))
    prepared = time.monotonic()
    yield from loop.run()
    trained = time.monotonic()

    made = work / "encoder"
    loop.write(made)
    yield Progress(loop.steps, loop.steps, "Test: encoding the whole corpus with the trained encoder")
    after_part = BertFolder(made)
    asked = corpus_of(corpus, splits.test)
    start = end = question_vectors[splits.test], chunk_vectors
    if loop.best_step:
        questions = yield from embed(after_part, [query.text for query in asked.queries], work / "test", query=True)
        end = questions, (yield from embed(after_part, texts, work / "test"))
    values = []
    for searched in (np.arange(len(chunks)), np.flatnonzero(batches.held_out)):
        some = chunks_of(chunks, searched)
        found, ties = relevance(asked, some, evaluation.overlap), tie_order(corpus.documents, some)
        values.append([measure(q, v[searched], found, ties, evaluation.k) for q, v in (start, end)])
    comparison, unseen = (compared(*pair, evaluation, config.seed) for pair in values)
    seconds = {"preparing": prepared - started, "training": trained - prepared, "testing": time.monotonic() - trained}
    sizes = {
        "train": len(splits.train),
        "validation": len(splits.validation),
        "test": len(splits.test),
        "validation_asked": len(validation.rows),
        "validation_chunks": len(validation.texts),
        "unseen_chunks": int(batches.held_out.sum()),
        "chunks": len(chunks),
        "documents": len(corpus.documents),
    }
    result = TrainingResult(
        folder,
        loop.best_step,
        loop.step,
        loop.stopped,
        sizes,
        comparison,
        unseen,
        {name: round(value, 2) for name, value in seconds.items()},
    )
    _log(work, "end", best_step=loop.best_step, stopped=loop.stopped, comparison=comparison)
    _record(made, work, result, config, corpus, evaluation, part, batches)
    rows = zip(asked.queries, *(side.tolist() for side in values[0]), strict=True)
    lines = [json.dumps({"question": q.id, "before": b, "after": a}, ensure_ascii=False) for q, b, a in rows]
    (made / "test.jsonl").write_text("\n".join(lines) + "\n", "utf-8", errors="surrogatepass")
    files.seal_folder(made)
    os.rename(made, folder)
    files.synced(folder.parent)
    shutil.rmtree(work, ignore_errors=True)
    return result


# Start encoder ---------------------------------------------------------------------------------------------------------


class BertFolder:
    """A BERT folder with mean pooling as an encoder part: what is trained, and what training makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def identity(self) -> str:
        return "bert-" + fingerprint(models.files_identity(self._folder), models.fast_dtype(), code_version(minilm.MiniLM))

    def prefix(self, query: bool) -> str:
        return ""

    def load(self) -> minilm.Encoder:
        with models.readable(where=str(self._folder)):
            model = bert.Bert(self._folder, models.fast_dtype(), models.device())
            return minilm.Encoder(
                self._folder.name, self._folder, models.fast_dtype(), most_tokens(self._folder), "mean", lambda: model
            )


class Start(NamedTuple):
    """The encoder that training starts from: as a part, and the folder of its files."""

    part: Any
    folder: Path


def start_encoder(base: str, encoders: Path) -> Start:
    """The encoder that `base` names: minilm, an encoder trained before, or a folder."""
    if base == "minilm":
        return Start(minilm.MiniLM(), minilm.bundled_folder())
    for folder in (encoders / base, Path(base).expanduser()):
        if not all((folder / name).is_file() for name in models.ENCODER_FILES):
            continue
        check(folder)
        with models.readable(where=str(folder)):
            kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
        if kind == "bert":
            return Start(BertFolder(folder), folder)
        raise WorkbenchError(
            f"The model in '{base}' is not a BERT model.",
            where="base",
            todo="Start from minilm, a trained encoder or another BERT folder.",
        )
    have = sorted(path.parent.name for path in encoders.glob("[!.]*/training.json"))
    raise WorkbenchError(
        f"There is no encoder '{base}' to start from.",
        where="base",
        todo=f"Choose one of: {', '.join(['minilm', *have])}; or give a folder with {', '.join(models.ENCODER_FILES)}.",
    )


def most_tokens(folder: Path) -> int:
    """Tokens of a text that the encoder reads, specials included."""
    file = folder / "sentence_bert_config.json"
    settings = json.loads(file.read_text("utf-8")) if file.exists() else {}
    positions = json.loads((folder / "config.json").read_text("utf-8"))["max_position_embeddings"]
    return min(settings.get("max_seq_length") or 256, positions)


# Data ------------------------------------------------------------------------------------------------------------------


def split_rows(corpus: Corpus, found: Relevance, validation_share: float, seed: int) -> Splits:
    """Train and validation from the dev half, test from the test half: questions whose evidence some chunk holds."""
    has_chunk = np.zeros(len(corpus.queries), bool)
    has_chunk[found.pair_row] = True
    row_of = {query.id: row for row, query in enumerate(corpus.queries)}
    halves = {
        half: [row_of[q.id] for q in library.split(corpus, half).queries if has_chunk[row_of[q.id]]] for half in ("dev", "test")
    }
    anchors = library.linked(tuple(corpus.queries[row] for row in halves["dev"]))
    by_anchor: dict[str, list[int]] = {}
    for row in halves["dev"]:
        by_anchor.setdefault(anchors[corpus.queries[row].id], []).append(row)
    train, validation = [], []
    for anchor in sorted(by_anchor, key=lambda anchor: fingerprint(seed, anchor)):
        fits = len(validation) + len(by_anchor[anchor]) <= validation_share * len(halves["dev"])
        (validation if fits else train).extend(by_anchor[anchor])
    splits = Splits(*(np.array(sorted(rows), np.int64) for rows in (train, validation, halves["test"])))
    a, b, c = (evidence_documents(corpus, rows) for rows in splits)
    if a & b or a & c or b & c:
        raise WorkbenchError(
            "The questions share so much evidence that no division keeps documents apart: what the "
            "encoder learnt could not be told from what it remembers.",
            where=corpus.name,
            todo="Take a corpus whose questions have evidence of their own.",
        )
    for name, rows in splits._asdict().items():
        if len(rows) < FEWEST:
            raise WorkbenchError(
                f"Only {len(rows)} questions with evidence for {name}, at least {FEWEST} are needed.",
                where=corpus.name,
                todo="Take a corpus with more questions, or write some.",
            )
    return splits


def evidence_documents(corpus: Corpus, rows: np.ndarray) -> set[str]:
    """Documents that hold evidence of these questions, alternatives included."""
    return {gold.document_id for row in rows for gold in corpus.queries[row].gold if gold.grade > 0}


def corpus_of(corpus: Corpus, rows: np.ndarray) -> Corpus:
    return Corpus(corpus.name, corpus.documents, tuple(corpus.queries[row] for row in rows))


def chunks_of(chunks: Chunks, rows: np.ndarray) -> Chunks:
    return Chunks(*(column[rows] for column in (chunks.document, chunks.start, chunks.end, chunks.tokens)))


class _Batches:
    """What each step is shown. The same step of the same settings is always the same batch."""

    def __init__(self, config, corpus, chunks, texts, splits, found, question_vectors, chunk_vectors) -> None:
        held_out = evidence_documents(corpus, splits.validation) | evidence_documents(corpus, splits.test)
        apart = np.array([document.id in held_out for document in corpus.documents], bool)
        self.held_out = apart[chunks.document]
        self._free = np.flatnonzero(~self.held_out)
        touching = relevance(corpus, chunks, 1e-9)
        self._known = negatives.evidence(texts, touching.pair_row, touching.pair_chunk)
        self._config, self._corpus, self._texts, self._rows = config, corpus, texts, splits.train
        self._positive = nearest(found, splits.train, question_vectors, chunk_vectors)
        mined = negatives.mine(
            corpus.queries,
            splits.train,
            texts,
            ~self.held_out,
            self._known,
            question_vectors[splits.train],
            chunk_vectors,
            self._positive,
            config.negatives_depth,
            config.negatives_limit,
        )
        self._negatives, self.dropped = mined
        self.mined = int((self._negatives >= 0).sum())
        self.size = min(config.batch_size, len(self._rows))
        self.steps = min(config.max_steps, config.epochs * (len(self._rows) // self.size))

    def batch(self, step: int) -> "Batch":
        """Of step 0, 1, …"""
        epoch, place = divmod(step, len(self._rows) // self.size)
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._rows))
        some = order[place * self.size : (place + 1) * self.size]
        rng = np.random.default_rng([self._config.seed, 1 << 20, step])
        chunk = np.concatenate([self._positive[some], *(self._hard(i, rng) for i in some)])
        masked = self._known.touched(self._rows[some][:, None], chunk[None, :])
        np.fill_diagonal(masked, False)
        questions = [self._corpus.queries[row].text for row in self._rows[some]]
        return Batch(questions, [self._texts[i] for i in chunk], masked, self._rows[some], chunk)

    def _hard(self, i: int, rng: np.random.Generator) -> np.ndarray:
        """Mined negatives of one question; random chunks where none was found."""
        mined = self._negatives[i][self._negatives[i] >= 0]
        return rng.choice(mined if len(mined) else self._free, self._config.hard_negatives)


class Batch(NamedTuple):
    """questions [B]; passages [P]: the evidence of each question in their order, then hard negatives.

    masked [B, P] bool: passages that are evidence of a question but not its own positive: no negatives of it.
    row [B], chunk [P]: where they come from.
    """

    questions: list[str]
    passages: list[str]
    masked: np.ndarray
    row: np.ndarray
    chunk: np.ndarray


def nearest(found: Relevance, rows: np.ndarray, questions: np.ndarray, chunk_vectors: np.ndarray) -> np.ndarray:
    """For each of these questions the chunk, of those that cover its evidence, that the start encoder finds nearest."""
    similarity = np.einsum("nd,nd->n", questions[found.pair_row], chunk_vectors[found.pair_chunk])
    order = np.lexsort((-similarity, found.pair_row))
    return found.pair_chunk[order][np.searchsorted(found.pair_row[order], rows)]


class _Validation:
    """A small search that stands for the whole: some validation questions over their evidence and distractors.

    Distractors are BM25's, and random: none is chosen by the start encoder, which would hold its own mistakes against it.
    """

    def __init__(self, config, corpus, chunks, texts, rows, found, evaluation) -> None:
        rng = np.random.default_rng([config.seed, 2 << 20])
        of_row = np.split(found.pair_chunk, np.cumsum(np.bincount(found.pair_row, minlength=len(corpus.queries)))[:-1])
        pool: set[int] = set()
        asked: list[int] = []
        for row in rng.permutation(rows)[: config.validation_questions]:
            if len(pool) + len(of_row[row]) <= config.validation_chunks // 2 or not asked:
                asked.append(row)
                pool.update(of_row[row].tolist())
        self.rows = np.array(sorted(asked))
        self._corpus = corpus_of(corpus, self.rows)
        self.questions = [query.text for query in self._corpus.queries]
        bm25 = negatives.BM25S()
        depth = max(1, config.validation_chunks // 4 // len(asked))
        lexical = bm25.build(bm25.tokenize(texts)).search(bm25.tokenize(self.questions), depth).chunk
        pool.update(lexical[lexical >= 0].tolist())
        others = np.setdiff1d(np.arange(len(chunks)), list(pool))
        fill = rng.permutation(others)[: max(0, config.validation_chunks - len(pool))]
        searched = np.sort(np.concatenate([np.array(list(pool), np.int64), fill]))
        self.texts = [texts[i] for i in searched]
        some = chunks_of(chunks, searched)
        self._relevance = relevance(self._corpus, some, evaluation.overlap)
        self._ties, self._k = tie_order(corpus.documents, some), evaluation.k

    def measure(self, questions: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
        values = np.nanmean(measure(questions, vectors, self._relevance, self._ties, self._k), axis=0)
        return {name: round(float(value), 6) for name, value in zip(METRICS, values, strict=True)}


def measure(questions: np.ndarray, vectors: np.ndarray, found: Relevance, ties: np.ndarray, k: int) -> np.ndarray:
    """METRICS of each question [num_questions, 3] float64 by exact cosine search over all chunks."""
    candidates = Exact().build(vectors, None).search(questions, k, ties)
    pool = make_pool({"dense": candidates}, ties)
    judged = judge(pool, np.nan_to_num(pool.score["dense"], nan=-np.inf), found, k)
    return np.stack([metric.values(judged, k) for metric in METRICS.values()], axis=1)


def compared(before: np.ndarray, after: np.ndarray, evaluation: EvaluationConfig, seed: int) -> dict[str, dict]:
    """Metric -> means and the paired difference after - before [num_questions, 3] with interval and p."""
    paired = paired_difference(after, before, evaluation.resamples, evaluation.confidence, seed=seed)
    means = np.nanmean(before, axis=0), np.nanmean(after, axis=0)
    return {
        name: {"before": float(b), "after": float(a), **one._asdict()}
        for name, b, a, one in zip(METRICS, *means, paired, strict=True)
    }


# Training --------------------------------------------------------------------------------------------------------------


class _Loop:
    """The model, its optimiser and its state on disk."""

    def __init__(self, config, base: Path, batches, validation, work: Path, mark: str) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import BertModel
        from transformers.utils import logging

        logging.set_verbosity_error()  # it reports the pooling layer that is left out on purpose
        logging.disable_progress_bar()
        self.config, self._base, self._batches, self._validation = config, base, batches, validation
        self._work, self._mark = work, mark
        torch.manual_seed(config.seed)
        self._device = models.device()
        # eager: backward through torch's fused attention takes twice as long on a CPU in bfloat16
        with models.readable(where=str(base)):
            self._model = BertModel.from_pretrained(
                base, add_pooling_layer=False, dtype=torch.float32, attn_implementation="eager"
            )
            models.check_weights(self._model, str(base))
        if config.method == "lora":
            from peft import LoraConfig, get_peft_model

            lora = LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, lora_dropout=0.0, target_modules=LORA_LAYERS)
            self._model = get_peft_model(self._model, lora)
        self._model.to(self._device)
        self._tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self._pad = self._model.config.pad_token_id or 0
        self._weights = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._weights.values(), lr=0.0, weight_decay=WEIGHT_DECAY)
        self.steps, self.step, self.best_step, self.best_value, self.stopped = batches.steps, 0, 0, -1.0, "all steps"
        self._best: dict[str, Any] = {}
        self._without_gain = 0

    def run(self) -> Generator[Progress, None, None]:
        import torch

        resumed = self._resume()
        if not resumed:
            (self._work / "log.jsonl").unlink(missing_ok=True)
        _log(
            self._work,
            "resume" if resumed else "start",
            step=self.step,
            steps=self.steps,
            batch_size=self._batches.size,
            config=self.config.model_dump(),
        )
        finished = False
        try:
            if not resumed:
                yield Progress(0, self.steps, "Validation of the start encoder")
                self._evaluate()
            began, first = time.monotonic(), self.step
            while self.step < self.steps and self._without_gain < self.config.patience:
                loss = self._step()
                if not math.isfinite(loss):
                    raise self._diverged(loss)
                left = (time.monotonic() - began) / (self.step - first) * (self.steps - self.step)
                yield Progress(
                    self.step,
                    self.steps,
                    f"Step {self.step} of {self.steps}: loss {loss:.3f}, validation "
                    f"{self.config.watch} {self.best_value:.3f} at step {self.best_step}, {left:,.0f} s left",
                )
                if self.step % self.config.evaluate_every == 0 or self.step == self.steps:
                    self._evaluate()
                    self._save()
            self.stopped = "all steps" if self.step == self.steps else "early"
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(self._best[name])
            finished = True
        finally:
            if not finished:
                del self._optimizer, self._model  # a page's process lives on

    def _step(self) -> float:
        import torch

        began = time.monotonic()
        batch = self._batches.batch(self.step)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout, the same after a restart
        self._model.train()
        with self._autocast():
            questions = self._vectors(self._ids(batch.questions, self.config.question_tokens))
            passages = self._vectors(self._ids(batch.passages, self.config.passage_tokens))
        loss = info_nce(questions, passages, torch.from_numpy(batch.masked), self.config.temperature)
        value = float(loss.detach())
        rate = learning_rate(self.config, self.step, self.steps)
        if math.isfinite(value):
            self._optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._weights.values(), LONGEST_GRADIENT)
            self._optimizer.param_groups[0]["lr"] = rate
            self._optimizer.step()
        self.step += 1
        shown = round(value, 6) if math.isfinite(value) else None
        _log(self._work, "step", step=self.step, loss=shown, learning_rate=rate, seconds=round(time.monotonic() - began, 3))
        return value

    def _evaluate(self) -> None:
        began = time.monotonic()
        check = self._validation
        values = check.measure(
            self._encode(check.questions, self.config.question_tokens), self._encode(check.texts, self.config.passage_tokens)
        )
        better = values[self.config.watch] > self.best_value
        if better:
            self.best_value, self.best_step = values[self.config.watch], self.step
            self._best = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._without_gain = 0 if better else self._without_gain + 1
        _log(self._work, "evaluation", step=self.step, **values, seconds=round(time.monotonic() - began, 3))

    def _encode(self, texts: list[str], most_tokens: int) -> np.ndarray:
        """Vectors [len(texts), dim] float32 as the model is now."""
        import torch

        self._model.eval()
        ids = self._ids(texts, most_tokens)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found = []
        with torch.inference_mode(), self._autocast():
            found = [
                self._vectors([ids[i] for i in order[first : first + 64]]).cpu().numpy() for first in range(0, len(order), 64)
            ]
        vectors = np.concatenate(found)
        vectors[order] = vectors.copy()
        return vectors

    def _autocast(self):
        import torch

        return torch.autocast(self._device, torch.bfloat16, enabled=models.fast_dtype() == "bfloat16")

    def _ids(self, texts: list[str], most_tokens: int) -> list[list[int]]:
        self._tokenizer.enable_truncation(most_tokens)
        self._tokenizer.no_padding()
        heads = [models.encodable(text[: TOKEN_CHARACTERS * most_tokens]) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(heads)]

    def _vectors(self, ids: list[list[int]]):
        """Mean-pooled vectors of length 1 [len(ids), dim] float32."""
        import torch

        longest = max(map(len, ids))
        padded = torch.tensor([one + [self._pad] * (longest - len(one)) for one in ids], device=self._device)
        real = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids], device=self._device)
        hidden = self._model(input_ids=padded, attention_mask=real).last_hidden_state.float()  # [n, longest, dim]
        mean = (hidden * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1)

    def _diverged(self, loss: float) -> WorkbenchError:
        rate = learning_rate(self.config, self.step - 1, self.steps)
        _log(self._work, "failed", step=self.step, reason=f"loss {loss}")
        return WorkbenchError(
            f"Training diverged: the loss is {loss} at step {self.step}, learning rate {rate:g}. The best weights so "
            f"far, of step {self.best_step}, are kept in the checkpoint.",
            where=str(self._work / "checkpoint.pt"),
            todo="Lower learning_rate, raise temperature or warmup; evaluate_every sets how often weights are kept.",
        )

    # State on disk -----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        import torch

        state = {
            "mark": self._mark,
            "step": self.step,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "without_gain": self._without_gain,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "weights": {name: weight.detach() for name, weight in self._weights.items()},
        }
        temporary = self._work / "checkpoint.tmp"
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch's own words for a full disk
            needed = sum(weight.nbytes for weight in self._weights.values())
            raise files.disk_error(error, "The training's checkpoint", self._work, needed) from error
        os.replace(temporary, self._work / "checkpoint.pt")

    def _resume(self) -> bool:
        """Whether a checkpoint of the same settings was there to continue from."""
        import torch

        try:
            state = torch.load(self._work / "checkpoint.pt", map_location=self._device, weights_only=True)
        except Exception:  # none, or a damaged one: torch raises many kinds
            return False
        if state.get("mark") != self._mark:
            return False
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_step, self.best_value = state["step"], state["best_step"], state["best_value"]
        self._best, self._without_gain = state["best"], state["without_gain"]
        lines = [line for line in read_log(self._work.parent.parent / self._work.name) if line.get("step", 0) <= self.step]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self._work / "log.jsonl").write_text(text, "utf-8")  # what came after the checkpoint happens again
        return True

    def write(self, folder: Path) -> None:
        """The encoder as a sentence-transformers folder, LoRA merged into its weights, the adapter beside them."""
        from safetensors.torch import load_file, save_file

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        model = self._model
        if self.config.method == "lora":
            model.save_pretrained(folder / "adapter")
            (folder / "adapter" / "README.md").unlink(missing_ok=True)
            settings = json.loads((folder / "adapter" / "adapter_config.json").read_text("utf-8"))
            settings["base_model_name_or_path"] = self.config.base
            (folder / "adapter" / "adapter_config.json").write_text(json.dumps(settings, indent=1), "utf-8")
            model = model.merge_and_unload()
        weights = load_file(self._base / "model.safetensors")
        for name, tensor in model.state_dict().items():
            weights[name if name in weights else f"bert.{name}"] = tensor.detach().cpu().float().contiguous()
        with files.disk_reported("The encoder", folder, sum(tensor.nbytes for tensor in weights.values())):
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        keep = ("*.json", "vocab.txt", "*/config.json")
        for file in [file for pattern in keep for file in self._base.glob(pattern)]:
            target = folder / file.relative_to(self._base)
            if file.name != "training.json" and not target.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
        del self._optimizer, self._model


def info_nce(questions, passages, masked, temperature: float):
    """Mean over questions of -log softmax(similarity / temperature) at their own passage.

    questions [B, dim], passages [P, dim] of length 1, passage i that of question i for i < B; masked [B, P] bool.
    """
    import torch

    scores = (questions @ passages.T / temperature).masked_fill(masked.to(questions.device), -math.inf)
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(questions), device=questions.device))


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Of step 0, 1, …: rises over the warm-up, then falls in a straight line to 0."""
    peak = config.learning_rate or LEARNING_RATE[config.method]
    warm = max(1, round(config.warmup * steps))
    return peak * min((step + 1) / warm, (steps - step) / max(1, steps - warm + 1))


def _log(work: Path, kind: str, **values: Any) -> None:
    with (work / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, "time": datetime.now().isoformat(timespec="seconds"), **values}) + "\n")


def _mark(config: TrainConfig, corpus: Corpus, chunks: Chunks, part: Any) -> str:
    columns = [column.tobytes().hex() for column in (chunks.document, chunks.start, chunks.end)]
    return fingerprint(config, corpus.fingerprint, columns, part.identity(), code_version(train))


def _record(made: Path, work: Path, result: TrainingResult, config, corpus, evaluation, part, batches) -> None:
    """training.json: everything about how the encoder was made and what it is worth. The log goes with it."""
    shutil.copyfile(work / "log.jsonl", made / "log.jsonl")
    log = read_log(result.folder)
    curve = {
        kind: [{k: v for k, v in line.items() if k not in ("kind", "time")} for line in log if line["kind"] == kind]
        for kind in ("step", "evaluation")
    }
    record = {
        "name": result.folder.name,
        "config": config.model_dump(),
        "settings": {"max_tokens": most_tokens(made), "pooling": "mean"},
        "evaluation": evaluation.model_dump(),
        "corpus": {"name": corpus.name, "fingerprint": corpus.fingerprint},
        "start": part.identity(),
        "sizes": result.sizes,
        "negatives": {"mined": batches.mined, "dropped": batches.dropped},
        "best_step": result.best_step,
        "steps": result.steps,
        "stopped": result.stopped,
        "comparison": result.comparison,
        "unseen": result.unseen,
        "loss_curve": curve["step"],
        "validation_curve": curve["evaluation"],
        "seconds": result.seconds,
        "device": models.device(),
        "dtype": models.fast_dtype(),
        "created": datetime.now().isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in ("torch", "transformers", "peft", "tokenizers", "bm25s")},
    }
    (made / "training.json").write_text(json.dumps(record, indent=1, allow_nan=False), "utf-8")


@contextmanager
def _written(work: Path) -> Iterator[None]:
    """A full or read-only disk in words."""
    try:
        with files.disk_reported("The training's files", work):
            yield
    except files.DiskError as error:
        todo = f"{error.todo} Started again, the same training goes on from its last checkpoint."
        raise WorkbenchError(error.what, where=error.where, todo=todo) from error
