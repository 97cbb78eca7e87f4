"""Which share of a reranker's score, and which penalty of length, are the defaults: chosen on the dev halves of public sets.

    python -m benchmarks.rerank_defaults [--home FOLDER] [--quick]

The default recipe (a chunk a document, but for the Python reference) over each set with at most 400 questions, its best 20 ranked again
for every third question by MaxSim, for every sixth by the cross-encoder. A set's number is the mean difference in nDCG@10 to the same
recipe without reranking.
Chosen is what has the best mean of these numbers over the dev halves of the sets that may be chosen on, each counting alike. What it is
worth is told on questions that had no part in that: their test halves, and sets that are test only. What would have been chosen without
a set is told beside it. Sets of more than 3,000 documents keep the evidence and others drawn. --home keeps vectors and the sets
that were measured, so that a run that was stopped goes on; --quick: 48 questions of one set. The data come from the folder that
GROUNDWORK_DATASETS names.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks._public_sets import CHOOSE, COLLECTIONS, asked, workbench
from core.config import fingerprint, with_settings
from core.corpus.library import split
from core.evaluation.judged import judge
from core.evaluation.metric import metric_values
from core.files import write_whole
from core.pipeline.results import final_scores
from core.pipeline.stages import Resolved
from core.progress import drain
from core.registry import find
from core.statistics.corrections import holm
from core.statistics.paired import paired_difference
from core.workbench import Workbench

QUESTIONS, DOCUMENTS, DEPTH, K = 400, 3_000, 20, 10
WEIGHTS, PENALTIES = (0.25, 0.5, 0.75, 1.0), (0.0, 0.01, 0.02, 0.03)
VARIANTS: dict[str, list[dict[str, float]]] = {
    "maxsim": [{"weight": w, "length_penalty": p} for w, p in product(WEIGHTS, PENALTIES)],
    "cross_encoder": [{"weight": w} for w in WEIGHTS],
}
BEFORE = {"maxsim": {"weight": 1.0, "length_penalty": 0.0}, "cross_encoder": {"weight": 1.0}}  # the new score alone
EVERY = {"maxsim": 3, "cross_encoder": 6}  # so manieth question: reading takes its time
SETS = [name for name, one in COLLECTIONS.items() if not one.own]


def measured(bench: Workbench, name: str, most: int) -> dict[str, Any]:
    """nDCG by question of the retrievers, of their fusion and of each variant behind it; which questions are of the dev half."""
    one = COLLECTIONS[name]
    run = asked(bench, one._replace(depth=100), {}, most, DOCUMENTS)
    dev = {query.id for query in split(run.corpus, "dev").queries} if one.use == CHOOSE else set()
    retrievers = {"BM25": "sparse_only", "dense": "dense_only", "hybrid": "convex"}
    values = {system: ndcg(bench, run, {"fusion": fusion}) for system, fusion in retrievers.items()}
    variants = {}
    for part, every in EVERY.items():
        some = fewer(run, every)
        settings = [{"rerank.part": part, "rerank.depth": DEPTH, **on("rerank", each)} for each in VARIANTS[part]]
        variants[part] = np.array([ndcg(bench, some, each) for each in settings])
        print(f"{name}: {part}", file=sys.stderr, flush=True)
    return {
        "kind": one.kind,
        "use": one.use,
        "documents": len(run.corpus.documents),
        "dev": np.array([query.id in dev for query in run.corpus.queries]),
        "values": values,
        "variants": variants,
        "length": {str(p): by_length(bench, fewer(run, EVERY["maxsim"]), p) for p in PENALTIES},
    }


def kept(bench: Workbench, name: str, most: int) -> dict[str, Any]:
    """What was measured of the set, from the folder where it is known already."""
    path = bench.home / "measured" / f"{fingerprint(VARIANTS, EVERY, DOCUMENTS, DEPTH, K, most, name)}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(measured(bench, name, most), default=np.ndarray.tolist).encode())
    row = json.loads(path.read_bytes())
    values, variants = ({key: np.array(each) for key, each in row[of].items()} for of in ("values", "variants"))
    return row | {"dev": np.array(row["dev"]), "values": values, "variants": variants}


def fewer(run: Resolved, every: int) -> Resolved:
    """The same documents, each so many of the questions."""
    queries = run.corpus.queries[::every]
    return run.asking(replace(run.corpus, queries=queries), fingerprint(queries))


def on(stage: str, settings: dict[str, float]) -> dict[str, float]:
    return {f"{stage}.{name}": value for name, value in settings.items()}


def ndcg(bench: Workbench, run: Resolved, settings: dict[str, Any]) -> np.ndarray:
    """[questions] of the recipe with these settings; nothing counts as a look."""
    variant, pipeline = run.of(with_settings(run.config, settings)), bench.pipeline
    pool = drain(pipeline.pool(variant))
    judged = judge(pool, drain(final_scores(pipeline, variant, pool)), drain(pipeline.relevance(variant)), K)
    return metric_values(judged, K, ["ndcg_linear"])["ndcg_linear"]


def by_length(bench: Workbench, run: Resolved, penalty: float) -> float:
    """Mean rank correlation (Spearman) of MaxSim's score with the passage's length, over the questions' best 20."""
    from scipy.stats import spearmanr

    settings = {"rerank.part": "maxsim", "rerank.depth": DEPTH, "rerank.weight": 1.0, "rerank.length_penalty": penalty}
    variant, pipeline = run.of(with_settings(run.config, settings)), bench.pipeline
    pool, tokens = drain(pipeline.pool(variant)), drain(pipeline.chunks(variant)).tokens
    scores, found = drain(final_scores(pipeline, variant, pool)), []
    for chunks, row in zip(pool.chunk, scores, strict=True):
        first = np.argsort(-row, kind="stable")[:DEPTH]
        first = first[np.isfinite(row[first])]
        if len(first) > 2 and np.ptp(tokens[chunks[first]]):
            found.append(spearmanr(row[first], tokens[chunks[first]])[0])
    return float(np.mean(found))


def differences(row: dict[str, Any], part: str, here: np.ndarray) -> np.ndarray:
    """Mean difference [variants] to the hybrid on these questions [questions] bool."""
    every = EVERY[part]
    return (row["variants"][part] - row["values"]["hybrid"][::every])[:, here[::every]].mean(axis=1)


def chosen(rows: Sequence[dict[str, Any]], part: str) -> tuple[int, np.ndarray]:
    """The variant with the best mean over the dev halves of these sets, and these means [variants]."""
    means = np.mean([differences(row, part, row["dev"]) for row in rows if row["use"] == CHOOSE], axis=0)
    return int(means.argmax()), means


def told(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The choice, each variant over the dev halves, and a row a set: on questions that had no part in it."""
    result: dict[str, Any] = {"chosen": {}, "variants": {}, "sets": {}}
    tests, choices = [], {}
    for part, variants in VARIANTS.items():
        choices[part], means = chosen([*rows.values()], part)
        worst = np.min([differences(row, part, row["dev"]) for row in rows.values() if row["use"] == CHOOSE], axis=0)
        result["chosen"][part] = variants[choices[part]]
        result["variants"][part] = [
            {**variant, "mean": float(mean), "worst set": float(least)}
            for variant, mean, least in zip(variants, means, worst, strict=True)
        ]
    for name, row in rows.items():
        held, values = ~row["dev"], row["values"]
        own = {"kind": row["kind"], "use": row["use"], "documents": row["documents"], "questions": int(held.sum())}
        own |= {system: float(each[held].mean()) for system, each in values.items()}
        own["dev questions"] = int(row["dev"].sum())
        own["correlation with length"] = row["length"]
        own["hybrid minus BM25"] = paired(values["hybrid"][held], values["BM25"][held], tests)
        for part, variants in VARIANTS.items():
            here = held[:: EVERY[part]]
            plain = values["hybrid"][:: EVERY[part]][here]
            for words, at in (("before", variants.index(BEFORE[part])), ("chosen", choices[part])):
                own[f"{part}, {words}"] = paired(row["variants"][part][at][here], plain, tests)
            without, _ = chosen([other for other in rows.values() if other is not row], part)
            own[f"{part}, chosen without it"] = variants[without]
        result["sets"][name] = own
    for test, p in zip(tests, holm(np.array([test["p"] for test in tests])), strict=True):
        test["p_holm"] = float(p)
    return result


def paired(a: np.ndarray, b: np.ndarray, tests: list[dict[str, Any]]) -> dict[str, Any]:
    [test] = paired_difference(a, b)
    tests.append({"difference": test.difference, "low": test.low, "high": test.high, "p": test.p, "n": test.n})
    return tests[-1]


def main(home: str, quick: bool) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    with tempfile.TemporaryDirectory() as fresh:
        bench = workbench(Path(home or fresh))
        wanted = ["XQuAD"] if quick else SETS
        rows = {name: kept(bench, name, 48 if quick else QUESTIONS) for name in wanted}
    defaults = {part: {name: getattr(find("reranker", part)(), name) for name in VARIANTS[part][0]} for part in VARIANTS}
    return told(rows) | {"defaults": defaults, "depth": DEPTH, "vectors_kept": bool(home)}


if __name__ == "__main__":
    given = options(__doc__, "--quick", home="")
    print(json.dumps(main(given.home, given.quick), indent=1))
