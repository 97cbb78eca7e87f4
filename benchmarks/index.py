"""The index lab against the bare libraries, and what its indexes reach: overhead, sweeps, moves, recall, speed, memory.

    python -m benchmarks.index [--full | --quick]

Two sets of vectors of 384 dimensions, 1,000 questions each: MedQuAD's 16,407 answers by the bundled encoder (from the
folder that GROUNDWORK_DATASETS names; encoded once, then kept in the vector store of GROUNDWORK_HOME), and 200,000
synthetic ones (`_clusters`); --full: 1,000,000. Each step runs in a process of its own, whose peak memory is reported.
Each required figure stands beside its limit and whether it is met. --quick: some hundred vectors, to try it out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import DATASETS, ROOT
from benchmarks._index_sets import (
    FULL,
    MILLION,
    QUICK,
    USUAL,
    Folder,
    K,
    Rows,
    Sizes,
    clusters,
    embed,
    hardness,
    mean_recall,
    near,
    truth,
)
from benchmarks.promises import against, spread
from core.config import PartConfig, with_settings
from core.labs.index.measure import TIES
from core.progress import drain
from core.records import Candidates

HNSW_RECALL = 0.99  # at which its speed is compared
EFS = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
SWEPT = [10, 12, 16, 20, 24, 32, 40, 48, 64, 96]  # ten values of a query setting


# Timing ---------------------------------------------------------------------------------------------------------------


def seconds(work: Callable, *inputs: Any) -> float:
    started = time.perf_counter()
    work(*inputs)
    return time.perf_counter() - started


def side_by_side(ours: Callable[[], Any], bare: Callable[[], Any], budget_s: float) -> Rows:
    """Turns of ours, bare, bare, ours, so that neither gains from its place; medians. At least seven, or three long ones."""
    bare()
    least = 7 if seconds(ours) < 1 else 3
    took: list[tuple[float, float]] = []
    until = time.perf_counter() + budget_s
    while time.perf_counter() < until or len(took) < least:
        first, second, third, fourth = (seconds(work) for work in (ours, bare, bare, ours))
        took.append((first + fourth, second + third))
    ratio = median(a / b for a, b in took)
    return {
        "ours_s": median(a for a, _ in took) / 2,
        "bare_s": median(b for _, b in took) / 2,
        "turns": len(took),
        "percent": 100 * (1 - 1 / ratio),
        "spread": spread(100 * (1 - b / a) for a, b in took),
    }


def overhead(searcher: Any, part: PartConfig, questions: np.ndarray, budget_s: float) -> Rows:
    """How many percent fewer questions a second our call answers than FAISS's own on the same index object.

    Singles on one thread, batches of all the questions on all. Rescoring is off: FAISS's call has none.
    """
    from core.models.threads import one_thread

    if "rescore" in part.query_settings:
        part = part.model_copy(update={"rescore": 1})
    index, how, found = searcher._index, part.search_parameters(None), {}
    for name, asked in (("single", [questions[i : i + 1] for i in range(min(100, len(questions)))]), ("batch", [questions])):
        if name == "single":  # so many that a turn takes some 30 ms
            with one_thread():
                asked = asked[: max(1, int(0.03 / max(seconds(index.search, asked[0], K), 1e-6)))]
        with one_thread() if name == "single" else nullcontext():
            compared = side_by_side(
                lambda asked=asked: [searcher.search(one, K, settings=part) for one in asked],
                lambda asked=asked: [index.search(one, K, params=how) for one in asked],
                budget_s,
            )
        count = sum(map(len, asked))
        found[name] = {
            "percent": compared["percent"],
            "ours_qps": count / compared["ours_s"],
            "bare_qps": count / compared["bare_s"],
            "turns": compared["turns"],
            "spread": compared["spread"],
        }
    return found


# Steps on MedQuAD -----------------------------------------------------------------------------------------------------


def calls(folder: Folder) -> Rows:
    from core.index.faiss_flat import FaissFlat
    from core.index.faiss_hnsw import FaissHNSW
    from core.index.faiss_ivf import FaissIVF
    from core.index.faiss_ivf_pq import FaissIVFPQ
    from core.index.faiss_sq import FaissSQ

    vectors, questions, found = folder.vectors("medquad"), folder.questions("medquad"), {}
    for part in (FaissFlat(), FaissIVF(), FaissHNSW(build_threads=0), FaissIVFPQ(), FaissSQ()):
        found[part.part] = overhead(part.build(vectors, None), part, questions, folder.sizes.seconds)
    return {"parts": found}


def lab_sweep(folder: Folder) -> Rows:
    """`index_lab.sweep` of 40 query settings over 4 builds, against FAISS doing the same builds and the same searches.

    Bare does the first half of its builds before ours and the rest after. Ours also keeps what it built, judges every
    question's recall and stores every answer and latency; both search exactly once for the truth.
    """
    from core.labs.index import measuring
    from core.labs.index.timing import REPEATS, SINGLES

    workbench, config = folder.recipe({"index": {"part": "faiss_hnsw"}})
    pipeline = workbench.pipeline
    drain(pipeline.query_vectors(workbench.resolve(config)))
    vectors, questions = folder.vectors("medquad"), folder.questions("medquad")
    links, singles = [8, 12, 16, 24], min(SINGLES, len(questions))

    def bare(some: list[int], exact: bool) -> None:
        import faiss

        if exact:
            flat = faiss.IndexFlatIP(vectors.shape[1])
            flat.add(vectors)
            flat.search(questions, K)
        for m in some:
            threads = faiss.omp_get_max_threads()
            faiss.omp_set_num_threads(1)
            index = faiss.IndexHNSWFlat(vectors.shape[1], m, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = config.index.ef_construction
            index.add(vectors)
            faiss.omp_set_num_threads(threads)
            searches(index, [faiss.SearchParametersHNSW(efSearch=ef) for ef in SWEPT], questions, REPEATS, [singles] * len(SWEPT))

    first = seconds(bare, links[:2], True)
    started = time.perf_counter()
    points = drain(measuring.sweep(workbench, config, {"index.m": links, "index.ef_search": SWEPT}, again=True))
    ours = time.perf_counter() - started
    theirs = first + seconds(bare, links[2:], False)
    other = [f"{p.label}: {p.reason or len(p.raw.single_us)}" for p in points if p.reason or len(p.raw.single_us) != singles]
    if other:
        raise RuntimeError(f"Not measured as FAISS alone was, on {singles} single questions: {other}")
    return {
        "settings": len(points),
        "builds": len(links),
        "questions": len(questions),
        "ours_s": ours,
        "bare_s": theirs,
        "ratio": ours / theirs,
    }


def searches(index: Any, settings: list, questions: np.ndarray, batches: int, singles: list[int]) -> None:
    """What a sweep asks of one build: batches on all threads, then so many single questions of each setting on one."""
    import faiss

    for how in settings:
        for _ in range(batches):
            index.search(questions, K, params=how)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    for how, count in zip(settings, singles, strict=True):
        for row in range(count):
            index.search(questions[row : row + 1], K, params=how)
    faiss.omp_set_num_threads(threads)


def moves(folder: Folder) -> Rows:
    """What the page computes when a query slider is let go: the setting measured, and its cost to the answer with intervals,
    for values not seen before. Drawing is not in it."""
    from core.labs.index import glance

    found = {}
    for part, name, values in (("faiss_hnsw", "ef_search", range(12, 400, 17)), ("faiss_ivf", "nprobe", range(1, 90, 4))):
        workbench, config = folder.recipe({"index": {"part": part}})
        drain(glance.glance(workbench, config, 1.0))  # builds, and searches exactly
        took = []
        for value in list(values)[: folder.sizes.moves]:
            moved = with_settings(config, {f"index.{name}": value})
            took.append(seconds(lambda moved=moved: drain(glance.glance(workbench, moved, 1.0))))
        found[f"{part}.{name}"] = {
            "moves": len(took),
            "p50_s": median(took),
            "p95_s": float(np.quantile(took, 0.95)),
            "max_s": max(took),
            "spread": spread(took),
        }
    return {"moved": found}


def scratch(folder: Folder) -> Rows:
    """The graph written here to be read, against hnswlib with the same settings, on one thread."""
    import hnswlib

    from core.models.threads import one_thread
    from core.scratch.indexes.hnsw import HNSW

    vectors, questions = folder.vectors("medquad"), folder.questions("medquad")
    vectors = vectors[np.sort(np.random.default_rng(0).permutation(len(vectors))[: folder.sizes.scratch])]
    exact, m, ef_construction = truth(vectors, questions), 16, 100
    recalls, took = {ef: {"ours": [], "hnswlib": []} for ef in (10, 20, 40, 80)}, {"ours": [], "hnswlib": []}
    with one_thread():
        for seed in range(1, 6):  # graphs of the same settings differ: layers are drawn
            theirs = hnswlib.Index("cosine", vectors.shape[1])
            theirs.init_index(len(vectors), M=m, ef_construction=ef_construction, random_seed=seed)
            theirs.set_num_threads(1)
            took["hnswlib"].append(seconds(theirs.add_items, vectors))
            for ef, row in recalls.items():
                theirs.set_ef(ef)
                ids, distance = theirs.knn_query(questions, K)
                row["hnswlib"].append(mean_recall(Candidates(ids.astype(np.int32), 1 - distance), exact))
        for seed in range(2):
            ours = HNSW(vectors.shape[1], m, ef_construction, seed=seed)
            took["ours"].append(seconds(ours.add, vectors))
            for ef, row in recalls.items():
                row["ours"].append(mean_recall(ours.search(questions, K, ef), exact))
    by_ef = {
        f"ef_{ef}": {**row, "difference": float(np.mean(row["ours"]) - np.mean(row["hnswlib"]))} for ef, row in recalls.items()
    }
    return {
        "vectors": len(vectors),
        "questions": len(questions),
        "m": m,
        "ef_construction": ef_construction,
        "build_s": float(np.mean(took["ours"])),
        "hnswlib_build_s": float(np.mean(took["hnswlib"])),
        "by_ef": by_ef,
    }


# Steps on the synthetic set -------------------------------------------------------------------------------------------


def exact(folder: Folder) -> Rows:
    """Exact search's best throughput on one thread, batches or one by one, FAISS or ours; and the truth of all that follows."""
    from core.index.exact import Exact
    from core.index.faiss_flat import FaissFlat
    from core.models.threads import one_thread

    vectors, questions, part = folder.vectors("clusters"), folder.questions("clusters"), FaissFlat()
    searcher = part.build(vectors, None)
    found = searcher.search(questions, K + TIES)
    np.savez(folder.path / "clusters_truth.npz", chunk=found.chunk, score=found.score)
    few = questions[:20]
    with one_thread():
        numpy = Exact().build(vectors, None)
        numpy.search(few, K)
        batch = median(seconds(searcher._index.search, questions, K) for _ in range(3))
        ours = seconds(numpy.search, questions, K)
        single = median(seconds(searcher._index.search, few[i : i + 1], K) for i in range(len(few)))
    one = {"faiss_batch_qps": len(questions) / batch, "faiss_single_qps": 1 / single, "numpy_batch_qps": len(questions) / ours}
    return {
        "one_thread": {**one, "best_qps": max(one.values())},
        "surroundings": near(found),
        "calls": overhead(searcher, part, questions, folder.sizes.seconds),
    }


def hnsw(folder: Folder) -> Rows:
    """Recall against questions a second on one thread, along ef."""
    from core.index.faiss_hnsw import FaissHNSW
    from core.models.threads import one_thread

    vectors, questions, exact = folder.set("clusters")
    part, started = FaissHNSW(build_threads=0), time.perf_counter()
    searcher = part.build(vectors, None)
    built, by_ef, some = time.perf_counter() - started, {}, questions[:300]
    with one_thread():
        for ef in EFS:
            how = part.model_copy(update={"ef_search": ef})
            reached = mean_recall(searcher.search(questions, K, settings=how), exact)
            batch = median(seconds(lambda how=how: searcher.search(questions, K, settings=how)) for _ in range(3))
            single = seconds(lambda how=how: [searcher.search(some[i : i + 1], K, settings=how) for i in range(len(some))])
            by_ef[f"ef_{ef}"] = {"recall": reached, "batch_qps": len(questions) / batch, "single_qps": len(some) / single}
    return {
        "m": part.m,
        "ef_construction": part.ef_construction,
        "build_s": built,
        "by_ef": by_ef,
        "bytes_per_vector": searcher.memory_bytes / len(vectors),
        "calls": overhead(searcher, part, questions, folder.sizes.seconds),
    }


def ivf(folder: Folder) -> Rows:
    """A sweep of 40 query settings over 4 builds by what `index_lab.sweep` measures with, against FAISS doing the same."""
    from core.index.faiss_ivf import FaissIVF
    from core.index.faiss_tools import lists
    from core.labs.index.timing import REPEATS, measure

    vectors, questions, exact = folder.set("clusters")
    num = folder.sizes.swept
    some, few = questions[:num], Candidates(exact.chunk[:num], exact.score[:num])
    found, ours, theirs, most = {}, 0.0, 0.0, lists(0, len(vectors))
    for nlist in (most // 8, most // 4, most // 2, most):
        part = FaissIVF(nlist=nlist)
        settings = [part.model_copy(update={"nprobe": nprobe}) for nprobe in SWEPT]
        started = time.perf_counter()
        searcher = part.build(vectors, None)
        points = drain(measure(searcher, settings, some, K, few))
        ours += time.perf_counter() - started
        if nlist == most:
            found = {f"nprobe_{how.nprobe}": point.numbers() for how, point in zip(settings, points, strict=True)}
            calls = overhead(searcher, part, questions, folder.sizes.seconds)
        del searcher  # one index in memory at a time
        singles = [len(point.single_us) for point in points]  # a slow setting is asked fewer
        theirs += seconds(bare_ivf, vectors, nlist, some, REPEATS, singles)
    return {
        "settings": 40,
        "builds": 4,
        "questions": num,
        "ours_s": ours,
        "bare_s": theirs,
        "ratio": ours / theirs,
        "nlist": most,
        "by_nprobe": found,
        "calls": calls,
    }


def bare_ivf(vectors: np.ndarray, nlist: int, questions: np.ndarray, batches: int, singles: list[int]) -> None:
    import faiss

    dim = vectors.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, nlist, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = 64, 1  # as `faiss_ivf`
    index.train(vectors)
    index.add(vectors)
    searches(index, [faiss.SearchParametersIVF(nprobe=nprobe) for nprobe in SWEPT], questions, batches, singles)


def ivf_pq(folder: Folder) -> Rows:
    """32 bytes a vector, rescored by the float vectors."""
    from core.index.faiss_ivf_pq import FaissIVFPQ
    from core.labs.index.timing import measure

    vectors, questions, exact = folder.set("clusters")
    part, started = FaissIVFPQ(m=32), time.perf_counter()
    searcher = part.build(vectors, None)
    built = time.perf_counter() - started
    settings = [part.model_copy(update={"nprobe": p, "rescore": r}) for p in (16, 32, 64, 128, 256) for r in (1, 4, 10, 30, 100)]
    points = drain(measure(searcher, settings, questions, K, exact, quick=True))
    table = [
        {"nprobe": how.nprobe, "rescore": how.rescore, **point.numbers()} for how, point in zip(settings, points, strict=True)
    ]
    return {
        "nlist": searcher._index.nlist,
        "code_bytes": searcher._index.pq.code_size,
        "build_s": built,
        "bytes_per_vector": searcher.memory_bytes / len(vectors),
        "settings": table,
        "calls": overhead(searcher, part, questions, folder.sizes.seconds),
    }


def disk(folder: Folder) -> Rows:
    from core.index.faiss_disk import FaissDisk

    started = time.perf_counter()
    searcher = FaissDisk().build(folder.vectors("clusters", mapped=True), folder.path / "disk")
    return {"build_s": time.perf_counter() - started, "disk_mb": searcher.disk_bytes / 1e6}


def mapped(folder: Folder) -> Rows:
    """A fresh process opens the saved index and answers the questions, one by one and in a batch."""
    from core.index.faiss_disk import FaissDisk

    part, started = FaissDisk(), time.perf_counter()
    searcher = part.build(folder.vectors("clusters", mapped=True), folder.path / "disk")
    opened, questions, exact = time.perf_counter() - started, folder.questions("clusters"), folder.truth("clusters")
    found = searcher.search(questions, K)
    single = seconds(lambda: [searcher.search(questions[i : i + 1], K) for i in range(len(questions))])
    return {
        "open_s": opened,
        "nprobe": part.nprobe,
        "recall": mean_recall(found, exact),
        "single_qps": len(questions) / single,
        **resident(),
    }


def resident() -> Rows:
    """Of this process in MB: peak, and what is resident now of its own, of files and of shared memory."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}  # macOS: bytes
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    names = {"peak_mb": "VmHWM", "anonymous_mb": "RssAnon", "files_mb": "RssFile", "shared_mb": "RssShmem"}
    return {name: int(lines[key].split()[0]) * 1024 / 1e6 for name, key in names.items() if key in lines}


# All of it ------------------------------------------------------------------------------------------------------------

STEPS = {
    step.__name__: step
    for step in (embed, clusters, hardness, calls, lab_sweep, moves, scratch, exact, hnsw, ivf, ivf_pq, disk, mapped)
}


def run(sizes: Sizes) -> dict[str, Rows]:
    """Each step in a process of its own, with its seconds and peak memory."""
    found: dict[str, Rows] = {}
    settings = {"GROUNDWORK_DATASETS": str(DATASETS), **os.environ, "GROUNDWORK_CACHE_GB": "1000"}
    with tempfile.TemporaryDirectory() as place:
        for name in STEPS:
            began = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.index", "--step", name, place, json.dumps(sizes)]
            done = subprocess.run(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True, check=True)
            found[name] = json.loads(done.stdout)
            found[name]["seconds"] = time.perf_counter() - began
            about = f"{found[name]['seconds']:,.0f} s, {found[name]['peak_mb']:,.0f} MB"
            print(f"  {name}: {about}", file=sys.stderr, flush=True)
    return found


def overheads(found: dict[str, Rows]) -> Rows:
    large = {"faiss_flat": "exact", "faiss_ivf": "ivf", "faiss_hnsw": "hnsw", "faiss_ivf_pq": "ivf_pq"}
    return {"medquad": found["calls"]["parts"], "clusters": {part: found[step].pop("calls") for part, step in large.items()}}


def required(found: dict[str, Rows], calls: Rows, num: int) -> dict[str, Rows]:
    """The figures that have a limit, and whether each meets it; met is None where the limit is for more vectors than these."""
    every = [of for parts in calls.values() for of in parts.values()]
    one_thread, wanted = found["exact"]["one_thread"], HNSW_RECALL
    good = [row for row in found["hnsw"]["by_ef"].values() if row["recall"] >= wanted]
    fast = {kind: max((row[kind] for row in good), default=0.0) for kind in ("batch_qps", "single_qps")}
    coded = found["ivf_pq"]["settings"]
    within = [row for row in coded if against("index", "ivf_pq_recall", row["recall"])["met"]]
    peaks = {step: found[step]["peak_mb"] for step in ("exact", "hnsw", "ivf", "ivf_pq", "disk")}
    figures = {
        "call_overhead_single": max(of["single"]["percent"] for of in every),
        "call_overhead_batch": max(of["batch"]["percent"] for of in every),
        "sweep_ratio_medquad": found["lab_sweep"]["ratio"],
        "sweep_ratio_clusters": found["ivf"]["ratio"],
        "move_p95_s": max(of["p95_s"] for of in found["moves"]["moved"].values()),
        "hnsw_times_exact": max(fast.values()) / one_thread["best_qps"],  # against exact search at its best, which is in batches
        "ivf_pq_recall": max(row["recall"] for row in coded),
        "build_sweep_search_peak_mb": max(peaks.values()),
        "mapped_peak_mb": found["mapped"]["peak_mb"],
        "scratch_recall_lost": max(-row["difference"] for row in found["scratch"]["by_ef"].values()),
    }
    beside = {
        "hnsw_times_exact": {
            "recall_at_least": wanted,
            "hnsw": fast,
            "exact": one_thread,
            "one_by_one_times_exact": fast["single_qps"] / one_thread["faiss_single_qps"],
            **({"met": None, "limit_for_vectors": MILLION} if num < MILLION else {}),
        },
        "ivf_pq_recall": {
            "best": max(coded, key=lambda row: row["recall"]),
            "fastest_within": max(within, key=lambda row: row["single_qps"], default=None),
        },
        "build_sweep_search_peak_mb": {"by_step": peaks},
    }
    return {name: against("index", name, value) | beside.get(name, {}) for name, value in figures.items()}


def spreads(found: dict[str, Rows], calls: Rows) -> dict[str, Rows]:
    """Of the repeats behind the worst of each kind."""
    every = [of for parts in calls.values() for of in parts.values()]
    overheads = {how: max((of[how] for of in every), key=lambda row: row["percent"]) for how in ("single", "batch")}
    slowest = max(found["moves"]["moved"].values(), key=lambda row: row["p95_s"])
    return {
        "required.call_overhead_single": overheads["single"]["spread"],
        "required.call_overhead_batch": overheads["batch"]["spread"],
        "required.move_p95_s": slowest["spread"],
    }


def main(sizes: Sizes) -> Rows:
    found = run(sizes)
    calls = overheads(found)
    return {
        "vectors": {"medquad": found["embed"]["vectors"], "clusters": sizes.clusters},
        "questions": sizes.questions,
        "required": required(found, calls, sizes.clusters),
        "call_overhead": calls,
        "spread": spreads(found, calls),
        "steps": found,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--step", nargs=3, metavar=("NAME", "FOLDER", "SIZES"), help="one step, as this program runs them")
    given = parser.parse_args()
    if given.step:
        name, place, sizes = given.step
        made = STEPS[name](Folder(Path(place), Sizes(*json.loads(sizes))))
        print(json.dumps({**made, "peak_mb": resident()["peak_mb"]}))
    else:
        print(json.dumps(main(QUICK if given.quick else FULL if given.full else USUAL), indent=1))
