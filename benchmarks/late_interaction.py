"""Late interaction: what MaxSim adds to BM25, to dense and to their fusion, what its codes lose of float32, its time and bytes.

    python -m benchmarks.late_interaction [--quick]

XQuAD's paragraphs (the test half: the dev half chose what MaxSim reads) and the built-in Python reference in the default chunks. The
best 100 of each ranking are ranked again by MaxSim alone, as ColBERT counts it (weight 1, no penalty of length). float32 is the same
tokens neither projected nor coded, in plain products. The time is a question's, from its words to the scores of 100 passages whose codes
are kept, the reading of the question among it. --quick: 60 questions of the reference. XQuAD comes from the folder that
GROUNDWORK_DATASETS names.
"""

import json
import os
import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks.promises import against, spread
from core.config import TrialConfig, fingerprint, with_settings
from core.evaluation.judged import judge
from core.evaluation.metric import metric_values
from core.pipeline.stages import Resolved
from core.progress import drain
from core.reranking.maxsim import Matching, MaxSim, words
from core.reranking.token_vectors import token_encoder
from core.retrieval.fusion import fused
from core.retrieval.top import best
from core.statistics.corrections import holm
from core.workbench import Workbench

CORPORA = {
    "XQuAD, test half": {"corpus.dataset": "xquad-en", "corpus.questions": "test", "chunking.part": "whole_document"},
    "Python reference": {"corpus.dataset": "python-reference"},
}
FUSIONS = {"BM25": "sparse_only", "dense": "dense_only", "fusion": "convex"}
DEPTH, K, METRIC = 100, 10, "ndcg_linear"
ALONE = {"rerank.part": "maxsim", "rerank.depth": DEPTH, "rerank.weight": 1.0, "rerank.length_penalty": 0.0}
TIMED = 100  # questions


def asked(bench: Workbench, settings: dict[str, Any], most: int | None) -> Resolved:
    settings = {**settings, "retrieval.candidates": DEPTH, "retrieval.top_k": DEPTH, "evaluation.k": K}
    run = bench.resolve(with_settings(TrialConfig(), settings))
    queries = tuple(query for query in run.corpus.queries if query.gold)[:most]
    return run.asking(replace(run.corpus, queries=queries), fingerprint(queries))


def gains(bench: Workbench, run: Resolved) -> dict[str, Any]:
    """Of each ranking nDCG before and after MaxSim, and the paired difference."""
    table: dict[str, Any] = {}
    for name, fusion in FUSIONS.items():
        before = run.of(with_settings(run.config, {"fusion": fusion}))
        after = before.of(with_settings(before.config, ALONE))
        plain, ranked = bench.evaluate(before), bench.evaluate(after)
        paired = bench.differences(ranked, plain, [METRIC])[METRIC]
        change = ranked.values[METRIC] - plain.values[METRIC]
        table[name] = {
            "before": plain.intervals[METRIC].mean,
            "after": ranked.intervals[METRIC].mean,
            "hit_1": [float(np.mean(each.judged.first_rank == 1)) for each in (plain, ranked)],
            **{key: getattr(paired, key) for key in ("difference", "low", "high", "p")},
            "won": int((change > 1e-9).sum()),
            "lost": int((change < -1e-9).sum()),
        }
    for row, p in zip(table.values(), holm([row["p"] for row in table.values()]), strict=True):
        row["p_holm"] = float(p)
    return table


def codes_lose(bench: Workbench, run: Resolved, matching: Matching) -> dict[str, Any]:
    """Recall and nDCG of the fusion's best, ranked by the codes and by float32."""
    pool, relevance = drain(bench.pipeline.pool(run)), drain(bench.pipeline.relevance(run))
    texts, encoder = drain(bench.pipeline.texts(run)), token_encoder(run.config.embedding)
    top = best(fused(run.config.fusion, pool), DEPTH).chunk
    rows, places = np.nonzero(top >= 0)
    columns = top[rows, places]
    chunks = pool.chunk[rows, columns]
    pairs = [(run.corpus.queries[row].text, texts[chunk]) for row, chunk in zip(rows, chunks, strict=True)]
    tables = {"codes": np.full(pool.chunk.shape, -np.inf, np.float32), "float32": np.full(pool.chunk.shape, -np.inf, np.float32)}
    for cells, scores in matching.read(pairs):
        tables["codes"][rows[cells], columns[cells]] = scores
    questions = [words(tokens).vectors for _, tokens in sorted(encoder.read([query.text for query in run.corpus.queries]))]
    used = np.unique(chunks)
    for place, tokens in encoder.read([texts[chunk] for chunk in used]):
        vectors = words(tokens).vectors
        for cell in np.flatnonzero(chunks == used[place]):
            tables["float32"][rows[cell], columns[cell]] = (questions[rows[cell]] @ vectors.T).max(1).sum()
    values = {
        name: metric_values(judge(pool, scores, relevance, DEPTH), K, ["recall", METRIC]) for name, scores in tables.items()
    }
    told = {name: {metric: float(np.nanmean(each[metric])) for metric in ("recall", METRIC)} for name, each in values.items()}
    return {**told, "recall_lost": told["float32"]["recall"] - told["codes"]["recall"]}


def times(bench: Workbench, run: Resolved, matching: Matching) -> dict[str, Any]:
    """Milliseconds of a question with 100 candidates, one after the other."""
    texts, pool = drain(bench.pipeline.texts(run)), drain(bench.pipeline.pool(run))
    top, wall, processor = best(fused(run.config.fusion, pool), DEPTH).chunk, [], []
    for row, query in enumerate(run.corpus.queries[: TIMED + 1]):
        passages = [texts[chunk] for chunk in pool.chunk[row, top[row][top[row] >= 0]]]
        drain(matching.codes(passages))
        started, used = time.perf_counter(), time.process_time()
        list(matching.read([(query.text, passage) for passage in passages]))
        wall.append((time.perf_counter() - started) * 1000)
        processor.append((time.process_time() - used) * 1000)
    return {"ms": wall[1:], "processor_ms": float(np.median(processor[1:])), "candidates": len(passages)}


def measured(bench: Workbench, settings: dict[str, Any], most: int | None) -> dict[str, Any]:
    run = asked(bench, settings, most)
    gained, folder = gains(bench, run), bench.pipeline.cache.folder / "ranked" / "tokens"
    matching = Matching(MaxSim(), run.config.embedding, folder)
    drain(matching.open(drain(bench.pipeline.texts(run))))
    shards = list(matching.store.folder.glob("*.npz"))
    tokens = sum(int(np.load(shard)["counts"].sum()) for shard in shards)
    return {
        "questions": len(run.corpus.queries),
        "chunks": len(drain(bench.pipeline.chunks(run))),
        METRIC: gained,
        "lost_by_codes": codes_lose(bench, run, matching),
        "tokens": tokens,
        "bytes_a_token": sum(shard.stat().st_size for shard in shards) / tokens,
        "time": times(bench, run, matching),
    }


def main(quick: bool = False) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    corpora = {name: settings for name, settings in CORPORA.items() if not quick or "XQuAD" not in name}
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(home)
        results = {name: measured(bench, settings, 60 if quick else None) for name, settings in corpora.items()}
    ms = [value for each in results.values() for value in each["time"].pop("ms")]
    values = {
        "ms_a_question": float(np.median(ms)),
        "bytes_a_token": max(each["bytes_a_token"] for each in results.values()),
        "recall_lost": max(each["lost_by_codes"]["recall_lost"] for each in results.values()),
    }
    return {
        "required": {name: against("late_interaction", name, value) for name, value in values.items()},
        "corpora": results,
        "spread": {"required.ms_a_question": spread(ms)},
        "load": list(os.getloadavg()[:2]),
    }


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
