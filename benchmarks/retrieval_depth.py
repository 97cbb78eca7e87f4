"""What retrieval in depth is worth on public sets: BM25, dense, fusions and what ranks again, in one table of paired tests.

BM25 is Anserini's (its words, Porter's stems, k1 0.9, b 0.4), dense the bundled encoder, a chunk a document, at most 400 questions a set.
The best fusion of a set is chosen by cross-validation over its articles among all fusions with their weights, so that its number is of
questions that did not choose it, and so is the best cascade, among rerankers with their weights and none; that is what tuning on one's
own questions is worth. What is chosen elsewhere has the best mean difference to the better retriever over the other sets: that is what
transfers. On sets that are test only nothing else is told. TrecQA and WikiQA rank each question's own candidates, as published.
`--only NAME` measures one set, `--without A,B` leaves sets or systems out; `--home FOLDER` keeps vectors. The data come from the folder
that GROUNDWORK_DATASETS names.
"""

import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks._public_sets import CHOOSE, COLLECTIONS, Collection, asked, workbench
from core import registry
from core.config import PART_KINDS, with_settings
from core.evaluation.judged import Relevance, judge
from core.evaluation.metric import metric_values
from core.labs.reranking.cascades import cascades, in_words
from core.labs.runs import measuring, trec
from core.labs.trials.weights import cross_validated, units_of
from core.pipeline.results import final_scores
from core.pipeline.stages import Resolved
from core.progress import drain
from core.records import Chunks
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool, rankings
from core.statistics.corrections import holm
from core.statistics.paired import paired_difference
from core.workbench import Workbench

BM25 = {"part": "bm25s", "k1": 0.9, "b": 0.4, "words": "lucene", "stemming": "porter"}
WEIGHTS = [step / 10 for step in range(1, 10)]
FOLDS, MOST = 5, 400  # questions of a set
SETS = (
    "XQuAD",
    "HotpotQA, dev",
    "MedQuAD",
    "SciFact, training claims",
    "Citation Integrity, training claims",
    "BioASQ 8b",
    "CACM",
    "TrecQA, dev",
    "WikiQA, dev",
)
# what ranks beside the two retrievers and their fusions, where the parts are there
SYSTEMS = {"BM25 with RM3": {"query.part": "rm3", "fusion.part": "sparse_only"}}
FIRST = {"fusion.part": "convex", "fusion.weight": 0.6}  # of the cascades
CASCADES = [FIRST | settings for settings in cascades(30, 5)]

ANSERINI = {"bm25": ({"fusion.part": "sparse_only"}, 0.3123), "rm3": (SYSTEMS["BM25 with RM3"], 0.3648)}
NAMES = ("BM25", "BM25_RM3", "SPLADE_P_P_ENSEMBLE_DISTIL", "D_BERT_KD_TASB", "OPEN_AI_ADA2", "REP_LLAMA")
PUBLISHED = {
    "dl19": ("dl19-passage", dict(zip(NAMES, (0.5058, 0.5216, 0.7308, 0.7210, 0.7035, 0.7439), strict=True))),
    "dl20": ("dl20-passage", dict(zip(NAMES, (0.4796, 0.4896, 0.7197, 0.6854, 0.6759, 0.7205), strict=True))),
    "covid": ("beir-v1.0.0-trec-covid.test", {"BM25": 0.5947}),
}


def fusions() -> list[Fusion]:
    """Every fusion of both retrievers; those with a weight at each weight."""
    parts = [part for part in registry.parts("fusion").values() if set(part().needs()) == {"sparse", "dense"}]
    return [
        part(**weight)
        for part in parts
        for weight in ([{"weight": w} for w in WEIGHTS] if "weight" in part.model_fields else [{}])
    ]


def prepared(bench: Workbench, one: Collection) -> Resolved:
    """The set's recipe with Anserini's BM25, as deep as it is measured."""
    return asked(bench, one, {"sparse": BM25, "retrieval.top_k": one.depth}, MOST)


class Ranked(NamedTuple):
    """Scores of a pool, judged."""

    run: Resolved
    one: Collection
    chunks: Chunks
    relevance: Relevance

    def values(self, pool: Pool, scores: np.ndarray) -> np.ndarray:
        """[questions] float64 of the set's metric."""
        if self.one.own:
            scores = self._among_candidates(pool, scores)
        judged = judge(pool, scores, self.relevance, self.one.depth)
        return metric_values(judged, self.one.k, [self.one.metric])[self.one.metric]

    def _among_candidates(self, pool: Pool, scores: np.ndarray) -> np.ndarray:
        """Only a question's own candidates; those without a score come last, in the order of their ids, which their words make."""
        mine = pool.once("candidates", lambda: self._candidates(pool))
        least = np.where(np.isfinite(scores), scores, np.inf).min(axis=1, keepdims=True, initial=np.float32(0)) - 1
        return np.where(mine, np.where(np.isfinite(scores), scores, least), -np.inf).astype(np.float32)

    def _candidates(self, pool: Pool) -> np.ndarray:
        number = {document.id: place for place, document in enumerate(self.run.corpus.documents)}
        document = np.where(pool.chunk < 0, -1, self.chunks.document[pool.chunk])
        own = [[number[gold.document_id] for gold in query.gold] for query in self.run.corpus.queries]
        return np.array([np.isin(row, numbers) for row, numbers in zip(document, own, strict=True)])


class Tried(NamedTuple):
    """Values [tried, questions] of everything that a choice was made among, and what each is called."""

    values: np.ndarray
    words: list[str]


def measured(bench: Workbench, name: str) -> dict[str, Any]:
    """One row of the table: the values by question of each system, and of all that was tried."""
    one, pipeline = COLLECTIONS[name], bench.pipeline
    run = prepared(bench, one)
    ranked = Ranked(run, one, drain(pipeline.chunks(run)), drain(pipeline.relevance(run)))
    pool = drain(pipeline.pool(run))
    single = {part: ranked.values(pool, registry.find("fusion", part)().fuse(pool)) for part in ("sparse_only", "dense_only")}
    values = {"BM25": single["sparse_only"], "dense": single["dense_only"]}
    for system, settings in SYSTEMS.items():
        if there(settings):
            values[system] = ranked.values(*scored(bench, run.of(with_settings(run.config, settings))))
    fused = Tried(np.array([ranked.values(pool, fusion.fuse(pool)) for fusion in fusions()]), list(map(spoken, fusions())))
    variants = [run.of(with_settings(run.config, settings)) for settings in CASCADES]
    again = [ranked.values(pool, drain(final_scores(pipeline, other, pool))) for other in variants]
    tried = {"fusion": fused, "cascade": Tried(np.array(again), list(map(in_words, CASCADES)))}
    units, chosen = units_of(run.corpus.queries, one.by), {}
    for what, (table, words) in tried.items() if one.use == CHOOSE else ():
        held = cross_validated(table, list(range(len(table))), units.names, FOLDS)
        values[f"best {what}"] = held.values
        chosen[what] = in_folds(Counter(words[int(fold.weight)] for fold in held.folds))
    return {
        "kind": one.kind,
        "use": one.use,
        "by": units.told,
        "metric": f"{one.metric}@{one.k}",
        "questions": len(run.corpus.queries),
        "documents": len(run.corpus.documents),
        "values": values,
        "tried": tried,
        "chosen": chosen,
    }


def elsewhere(rows: dict[str, dict[str, Any]]) -> None:
    """To each set what the others would choose: the best mean difference to their better retrievers."""
    means = {name: {what: over_better(row, tried) for what, tried in row["tried"].items()} for name, row in rows.items()}
    for name, row in rows.items():
        others = [other for other, its in rows.items() if other != name and its["use"] == CHOOSE]
        for what, tried in row["tried"].items() if others else ():
            at = int(np.mean([means[other][what] for other in others], axis=0).argmax())
            row["values"][f"{what} chosen elsewhere"] = tried.values[at]
            row["chosen"][f"{what} elsewhere"] = tried.words[at]


def over_better(row: dict[str, Any], tried: Tried) -> np.ndarray:
    """Mean difference [tried] to the better retriever of the set."""
    return tried.values.mean(axis=1) - max(row["values"][single].mean() for single in ("BM25", "dense"))


def in_folds(chosen: Counter[str]) -> str:
    return ", ".join(f"{words} ({folds} of {FOLDS})" for words, folds in chosen.most_common())


def left_out(name: str, without: str) -> bool:
    return any(word and word.lower() in name.lower() for word in without.split(","))


def there(settings: dict[str, Any]) -> bool:
    """Whether all parts of a system are."""
    parts = {field.removesuffix(".part"): value for field, value in settings.items() if field.endswith(".part")}
    return all(stage in PART_KINDS and part in registry.parts(PART_KINDS[stage]) for stage, part in parts.items())


def scored(bench: Workbench, run: Resolved) -> tuple[Pool, np.ndarray]:
    """A recipe's pool with its final scores."""
    pool = drain(bench.pipeline.pool(run))
    return pool, drain(final_scores(bench.pipeline, run, pool))


def anserini(bench: Workbench) -> dict[str, Any]:
    """CACM as Anserini's regression measures it: its judgements as they are, 55 of whose ids lack zeros and are in no document."""
    questions, _ = trec.read_judgements(DATASETS / "cacm" / "qrels.cacm.txt")
    run, result = prepared(bench, COLLECTIONS["CACM"]), {}
    chunks, ids = drain(bench.pipeline.chunks(run)), [document.id for document in run.corpus.documents]
    for system, (settings, published) in ANSERINI.items():
        if not there(settings):
            continue
        pool, scores = scored(bench, run.of(with_settings(run.config, settings)))
        final = rankings(pool, scores, 1000)
        rows = zip(run.corpus.queries, final.chunk, final.score, strict=True)
        ranked = {
            query.id: [(ids[chunks.document[c]], float(s)) for c, s in zip(row, values, strict=True) if c >= 0]
            for query, row, values in rows
        }
        mean = measuring.values(trec.TrecRun(system, ranked), questions, [measuring.Measure("map", 1000)]).mean()
        result[system] = {"map": float(mean), "published": published, "off": abs(float(mean) - published)}
    return result


def published_runs() -> dict[str, Any]:
    """nDCG@10 of the runs of TREC DL and TREC-COVID through our metrics, with their files' order among equal scores."""
    result = {}
    for topics, (judged, runs) in PUBLISHED.items():
        questions, _ = trec.read_judgements(DATASETS / "trec_runs" / f"qrels.{judged}.txt.gz")
        for name, published in runs.items():
            run = trec.read_run(DATASETS / "trec_runs" / f"{name}.{topics}.trec.gz", "file")
            mean = measuring.values(run, questions, [measuring.Measure("ndcg_linear", 10)]).mean()
            result[f"{name}, {topics}"] = {"ndcg": round(float(mean), 4), "published": published}
    return {"runs": result, "most_off": max(abs(row["ndcg"] - row["published"]) for row in result.values())}


def spoken(fusion: Fusion) -> str:
    return fusion.part + (f" {fusion.weight:g}" if "weight" in type(fusion).model_fields else "")


def compared(rows: dict[str, dict[str, Any]]) -> None:
    """Means, and each system minus the better retriever of its set, with p corrected over the whole table."""
    tests = []
    for row in rows.values():
        values, _ = row.pop("values"), row.pop("tried", None)
        row |= {system: float(np.mean(each)) for system, each in values.items()}
        best = max(("BM25", "dense"), key=row.get)
        row["better retriever"] = best
        for system in values.keys() - {"BM25", "dense"}:
            [paired] = paired_difference(values[system], values[best])
            own = {"difference": paired.difference, "low": paired.low, "high": paired.high, "p": paired.p}
            row[f"{system} minus better retriever"] = own | {"won": paired.wins, "lost": paired.losses}
            tests.append(row[f"{system} minus better retriever"])
    for test, p in zip(tests, holm(np.array([test["p"] for test in tests])), strict=True):
        test["p_holm"] = float(p)
        test["beats_it"] = bool(p < 0.05 and test["difference"] > 0)


def main(only: str, without: str, home: str) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    wanted = [name for name in SETS if only.lower() in name.lower() and not left_out(name, without)]
    with tempfile.TemporaryDirectory() as fresh:
        bench = workbench(Path(home or fresh))
        rows = {name: measured(bench, name) for name in wanted}
        anchors = {} if only else {"anserini": anserini(bench), "published": published_runs()}
    elsewhere(rows)
    compared(rows)
    return {"sets": rows, **anchors, "vectors_kept": bool(home)}


if __name__ == "__main__":
    given = options(__doc__, only="", without="", home="")
    print(json.dumps(main(given.only, given.without, given.home), indent=1))
