"""The two sets of vectors that `benchmarks.index` measures on, and how hard they are to search."""

import os
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import ROOT, _clusters
from core.config import TrialConfig, with_settings
from core.labs.index.measure import TIES, recall
from core.progress import Running, drain
from core.records import Candidates, Progress

K = 10
Rows = dict[str, Any]


class Sizes(NamedTuple):
    clusters: int  # synthetic vectors
    questions: int
    swept: int  # questions of the sweep over them
    scratch: int  # vectors of the graph written in Python
    moves: int
    seconds: float  # that a comparison of calls may take
    medquad: bool  # or the built-in corpus, to try it out


MILLION = 1_000_000
USUAL = Sizes(200_000, 1000, 200, 10_000, 20, 3.0, True)
FULL = USUAL._replace(clusters=MILLION, seconds=6.0)
QUICK = Sizes(600, 40, 40, 200, 3, 0.02, False)


class Folder:
    """What the steps hand on: vectors and questions as .npy, the workbench's data folder, where the indexes lie."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self.path, self.sizes, self.home = path, sizes, path / "home"

    def vectors(self, name: str, mapped: bool = False) -> np.ndarray:
        return np.load(self.path / f"{name}.npy", mmap_mode="r" if mapped else None)

    def questions(self, name: str) -> np.ndarray:
        return np.load(self.path / f"{name}_questions.npy")

    def truth(self, name: str) -> Candidates:
        with np.load(self.path / f"{name}_truth.npz") as found:
            return Candidates(found["chunk"], found["score"])

    def set(self, name: str) -> tuple[np.ndarray, np.ndarray, Candidates]:
        return self.vectors(name), self.questions(name), self.truth(name)

    def recipe(self, settings: Rows) -> tuple[Any, TrialConfig]:
        """The workbench, with all vectors at hand, and a recipe of the real set."""
        from core.workbench import Workbench

        dataset = "medquad" if self.sizes.medquad else "python-reference"
        config = with_settings(TrialConfig(), {"corpus.dataset": dataset, "chunking": {"part": "whole_document"}, **settings})
        return Workbench(self.home), config


def embed(folder: Folder) -> Rows:
    """MedQuAD's answers and a draw of its questions, through the pipeline; the encoder's vectors stay in the user's store."""
    from core.corpus.packed import pack
    from core.records import Corpus

    store = Path(os.environ.get("GROUNDWORK_HOME") or ROOT / "data").resolve() / "cache" / "vectors"
    store.mkdir(parents=True, exist_ok=True)
    (folder.home / "cache").mkdir(parents=True, exist_ok=True)
    (folder.home / "cache" / "vectors").symlink_to(store)
    workbench, config = folder.recipe({})  # from here on its home is the process's
    library, name = workbench.library, config.corpus.dataset
    whole = drain(library.open(name))
    if not folder.sizes.medquad:  # beginnings are enough to try it out
        whole = Corpus(name, tuple(d._replace(text=d.text[:100], pages=()) for d in whole.documents), whole.queries)
    rows = np.sort(np.random.default_rng(0).permutation(len(whole.queries))[: folder.sizes.questions])
    corpus = Corpus(name, whole.documents, tuple(whole.queries[row] for row in rows), (), f"{whole.fingerprint} benchmark")
    library._cache.save("corpus", library.stamp(name), {"json": pack(corpus)}, {"name": name})  # what later steps open
    run = workbench.resolve(config)
    vectors, questions = (told(make(run)) for make in (workbench.pipeline.vectors, workbench.pipeline.query_vectors))
    save(folder, "medquad", [vectors], len(vectors), questions)
    return {"vectors": len(vectors), "questions": len(questions), "dim": vectors.shape[1]}


def told(work: Generator[Progress, None, Any]) -> Any:
    """The result of a long verb that says now and then how far it is."""
    said, running = time.monotonic(), Running(work)
    for progress in running:
        if time.monotonic() - said > 20:
            said = time.monotonic()
            print(f"    {progress.message}", file=sys.stderr, flush=True)
    return running.result


def clusters(folder: Folder) -> Rows:
    num, asked = folder.sizes.clusters, folder.sizes.questions
    save(folder, "clusters", _clusters.blocks(num), num, _clusters.queries(asked, num))
    return {"vectors": num, "questions": asked, "dim": _clusters.DIM}


def save(folder: Folder, name: str, blocks: Iterable[np.ndarray], num: int, questions: np.ndarray) -> None:
    file = np.lib.format.open_memmap(folder.path / f"{name}.npy", "w+", np.float32, (num, questions.shape[1]))
    first = 0
    for block in blocks:
        file[first : first + len(block)] = block
        first += len(block)
    file.flush()
    np.save(folder.path / f"{name}_questions.npy", questions)


def hardness(folder: Folder) -> Rows:
    """How hard the synthetic set is beside the real one: at the same size, and the whole of it seen from its questions."""
    real = folder.vectors("medquad")
    num = len(real)
    alike = np.concatenate(list(_clusters.blocks(num)))
    return {
        "medquad": shape(real, folder.questions("medquad")),
        f"clusters_{num}": shape(alike, _clusters.queries(folder.sizes.questions, num)),
    }


def shape(vectors: np.ndarray, questions: np.ndarray) -> Rows:
    import faiss

    from core.index.faiss_hnsw import FaissHNSW
    from core.labs.encoders.diagnostics import diagnose

    found, exact = diagnose(vectors), truth(vectors, questions)
    part = FaissHNSW(m=16, build_threads=0)
    searcher, compared = part.build(vectors, None), {}
    for ef in (10, 16, 32, 64, 128):
        faiss.cvar.hnsw_stats.reset()
        here = searcher.search(questions, K, settings=part.model_copy(update={"ef_search": ef}))
        compared[f"ef_{ef}"] = {"recall": mean_recall(here, exact), "distances": faiss.cvar.hnsw_stats.ndis / len(questions)}
    return {
        "two_nn": found.two_nn,
        "mle": found.mle,
        "effective_rank": found.effective_rank,
        "average_cosine": found.average_cosine,
        "participation_ratio": found.participation_ratio,
        "hub_skewness": found.hubness.skewness,
        "questions": near(exact),
        "hnsw_m_16": compared,
    }


def near(exact: Candidates) -> Rows:
    """The surroundings of a question: mean similarity of its nearest and its tenth vector, and Levina and Bickel's dimension
    from its distances to them."""
    from core.labs.encoders.diagnostics import mle

    distances = np.sqrt(np.maximum(2 - 2 * exact.score.astype(np.float64), 1e-12))
    return {
        "similarity_of_1": float(exact.score[:, 0].mean()),
        "similarity_of_10": float(exact.score[:, K - 1].mean()),
        "mle": mle(distances),
    }


def truth(vectors: np.ndarray, questions: np.ndarray) -> Candidates:
    from core.index.faiss_flat import FaissFlat

    return FaissFlat().build(vectors, None).search(questions, K + TIES)


def mean_recall(found: Candidates, exact: Candidates) -> float:
    return float(np.nanmean(recall(found, exact, K)))
