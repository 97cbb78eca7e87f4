"""What a laptop bears: 150,000 documents from their files to a curve, sliders, and words and vectors of a million chunks.

    python -m benchmarks.scale [--quick] [--only=bm25,sliders] [--home=FOLDER]

The documents are those of `joined-150k` (WordNet, ACL abstracts, MedQuAD, docstrings), from the folder that GROUNDWORK_DATASETS names.
Each section is recorded as soon as it is measured; --only measures these anew, --home keeps what was prepared for the next time.

first_curve: `prepare` with the default recipe, killed on the way and begun again, then `curve` over the fusion weight; with the memory
of all its processes. bm25: single questions on MedQuAD beside the package bm25s, and on a million chunks (windows of the joined
documents) that a process of its own opens from the disk. sliders: what *Search, live* asks of the verbs when a slider moves, over
the chunks of first_curve and over a million, embedded by LSA, which takes minutes. hnsw: a million synthetic vectors
(`benchmarks.index`), as floats, in 8 bits, and in 8 bits by their first 128 principal directions, where all that the search has looked
at closely is scored by the floats. forecast: the whole of the joined documents told from 1, 2, 5, 10 and 20% of them, and then
measured. life: of the documents of 100,000 chunks 1% added, 1% changed and 1% deleted a round, beside a fresh build. --quick: the
built-in corpus and some hundred vectors.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from benchmarks import DATASETS, ROOT
from benchmarks._index_sets import FULL, QUICK, Folder, told
from benchmarks._options import options
from benchmarks._sections import measured
from benchmarks.index import EFS, mean_recall, resident
from benchmarks.promises import spread
from core.config import TrialConfig, with_settings
from core.progress import drain
from core.workbench import Workbench

Rows = dict[str, Any]
DEPTH, RECALL = 100, 0.95
GRAPHS = {"float32": {}, "8bit": {"numbers": "8bit"}, "principal": {"numbers": "8bit", "dimensions": 128}}
MOVES, TYPED = 60, 40  # of a slider; questions typed under another filter each
WINDOWS = {
    "chunking.part": "sliding_window",
    "chunking.size_tokens": 32,
    "chunking.overlap_tokens": 20,
}  # a million chunks and some
GRAPH = {"index.part": "faiss_hnsw"}
LSA = {"embedding.part": "lsa", "embedding.dimensions": 64, "embedding.min_df": 5}


class Measuring:
    """What is measured: the whole, or next to nothing."""

    def __init__(self, quick: bool, home: str) -> None:
        self.quick, self.dataset = quick, "python-reference" if quick else "joined-150k"
        self.kill_at = 200 if quick else 60_000  # vectors that are stored before the kill
        self.moves, self.sizes = (5, QUICK) if quick else (MOVES, FULL)
        self.rounds, self.followed = (2, 500) if quick else (5, 100_000)  # of a life, and vectors
        self._home = home

    def home(self) -> Path:
        return Path(self._home)

    def config(self, **settings: Any) -> TrialConfig:
        return with_settings(TrialConfig(), {"corpus.dataset": self.dataset, **settings})


def quantiles(ms: list[float]) -> Rows:
    return {"n": len(ms), "p50_ms": median(ms), "p95_ms": float(np.quantile(ms, 0.95)), "max_ms": max(ms)}


def timed(work: Callable[..., Any], *inputs: Any, clock: Callable[[], float] = time.perf_counter) -> float:
    """Milliseconds."""
    began = clock()
    work(*inputs)
    return 1000 * (clock() - began)


# From files to a curve -----------------------------------------------------------------------------------------------


class Watched:
    """A command of the workbench; `peak_mb`: the most that its processes together were resident with, shared pages counted for each."""

    def __init__(self, home: Path, *words: str) -> None:
        env = {**os.environ, "GROUNDWORK_HOME": str(home), "GROUNDWORK_CACHE_GB": "1000"}
        command = [sys.executable, "-m", "core", *words, "--json"]
        self.began, self.peak_mb = time.perf_counter(), 0.0
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def _look(self) -> None:
        top = psutil.Process(self.process.pid)
        while self.process.poll() is None:
            rss = 0
            try:
                for each in (top, *top.children(recursive=True)):
                    rss += each.memory_info().rss
            except psutil.Error:
                pass
            self.peak_mb = max(self.peak_mb, rss / 1e6)
            time.sleep(0.3)

    def result(self) -> tuple[Any, float]:
        """What it printed, and the seconds it took."""
        text, _ = self.process.communicate()
        if self.process.returncode:
            raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}")
        return json.loads(text), time.perf_counter() - self.began

    def killed(self, when: Callable[[], bool]) -> float:
        """Killed with all it started as soon as `when` says so; the seconds until then."""
        while not when():
            if self.process.poll() is not None:
                said = self.process.communicate()[0][-500:]
                raise RuntimeError(f"{self.process.args} ended by itself with {self.process.returncode}: {said}")
            time.sleep(1.0)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        return time.perf_counter() - self.began


def vectors_stored(home: Path) -> tuple[int, int]:
    """Vectors in the shards, and different ones."""
    keys: list[bytes] = []
    for shard in (home / "cache" / "vectors").glob("*/*.npz"):
        with np.load(shard) as arrays:
            rows = arrays["keys"]
        keys += [row.tobytes() for row in rows]
    return len(keys), len(set(keys))


def first_curve(how: Measuring) -> Rows:
    home = how.home()
    if any(home.iterdir()):
        raise SystemExit(f"{home} is not empty: what is there would be no part of the time.")
    recipe = ["--dataset", how.dataset]
    first = Watched(home, "prepare", *recipe)
    until_kill = first.killed(lambda: vectors_stored(home)[0] >= how.kill_at)
    kept, _ = vectors_stored(home)
    again = Watched(home, "prepare", *recipe)
    prepared, preparing_s = again.result()
    every, different = vectors_stored(home)
    curve = Watched(home, "curve", *recipe, "--grid", "fusion.weight=0:1:0.1", "--metric", "ndcg_linear")
    points, curve_s = curve.result()
    return {
        "minutes": (until_kill + preparing_s + curve_s) / 60,
        "peak_mb": max(each.peak_mb for each in (first, again, curve)),
        "documents": prepared["documents"],
        "chunks": prepared["chunks"],
        "questions": prepared["questions"],
        "killed": {"after_s": until_kill, "vectors_kept": kept, "encoded_twice": every - different},
        "prepare_s": preparing_s,
        "stages_s": {stage: ms / 1000 for stage, ms in prepared["timings_ms"].items()},
        "curve_s": curve_s,
        "curve": [{name: point[name] for name in ("fusion.weight", "ndcg_linear")} for point in points],
    }


# Sliders -------------------------------------------------------------------------------------------------------------


def moved(bench: Workbench, config: TrialConfig, setting: str, values: Iterable[Any]) -> Rows:
    """What a page asks when a setting has these values, one after the other; the first three are not counted."""

    def move(value: Any) -> None:
        asked = with_settings(config, {setting: value})
        plan = bench.plan(asked)
        bench.embedding_time(plan.run or asked)
        evaluation = bench.evaluate(plan.run or asked)
        bench.by_question(evaluation, None, "ndcg_linear")

    return quantiles([timed(move, value) for value in values][3:])


def typed_under_filters(bench: Workbench, config: TrialConfig, number: int) -> Rows:
    """A question searched under a filter that was not there before."""
    texts = [query.text for query in bench.corpus(config).queries][:: max(1, len(bench.corpus(config).queries) // number)]
    bench.search(config, texts[0])
    filters = [f"id=*{place}*" for place in range(10, 10 + number)]

    def search(text: str, said: str) -> None:
        bench.search(with_settings(config, {"retrieval.documents": said}), text)

    return quantiles([timed(search, text, said) for text, said in zip(texts, filters, strict=False)][2:])


def at_size(bench: Workbench, config: TrialConfig, how: Measuring) -> Rows:
    began = time.perf_counter()
    prepared = told(bench.prepare(config))
    opened_s = time.perf_counter() - began
    draw = np.random.default_rng(0)
    sizes = {"chunks": prepared["chunks"], "questions": prepared["questions"], "prepare_s": opened_s}
    return {
        **sizes,
        "fusion": moved(bench, config, "fusion.weight", draw.random(how.moves + 3).round(4).tolist()),
        "filter": typed_under_filters(bench, config, min(how.moves, TYPED)),
        "filter_of_all_questions": moved(bench, config, "retrieval.documents", [f"id!=*{n}" for n in range(6)]),
        "bm25_k1": moved(bench, config, "sparse.k1", draw.uniform(0.5, 2, 8).round(3).tolist()),
        **resident(),
    }


def sliders(how: Measuring) -> Rows:
    bench = Workbench(how.home())
    documents = at_size(bench, how.config(**LSA), how)
    bench = Workbench(how.home())  # nothing of the other size in memory
    return {"documents": documents, "million": at_size(bench, how.config(**WINDOWS, **LSA), how)}


# Words ---------------------------------------------------------------------------------------------------------------


def bm25(how: Measuring) -> Rows:
    bench = Workbench(how.home())
    config = how.config(**WINDOWS)
    began = time.perf_counter()
    run = bench.resolve(config)
    chunks = told(bench.pipeline.chunks(run))
    cut_s, began = time.perf_counter() - began, time.perf_counter()
    told(bench.pipeline.tokens(run))
    counted_s = time.perf_counter() - began
    return {
        "medquad": beside_bm25s("python-reference" if how.quick else "medquad", bench),
        "million": {"chunks": len(chunks), "cut_s": cut_s, "counted_s": counted_s, **child(how, "opened")},
    }


def beside_bm25s(dataset: str, bench: Workbench, questions: int = 200) -> Rows:
    """Single questions over whole documents, in turn, in processor time of the one thread; tokenising is not counted."""
    import bm25s

    corpus, part = bench.corpus(with_settings(TrialConfig(), {"corpus.dataset": dataset})), TrialConfig().sparse
    texts = [document.text for document in corpus.documents]
    searcher, peer = part.build(part.tokenize(texts)), bm25s.BM25(method="lucene")
    peer.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    ours, theirs = [], []
    asked = [query.text for query in corpus.queries]
    for place in np.random.default_rng(2).choice(len(asked), min(questions, len(asked)), replace=False):
        words = part.tokenize([asked[place]])
        tokens = [[word for word in words.vocabulary if word in peer.vocab_dict]]
        ours.append(timed(searcher.search, words, DEPTH, clock=time.thread_time))
        if tokens[0]:
            ask = partial(peer.retrieve, tokens, k=min(DEPTH, len(texts)), show_progress=False, n_threads=0)
            theirs.append(timed(ask, clock=time.thread_time))
    return {"documents": len(texts), "single_ms": median(ours), "bm25s_ms": median(theirs), "spread": spread(ours)}


def opened(how: Measuring) -> Rows:
    """A process that finds all counted already; questions in processor time of the one thread."""
    began = time.perf_counter()
    bench, config = Workbench(how.home()), how.config(**WINDOWS)
    run = bench.resolve(config)
    ties = drain(bench.pipeline.tie_order(run))
    corpus_s, began = time.perf_counter() - began, time.perf_counter()
    tokens = drain(bench.pipeline.tokens(run))
    tokens_s, began = time.perf_counter() - began, time.perf_counter()
    searcher = config.sparse.build(tokens)
    scored_s = time.perf_counter() - began
    texts = [query.text for query in run.corpus.queries][:400]
    asked = [config.sparse.tokenize([text]) for text in texts]
    took = [timed(searcher.search, words, DEPTH, ties, clock=time.thread_time) for words in asked]
    seconds = {"corpus_s": corpus_s, "open_s": tokens_s, "score_s": scored_s}
    return {**quantiles(took), "occurrences": len(tokens.term), **seconds, **resident()}


# Vectors -------------------------------------------------------------------------------------------------------------


def hnsw(how: Measuring) -> Rows:
    """Its speed is that of one thread; recall@10 against exact search. gb: of the index in memory, and of vectors that it reads."""
    with tempfile.TemporaryDirectory() as place:
        for step in ("clusters", "exact"):
            command = [sys.executable, "-m", "benchmarks.index", "--step", step, place, json.dumps(how.sizes)]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        exact = json.loads(done.stdout)["one_thread"]["faiss_batch_qps"]
        made = {name: child(how, "graph", f"{place}:{name}") for name in GRAPHS}
    for each in made.values():
        surest = [row["qps"] for row in each["by_ef"] if row["recall"] >= 0.99]
        each["times_exact"] = max(surest) / exact if surest else None  # on one thread both
    return {"vectors": how.sizes.clusters, "exact_batch_qps": exact, **made}


def graph(how: Measuring, place: str) -> Rows:
    """A graph that looks for RECALL, not for all."""
    from core.index.faiss_hnsw import FaissHNSW
    from core.models.threads import one_thread

    folder, _, name = place.rpartition(":")
    clusters = Folder(Path(folder), how.sizes)
    vectors, questions, exact = (
        clusters.vectors("clusters", mapped=True),
        clusters.questions("clusters"),
        clusters.truth("clusters"),
    )
    part, began = FaissHNSW(m=16, build_threads=0, **GRAPHS[name]), time.perf_counter()
    searcher = part.build(vectors, None)
    build_s, by_ef = time.perf_counter() - began, []
    with one_thread():
        for ef in EFS:
            settings = part.model_copy(update={"ef_search": ef, "rescore": max(1, ef // 10) if part.dimensions else 1})
            reached = mean_recall(searcher.search(questions, 10, settings=settings), exact)
            batch = min(timed(lambda settings=settings: searcher.search(questions, 10, settings=settings)) for _ in range(3))
            by_ef.append({"ef": ef, "recall": reached, "qps": 1000 * len(questions) / batch})
    within = [row for row in by_ef if row["recall"] >= RECALL]
    about = {"m": part.m, "ef_construction": part.ef_construction, "build_minutes": build_s / 60}
    best = max(within, key=lambda row: row["qps"]) if within else {"qps": None, "recall": max(row["recall"] for row in by_ef)}
    held = searcher.memory_bytes + bool(part.dimensions) * vectors.nbytes  # those that rescoring reads
    return {**about, **best, "gb": held / 1e9, "by_ef": by_ef, **resident()}


# Growing and changing -----------------------------------------------------------------------------------------------


def forecast(how: Measuring) -> Rows:
    from core.labs.index import scale_forecast as lab

    bench, config = Workbench(how.home()), how.config(**LSA, **GRAPH)
    rows = drain(lab.measure(bench, config, whole=True))
    every = lab.forecast(rows, config)
    quantities = {
        each.key: {
            **{name: getattr(each.whole, name) for name in ("value", "low", "high")},
            "measured": each.measured,
            "inside": each.inside,
        }
        for each in every
    }
    return {
        "documents": rows[-1]["documents"],
        "chunks": rows[-1]["chunks"],
        "inside": sum(bool(each.inside) for each in every),
        **quantities,
    }


def life(how: Measuring) -> Rows:
    from core.labs.index import churn
    from core.labs.index.life import life as lived

    bench, config = Workbench(how.home()), how.config(**LSA, **GRAPH)
    made = drain(lived(bench, config, "each", 0.01, how.rounds, "documents", how.followed))
    return {"rebuild": churn.when_to_rebuild(made, 0.01)._asdict(), "rounds": churn.rows(made)}


# All of it -----------------------------------------------------------------------------------------------------------

SECTIONS = {section.__name__: section for section in (first_curve, bm25, sliders, hnsw, forecast, life)}
STEPS = {step.__name__: step for step in (opened, graph)}


def child(how: Measuring, step: str, *words: str) -> Rows:
    """A step in a process of its own, whose memory is its own."""
    command = [sys.executable, "-m", "benchmarks.scale", f"--step={step}", f"--of={' '.join(words)}", f"--home={how.home()}"]
    done = subprocess.run(command + ["--quick"] * how.quick, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main(only: str, home: str, step: str, of: str, quick: bool) -> Rows:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    os.environ["GROUNDWORK_CACHE_GB"] = "1000"
    if step:
        return STEPS[step](Measuring(quick, home), *of.split())
    with tempfile.TemporaryDirectory() as aside:
        how = Measuring(quick, home or aside)  # of all sections: what one has prepared the next one takes
        how.home().mkdir(parents=True, exist_ok=True)
        return measured("scale", {name: lambda _, own=section: own(how) for name, section in SECTIONS.items()}, only, quick)


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", only="", home="", step="", of="")))))
