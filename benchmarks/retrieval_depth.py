"""What retrieval in depth is worth on public sets: BM25, dense, the best fusion and what ranks again, in one table of paired tests.

BM25 is Anserini's (its words, Porter's stems, k1 0.9, b 0.4), dense the bundled encoder, a chunk a document. The fusion is chosen by
cross-validation over articles among all fusions with their weights, so that its number is of questions that did not choose it, and so is
the cascade, among rerankers with their weights; a set on which none beats the better of the two is told as such. TrecQA and WikiQA rank
each question's own candidates, as published.
`--only NAME` measures one set, `--without A,B` leaves sets or systems out; `--home FOLDER` keeps vectors. The data come from the folder
that GROUNDWORK_DATASETS names.
"""

import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PART_KINDS, TrialConfig, fingerprint, with_settings
from core.evaluation.judged import Relevance, judge
from core.evaluation.metric import metric_values
from core.labs.runs import measuring, trec
from core.labs.trials.weights import articles_of, cross_validated
from core.pipeline.results import final_scores
from core.pipeline.stages import Resolved
from core.progress import drain
from core.records import Chunks, Query
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool, rankings
from core.statistics.corrections import holm
from core.statistics.paired import paired_difference
from core.workbench import Workbench

DATASETS = Path(os.environ.get("GROUNDWORK_DATASETS", "../shared/datasets")).resolve()
BM25 = {"part": "bm25s", "k1": 0.9, "b": 0.4, "words": "lucene", "stemming": "porter"}
WEIGHTS = [step / 10 for step in range(1, 10)]
FOLDS = 5


class Collection(NamedTuple):
    """by: what stays together in a fold. own: only each question's candidates are ranked. sample: questions drawn, 0 all."""

    dataset: str
    metric: str
    k: int
    depth: int
    by: str = "article"
    own: bool = False
    sample: int = 0


COLLECTIONS = {
    "XQuAD": Collection("xquad-en", "ndcg_linear", 10, 100, by="group"),
    "MedQuAD, 1,000 questions": Collection("medquad", "ndcg_linear", 10, 100, sample=1000),
    "CACM": Collection("cacm", "map", 1000, 1000),
    "SciFact, training claims": Collection("scifact-claims", "ndcg_linear", 10, 100),
    "Citation Integrity, training claims": Collection("citation-integrity", "ndcg_linear", 10, 100),
    "TrecQA, dev": Collection("trecqa", "map", 1000, 1000, own=True),
    "WikiQA, dev": Collection("wikiqa", "map", 1000, 1000, own=True),
}
# of sets without a publisher's address: loader, files below the folder of data sets
CARDS = {
    "cacm": ("{part: trec, documents: cacm.tar.gz}", ("cacm/cacm.tar.gz", "cacm/topics.cacm.txt", "cacm/qrels.cacm.txt")),
    "citation-integrity": ("{part: claims}", ("citation_integrity/corpus.jsonl.gz", "citation_integrity/claims_train.jsonl.gz")),
    "trecqa": ("{part: answer_sentences}", ("trecqa/DEV.xml.gz", "trecqa/TRAIN.xml.gz")),
    "wikiqa": ("{part: answer_sentences}", ("wikiqa/dev.a.toks", "wikiqa/dev.b.toks", "wikiqa/dev.id.txt", "wikiqa/dev.sim.txt")),
}
# what ranks beside the two retrievers and their fusions, where the parts are there
SYSTEMS = {"BM25 with RM3": {"query.part": "rm3", "fusion.part": "sparse_only"}}
FIRST = {"fusion.part": "convex", "fusion.weight": 0.6}  # of the cascades
SHARES = (0.25, 0.5, 0.75, 1.0)  # of a reranker's score
CASCADES = [
    *({**FIRST, "rerank.part": "maxsim", "rerank.depth": 30, "rerank.weight": share} for share in SHARES),
    *({**FIRST, "rerank.part": "cross_encoder", "rerank.depth": 5, "rerank.weight": share} for share in SHARES),
    *(
        {
            **FIRST,
            "rerank.part": "maxsim",
            "rerank.depth": 30,
            "rerank.weight": share,
            "rerank_2.part": "cross_encoder",
            "rerank_2.depth": 3,
            "rerank_2.weight": other,
        }
        for share in (0.5, 1.0)
        for other in (0.5, 1.0)
    ),
]

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


def workbench(home: Path) -> Workbench:
    """With a card for the sets that have none."""
    for name, (loader, files) in CARDS.items():
        card = home / "datasets" / name / "card.yaml"
        card.parent.mkdir(parents=True, exist_ok=True)
        listed = "".join(f"\n  - {{name: {file}, url: 'https://example.org/{file}'}}" for file in files)
        about = "title: x\ndescription: x\nlicence: x\ncitation: x\nhomepage: https://example.org\n"
        card.write_text(f"{about}loader: {loader}\nfiles:{listed}\n")
    return Workbench(home)


def asked(bench: Workbench, one: Collection) -> Resolved:
    """The set's recipe, asked its questions with evidence, or a sample of them."""
    settings = {
        "corpus.dataset": one.dataset,
        "chunking.part": "whole_document",
        "sparse": BM25,
        "retrieval.candidates": one.depth,
        "retrieval.top_k": one.depth,
    }
    run = bench.resolve(with_settings(TrialConfig(), settings))
    queries = [query for query in run.corpus.queries if any(gold.grade for gold in query.gold)]
    if one.own:  # a question whose candidates are all right cannot be ranked wrongly
        queries = [query for query in queries if len({gold.grade for gold in query.gold}) > 1]
    if one.sample:
        drawn = np.random.default_rng(0).choice(len(queries), one.sample, replace=False)
        queries = [queries[place] for place in sorted(drawn)]
    return run.asking(replace(run.corpus, queries=tuple(queries)), fingerprint(queries))


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


def articles(queries: tuple[Query, ...], by: str) -> list[str]:
    """What stays together; each question by itself where almost all hang together, as in densely judged sets."""
    names = articles_of(queries, by)
    return names if max(Counter(names).values()) <= len(names) / 2 else [query.id for query in queries]


def measured(bench: Workbench, name: str, without: str) -> dict[str, Any]:
    """One row of the table, and the values by question of each system."""
    one, pipeline = COLLECTIONS[name], bench.pipeline
    run = asked(bench, one)
    ranked = Ranked(run, one, drain(pipeline.chunks(run)), drain(pipeline.relevance(run)))
    pool = drain(pipeline.pool(run))
    single = {part: ranked.values(pool, registry.find("fusion", part)().fuse(pool)) for part in ("sparse_only", "dense_only")}
    tried = fusions()
    table = np.array([ranked.values(pool, fusion.fuse(pool)) for fusion in tried])
    held = cross_validated(table, list(range(len(tried))), articles(run.corpus.queries, one.by), FOLDS)
    values = {"BM25": single["sparse_only"], "dense": single["dense_only"], "best fusion": held.values}
    cascades = [run.of(with_settings(run.config, settings)) for settings in CASCADES]
    again = np.array([ranked.values(pool, drain(final_scores(pipeline, other, pool))) for other in cascades])
    deep = cross_validated(again, list(range(len(cascades))), articles(run.corpus.queries, one.by), FOLDS)
    values["best cascade"] = deep.values
    for system, settings in SYSTEMS.items():
        if all(
            value in registry.parts(field.partition(".")[0]) for field, value in settings.items() if field.startswith("query")
        ):
            other = run.of(with_settings(run.config, settings))
            its_pool = drain(pipeline.pool(other))
            values[system] = ranked.values(its_pool, drain(final_scores(pipeline, other, its_pool)))
    chosen = Counter(spoken(tried[int(fold.weight)]) for fold in held.folds)
    chosen_cascades = Counter(steps_of(CASCADES[int(fold.weight)]) for fold in deep.folds)
    return {
        "metric": f"{one.metric}@{one.k}",
        "questions": len(run.corpus.queries),
        "documents": len(run.corpus.documents),
        "values": values,
        "chosen": in_folds(chosen),
        "chosen_cascade": in_folds(chosen_cascades),
    }


def in_folds(chosen: Counter[str]) -> str:
    return ", ".join(f"{words} ({folds} of {FOLDS})" for words, folds in chosen.most_common())


def steps_of(settings: dict[str, Any]) -> str:
    """A cascade in words: "maxsim 30 x 0.5, then cross_encoder 3"."""
    stages = [stage for stage in ("rerank", "rerank_2") if f"{stage}.part" in settings]
    return ", then ".join(
        "{part} {depth} × {weight:g}".format(**{k: settings[f"{s}.{k}"] for k in ("part", "depth", "weight")}) for s in stages
    )


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
    run, result = asked(bench, COLLECTIONS["CACM"]), {}
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
        values = row.pop("values")
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
    wanted = [name for name in COLLECTIONS if only.lower() in name.lower() and not left_out(name, without)]
    with tempfile.TemporaryDirectory() as fresh:
        bench = workbench(Path(home or fresh))
        rows = {name: measured(bench, name, without) for name in wanted}
        anchors = {} if only else {"anserini": anserini(bench), "published": published_runs()}
    compared(rows)
    return {"sets": rows, **anchors, "vectors_kept": bool(home)}


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""


if __name__ == "__main__":
    print(json.dumps(main(option("--only"), option("--without"), option("--home")), indent=1))
