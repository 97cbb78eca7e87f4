"""What was promised of the workbench's speed and results, and whether the last measurements hold it.

One list: the limits that a benchmark writes beside its figures come from here, the table of docs/measurements.md too.
`python -m benchmarks promises` prints it.
"""

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from core.statistics.bootstrap import Interval

RESULTS = Path(__file__).parent / "results"
HISTORY = "history.jsonl"  # a line a run of a benchmark, also of one that failed
LEAST, MOST = "≥", "≤"


class Promise(NamedTuple):
    """benchmark: whose results have its value, empty where none has; place: where in them; issue: where it was promised."""

    benchmark: str
    issue: int
    place: str
    what: str
    direction: str
    limit: float
    unit: str


class Spread(NamedTuple):
    """Of the repeats behind a figure."""

    n: int
    low: float
    median: float
    high: float


class Verdict(NamedTuple):
    """value: None where it was not measured; holds: None then, never True."""

    promise: Promise
    value: float | None
    spread: Spread | None
    holds: bool | None


# (benchmark, issue that promised it): place in its results, what it is, limit, unit; without a benchmark: none gives it yet
ROWS = {
    ("retrieval", 2): (
        ("live.fusion_weight.p95_ms", "Fusion weight moved: 7 metrics with intervals, XQuAD, p95", MOST, 10, "ms"),
        ("live.k_or_metric.p95_ms", "Depth k or metric moved, the same, p95", MOST, 10, "ms"),
        ("live.bm25_k1.p95_ms", "BM25's k1 moved, the same, p95", MOST, 300, "ms"),
        ("rebuild.times_as_fast", "Grid of 44 points, to a plain script that rebuilds each", LEAST, 300, "times"),
        ("grid.times_as_fast", "The same, to a plain script on kept retrieval results", LEAST, 15, "times"),
        ("bm25_on_medquad.times_as_fast_one_by_one", "BM25 of a question on 16,407 documents, to rank-bm25", LEAST, 600, "times"),
        ("bm25_on_medquad.largest_score_difference", "Largest difference of those scores", MOST, 1e-12, ""),
    ),
    ("retrieval_depth", 14): (
        ("anserini.bm25.off", "BM25 on CACM: MAP, to Anserini's 0.3123", MOST, 0.01, ""),
        ("anserini.rm3.off", "BM25 with RM3 on CACM: MAP, to Anserini's 0.3648", MOST, 0.01, ""),
        ("published.most_off", "Runs of TREC DL 2019, 2020 and TREC-COVID: nDCG@10 to four digits, to what is published", MOST, 0, ""),
    ),
    ("slider", 2): (
        ("p95_ms", "Slider let go to page redrawn, in the browser, p95", MOST, 400, "ms"),
    ),
    ("slider", 14): (
        ("cascade_depth.p95_ms", "A cascade's depth moved within what was read, 1,190 questions, in the browser, p95", MOST, 300, "ms"),
    ),
    ("slider", 31): (
        ("paint.p95_ms", "A knob dragged: input to paint of cards and curve, in the browser, p95", MOST, 16, "ms"),
        ("let_go.p95_ms", "A knob let go to page redrawn, in the browser, p95", MOST, 250, "ms"),
    ),
    ("encoding", 2): (
        ("times_as_fast", "Encoding, to sentence-transformers in fp32", LEAST, 2.7, "times"),
        ("overlap_at_10", "Overlap of the first ten with fp32's", LEAST, 0.99, ""),
        ("share_of_peak", "Share of the machine's matrix product that encoding reaches", LEAST, 0.45, ""),
    ),
    ("medquad", 2): (
        ("prepare_peak_mb", "MedQuAD read, chunked, embedded and searchable: peak memory", MOST, 4000, "MB"),
        ("edit.share", "Chunks embedded anew after an edit of 1% of its documents", MOST, 0.02, ""),
    ),
    ("startup", 2): (
        ("first_page_s.median", "First page after `make app`, once installed", MOST, 3, "s"),
        ("first_start_explorable_s.median", "Very first start until the built-in corpus is explorable", MOST, 30, "s"),
        ("page_switch_s.max", "Page switch on cached stages, the slowest", MOST, 0.5, "s"),
    ),
    ("startup", 12): (
        ("encoders_first_visit_s.median", "*Encoders* at its first visit", MOST, 1.5, "s"),
    ),
    ("store", 2): (
        ("a_crowd.stored", "Trials stored by 8 processes writing 500 each while one reads", LEAST, 4000, ""),
        ("a_crowd.failed_writers", "Writers of those that failed", MOST, 0, ""),
        ("kills.lost", "Acknowledged trials lost in 100 kills of a writer", MOST, 0, ""),
        ("kills.twice", "Trials there twice after those", MOST, 0, ""),
    ),
    ("store", 13): (
        ("a_crowd.reads_meanwhile.p95_ms", "A read while 8 processes write, p95", MOST, 200, "ms"),
    ),
    ("store_scale", 13): (
        ("paint_s", "*Trials* painted over 100,000 trials and 10,000,000 scores, the slowest visit", MOST, 2, "s"),
        ("filter_ms", "The same, the list of a filter, the slowest", MOST, 500, "ms"),
        ("leaderboard_ms", "The same, a leaderboard, the slowest", MOST, 100, "ms"),
        ("export_s", "The same, the table exported", MOST, 3, "s"),
        ("rebuild_s", "The same, the database made again", MOST, 600, "s"),
    ),
    ("index", 3): (
        ("required.call_overhead_single", "Speed lost to our call around FAISS's, one by one, worst index", MOST, 5, "%"),
        ("required.call_overhead_batch", "The same, in batches of 1,000", MOST, 5, "%"),
        ("required.sweep_ratio_medquad", "Sweep of 40 query settings over 4 builds, to FAISS alone, MedQuAD", MOST, 1.15, "times"),
        ("required.sweep_ratio_clusters", "The same, 200,000 vectors", MOST, 1.15, "times"),
        ("required.move_p95_s", "`ef_search` or `nprobe` moved: measured anew, 1,000 questions, p95", MOST, 1, "s"),
        ("required.scratch_recall_lost", "Recall that the graph written to be read loses to hnswlib's", MOST, 0.01, ""),
    ),
    ("index_full", 3): (
        ("required.hnsw_times_exact", "HNSW at recall@10 0.99 to exact search in batches, 1,000,000 vectors", LEAST, 20, "times"),
        ("required.ivf_pq_recall", "Recall@10 of IVF-PQ at 32 bytes a vector, rescored, of those", LEAST, 0.95, ""),
        ("required.build_sweep_search_peak_mb", "Peak memory of building, sweeping and searching those", MOST, 8000, "MB"),
        ("required.mapped_peak_mb", "Peak memory of opening and searching their mapped index", MOST, 500, "MB"),
    ),
    ("training", 3): (
        ("dual_encoder.all_documents.ndcg.low", "nDCG@10 gained by training an encoder, lower end of its interval", LEAST, 0, ""),
        ("word2vec.low", "nDCG@10 gained by training Word2Vec, lower end of its interval", LEAST, 0, ""),
    ),
    ("generation", 4): (
        ("required.layer_share_of_bare", "Tokens a second through our layer, of bare llama-cpp-python's", LEAST, 0.95, ""),
        ("required.page_share_of_bare", "The same, streamed to the page in a browser", LEAST, 0.95, ""),
        ("required.prefix_times", "First token of questions over one passage, shared start kept, to read anew", LEAST, 4, "times"),
        ("required.copy_times", "First token of a cold prompt of 630 tokens, converted copy to bundled file", LEAST, 2, "times"),
        ("required.json_valid", "Answers of 200 that are valid JSON of their schema", LEAST, 200, ""),
        ("required.idle_page_mb", "Memory of the server with an idle page, largest of four", MOST, 400, "MB"),
    ),
    ("scratch", 4): (
        ("required.cache_times", "512 tokens from the transformer written here, with its cache to without", LEAST, 8, "times"),
        ("required.share_of_transformers", "The same, to transformers' own cached generation", LEAST, 0.8, ""),
        ("required.sampler_checks_passed", "Checks of samplers against transformers and llama.cpp that pass", LEAST, 1, ""),
    ),
    ("labelling", 5): (
        ("required.key_to_next_item_p95_ms", "Key to next item on the screen, five annotators, p95", MOST, 300, "ms"),
        ("required.labels_lost", "Acknowledged labels lost of 2,000 by ten processes at once", MOST, 0, ""),
        ("required.labels_twice", "Labels of those there twice", MOST, 0, ""),
        ("required.alpha_s", "Alpha of 10,000 labels with 2,000 resamples, slowest of three levels", MOST, 2, "s"),
    ),
    ("study", 13): (
        ("times_plain", "200 retrieval configurations on XQuAD, to a plain script that rebuilds each", LEAST, 30, "times"),
        ("to_bare_stages", "The same, processor time to the sum of the distinct stages' bare costs", MOST, 1.3, "times"),
        ("ray_to_local", "The same with Ray on two local nodes, to the local engine on the same cores", MOST, 1.15, "times"),
    ),
    ("study_kills", 13): (
        ("kills", "Kills of a study's driver and workers at random moments", LEAST, 200, ""),
        ("differing", "Homes whose final tables are unlike an undisturbed run's, or have a trial twice, after those", MOST, 0, ""),
    ),
    ("late_interaction", 14): (
        ("required.ms_a_question", "MaxSim of 100 candidates with kept token vectors, a question, median", MOST, 10, "ms"),
        ("required.bytes_a_token", "A kept token vector on the disk", MOST, 40, "bytes"),
        ("required.recall_lost", "Recall@10 after MaxSim that its codes lose of float32's, the worse of two corpora", MOST, 0.005, ""),
    ),
    ("reranking", 14): (
        ("xquad.hit", "XQuAD, hit@1 of a cascade that the other half of the articles chose", LEAST, 0.965, ""),
        ("xquad.s_a_question", "That cascade, a question that nobody asked before, median", MOST, 1.5, "s"),
        ("share_of_peak", "Cross-encoder, to the machine's matrix product", LEAST, 0.7, ""),
    ),
    ("query_transforms", 14): (
        ("required.hyde_share", "HyDE's texts for 200 questions: tokens a second, to the generator's own batches", LEAST, 0.8, ""),
    ),
    ("failures", 14): (
        ("unaccounted", "Questions of two corpora in no band of the ladder, or in several", MOST, 0, ""),
        ("asked_again", "Answers of its rungs that are kept and would be asked again", MOST, 0, ""),
    ),
    ("answer_measures", 15): (
        ("by_words_s", "1,190 answers by all measures against references that ask no encoder", MOST, 5, "s"),
        ("kept_s", "The same by all of them, the encoder's vectors kept", MOST, 5, "s"),
        ("first_s", "The same, each text encoded for the first time", MOST, 5, "s"),
    ),
    ("answers", 15): (
        ("share", "Answers to a question set: tokens a second, to the generator's own batches", LEAST, 0.9, ""),
        ("changed.beyond", "Prompts asked after a change of the ranking, beyond the questions whose passages it changed", MOST, 0, ""),
        ("judged.s", "1,000 answers with 5 passages each by containment and entailment", MOST, 600, "s"),
        ("judged.again", "(claim, evidence) pairs of those that are kept and would be judged again", MOST, 0, ""),
    ),
    ("rag_ablation", 15): (
        ("questions", "Questions of the RAG ablation, in one job", LEAST, 200, ""),
        ("again.asked", "Prompts that it asks a second time", MOST, 0, ""),
        ("again.encoded", "Texts, pairs and claims that it encodes a second time", MOST, 0, ""),
    ),
    ("adapters", 16): (
        ("required.of_bare_torch", "Training an adapter: tokens a second, to a bare torch loop", LEAST, 0.9, "times"),
        ("required.of_trl", "The same, to TRL's SFTTrainer with its defaults on the CPU", LEAST, 1.5, "times"),
        ("required.scale_to_bars_s", "Adapter's scale changed to the next-token bars of *Sampling*, p95", MOST, 1, "s"),
        ("required.switch_to_first_word_s", "Adapter switched to the first word of an answer on *Ask*, p95", MOST, 2, "s"),
    ),
    ("answerer", 27): (
        ("xquad.answerer.em", "XQuAD, the bundled model with its adapter over five passages: exact match", LEAST, 0.5, ""),
        ("xquad.answerer.f1", "The same, token F1", LEAST, 0.65, ""),
        ("xquad.answerer.citation_precision", "The same, citations that are right", LEAST, 0.8, ""),
        ("xquad.answerer.citation_recall", "The same, evidence that is cited", LEAST, 0.8, ""),
        ("xquad.answerer.wrongly_abstains", "The same, abstains with the right passage there", MOST, 0.08, ""),
        ("gold.answerer.f1", "XQuAD, the right passage alone: token F1", LEAST, 0.78, ""),
        ("removed.answerer.abstains", "XQuAD, the right passage taken away: abstains", LEAST, 0.7, ""),
        ("conflict.answerer.gives_new", "XQuAD, another answer in the right passage: gives it", LEAST, 0.9, ""),
        ("conflict.answerer.follows", "The same: of the answers that are that or the old one, that", LEAST, 0.9, ""),
        ("engines.answerer.alike", "XQuAD, greedy answers that llama.cpp and torch write alike", LEAST, 1.0, ""),
        ("speed.tokens_per_s_ratio", "Tokens a second with the adapter, to the plain model's in one number format", LEAST, 0.97, "times"),
    ),
    ("reader", 27): (
        ("xquad.reader.em", "XQuAD, the embedded reader over five passages: exact match", LEAST, 0.5, ""),
        ("xquad.reader.f1", "The same, token F1", LEAST, 0.65, ""),
        ("xquad.reader.citation_precision", "The same, citations that are right", LEAST, 0.8, ""),
        ("xquad.reader.wrongly_abstains", "The same, abstains with the right passage there", MOST, 0.08, ""),
        ("gold.reader.f1", "XQuAD, the right passage alone: token F1", LEAST, 0.78, ""),
        ("removed.reader.abstains", "XQuAD, the right passage taken away: abstains", LEAST, 0.7, ""),
        ("conflict.reader.gives_new", "XQuAD, another answer in the right passage: gives it", LEAST, 0.9, ""),
        ("conflict.reader.follows", "The same: of the answers that are that or the old one, that", LEAST, 0.9, ""),
        ("xquad_both.both.em", "XQuAD, the reader's five candidates weighed by the language model: exact match", LEAST, 0.5, ""),
        ("xquad_both.both.f1", "The same, token F1", LEAST, 0.65, ""),
        ("gold_both.both.f1", "The same, the right passage alone: token F1", LEAST, 0.78, ""),
        ("conflict_both.both.gives_new", "The same, another answer in the right passage: gives it", LEAST, 0.9, ""),
        ("conflict_both.both.follows", "The same: of the answers that are that or the old one, that", LEAST, 0.9, ""),
    ),
    ("serving", 28): (
        ("layer.p50_ms", "The service without model and index, 50 requests a second, p50", MOST, 2, "ms"),
        ("layer.p99_ms", "The same, p99", MOST, 8, "ms"),
        ("cached.a_second", "Searches made before, 32 clients: answers a second", LEAST, 3000, ""),
        ("overload.goodput_share", "Goodput at 2 and 5 times what a service bears, to its best", LEAST, 0.9, ""),
        ("overload.unanswered", "Requests without a reply at those", MOST, 0, ""),
        ("overload.back_s", "From the end of such a burst until all is in time again", MOST, 10, "s"),
        ("driver.stall.off", "p99 of a planted stall, off the calculated one", MOST, 0.05, ""),
        ("driver.MM1.off", "Mean wait of a queue M/M/1, off the formula's", MOST, 0.05, ""),
        ("capacity.off", "p95 up to 90% load, the simulated off the measured one", MOST, 0.08, ""),
        ("semantic.upper", "False hits of the cache of similar questions, upper end", MOST, 0.005, ""),
        ("stale.stale", "Answers of 1,000 that are stale after a change of the corpus", MOST, 0, ""),
        ("hit_rate.points", "Hit rate of a cache, predicted to measured, 3 sizes, 3 skews", MOST, 3, "points"),
        ("canaries.found", "Losses of 5 points of recall found within 200 canaries", LEAST, 0.95, ""),
        ("canaries.false_alarms", "False alarms over 2,000 looks", MOST, 0.01, ""),
        ("spans.us_per_span", "A span recorded", MOST, 50, "µs"),
        ("spans.lost", "Spans lost at 200 requests a second", MOST, 0, ""),
        ("spans.drawn.ms", "A trace of 10,000 spans drawn", MOST, 300, "ms"),
        ("soak.growth", "Memory that a service grows by in a soak", MOST, 0.02, ""),
        ("soak.more_files", "Files that it holds more then", MOST, 0, ""),
    ),
    ("stores", 29): (
        ("quick_s", "`stores measure --quick`: all stores that are here, 106 rows", MOST, 180, "s"),
        ("right.acknowledged", "Writes of four agents confirmed where the store keeps them apart", LEAST, 10_000, ""),
        ("right.wrong", "Of them lost, doubled, stale or skewed", MOST, 0, ""),
        ("durable.missing", "Confirmed rows missing after kill -9, each store's durable setting", MOST, 0, ""),
    ),
    ("nodes", 29): (
        ("embedding.times", "Texts embedded by two Ray nodes of a processor each, to one", LEAST, 1.8, "times"),
        ("study.times", "Trials of a study, the same", LEAST, 1.8, "times"),
    ),
    ("scale", 29): (
        ("first_curve.minutes", "150,000 documents from files to the first curve, killed once on the way", MOST, 60, "min"),
        ("first_curve.peak_mb", "The same, peak memory of all its processes", MOST, 6000, "MB"),
        ("sliders.documents.fusion.p95_ms", "Fusion weight moved over those documents, p95", MOST, 100, "ms"),
        ("sliders.documents.filter.p95_ms", "A question under another filter over those, p95", MOST, 150, "ms"),
        ("sliders.million.fusion.p95_ms", "Fusion weight moved over a million chunks, p95", MOST, 300, "ms"),
        ("bm25.million.p95_ms", "BM25 of a question on a million chunks, processor time, p95", MOST, 5, "ms"),
        ("bm25.medquad.single_ms", "BM25 of a question on 16,407 documents, processor time, median", MOST, 0.15, "ms"),
        ("hnsw.float32.qps", "HNSW at recall@10 0.95, 1,000,000 vectors: questions a second on one thread", LEAST, 5000, ""),
        ("hnsw.float32.build_minutes", "The same, built", MOST, 8, "min"),
        ("hnsw.float32.gb", "The same, memory", MOST, 2.5, "GB"),
        ("hnsw.8bit.gb", "The same with numbers of 8 bits: memory", MOST, 0.6, "GB"),
        ("hnsw.principal.qps", "The same with 128 principal directions in 8 bits, rescored: questions a second", LEAST, 5000, ""),
        ("hnsw.principal.times_exact", "The same at recall@10 0.99, to exact search in batches", LEAST, 20, "times"),
        ("hnsw.principal.build_minutes", "The same, built", MOST, 8, "min"),
        ("hnsw.principal.gb", "The same, memory with the vectors for rescoring", MOST, 2.5, "GB"),
    ),
    ("estimates", 31): (
        ("in_range", "Jobs of the browser tests that took as long as they were told to take", LEAST, 0.8, ""),
    ),
    ("memory", 30): (
        ("speed.write.p99_ms", "A fact written at 100,000, encoded and on the disk, p99", MOST, 20, "ms"),
        ("speed.read.p99_ms", "Five facts read at 100,000, the question encoded, p99", MOST, 10, "ms"),
        ("writers.lost", "Facts lost of four processes that write at once", MOST, 0, ""),
        ("forget.met_after", "Forgotten sentinels of 1,000 met by search, SQL, neighbours or bytes", MOST, 0, ""),
        ("lives.selective.current", "26 simulated weeks, five best facts of the store alone: current value", LEAST, 0.95, ""),
        ("lives.selective.stale", "The same, the first fact on the matter is an earlier value", MOST, 0.02, ""),
        ("lives.selective.cascade", "Derived facts answered anew after a change", LEAST, 0.6, ""),
        ("lives.share", "Facts that a selective memory holds, to one that adds all", MOST, 0.25, ""),
        ("lives.no_loss", "Its recall equals that within 2 points, or is higher", LEAST, 1, ""),
    ),
    ("", 12): (
        ("label_key_share", "Processor time of a label key, to what it was before", MOST, 0.5, ""),
    ),
    ("agents", 30): (
        ("calls.well_formed.value", "Calls of the bundled model that are well formed", LEAST, 1.0, ""),
        ("calls.well_formed.of", "Of so many calls", LEAST, 1000, ""),
        ("rule.effects_with", "Facts written by an engine that obeys all that it has read", MOST, 0, ""),
        ("kills.twice", "Calls that write made twice, of those of 100 runs killed at random", MOST, 0, ""),
        ("kills.wrong", "Of them not made, and not asked about", MOST, 0, ""),
        ("attacks.react.written", "Facts written by the bundled model as an agent under attack", MOST, 0, ""),
        ("sandbox.escaped", "Attempts that left the sandbox", MOST, 0, ""),
        ("sandbox.start_ms.median", "An empty program in the sandbox, median", MOST, 30, "ms"),
    ),
    ("articles", 30): (
        ("citations.citation_precision", "Articles: citation precision by entailment, mean", LEAST, 0.9, ""),
        ("citations.citation_recall", "Articles: citation recall by entailment, mean", LEAST, 0.9, ""),
        ("kills.twice", "Steps or texts done twice in 50 kills", MOST, 0, ""),
        ("at_once.lost", "Articles lost or unfinished of four writers at once", MOST, 0, ""),
    ),
}  # fmt: skip
PROMISES = [Promise(benchmark, issue, *row) for (benchmark, issue), rows in ROWS.items() for row in rows]

# of those that fall below: why, where it was looked into; a test asks it of each. No numbers: those change with the next run
WHY = {
    (
        "retrieval",
        "bm25_on_medquad.times_as_fast_one_by_one",
    ): "One question at a time takes bm25s, the library that scores, four times as long as one of a batch.",
    (
        "slider",
        "cascade_depth.p95_ms",
    ): "A third is Streamlit's script of the page, and a quarter of that the table of all questions; sending "
    "and drawing in the browser take the rest.",
    (
        "slider",
        "let_go.p95_ms",
    ): "As for the cascade; of so few moves the 95th percentile is one of the slowest, and the median holds.",
    (
        "startup",
        "encoders_first_visit_s.median",
    ): "Not looked into: the first visit of a process loads what this page alone uses.",
    (
        "store_scale",
        "paint_s",
    ): "The slowest visit is the first, on a cold database: many queries, none of them by itself the cause. The median holds.",
    ("store_scale", "filter_ms"): "The slowest of its repeats; the median holds.",
    ("store_scale", "leaderboard_ms"): "The slowest of its repeats; the median holds.",
    (
        "index",
        "required.call_overhead_single",
    ): "Our call takes some microseconds, for checks and the number of threads: much of the fastest "
    "search, little of the others.",
    (
        "index",
        "required.scratch_recall_lost",
    ): "Not looked into: the graph is written to be read, and the library's runs by default.",
    (
        "index_full",
        "required.hnsw_times_exact",
    ): "Over all numbers as floats a graph waits for memory, where exact search in batches is a "
    "product of matrices. Over principal directions in 8 bits it holds (`scale`).",
    (
        "generation",
        "required.page_share_of_bare",
    ): "A browser that draws the growing text takes the cores with which the model writes.",
    (
        "study",
        "to_bare_stages",
    ): "Beside the stages a trial is written to the journal and single questions are timed; with these a study "
    "takes less than their sum.",
    (
        "answerer",
        "",
    ): "A model of 135 million parameters with an adapter of at most 5 MB, which learnt from a seventh of SQuAD's training "
    "set: reading is what lacks, for the right passage alone does not help it much.",
    (
        "reader",
        "",
    ): "An encoder of 22 million parameters that learnt from the same questions, alone or with that model: reading is what "
    "lacks, as above.",
    ("serving", "spans.drawn.ms"): "All of it is processor time, of laying out the spans.",
    ("nodes", ""): "Both nodes stand on one machine and share its memory and caches; two machines were not at hand.",
    (
        "scale",
        "hnsw.float32.qps",
    ): "A thread waits for memory: each step of a search reads vectors of 1.5 kB from all over 1.5 GB. Over "
    "principal directions in 8 bits it holds.",
    ("memory", "speed.read.p99_ms"): "Encoding the question takes most of it: without the encoder it holds.",
    ("agents", "sandbox.start_ms.median"): "Python is started anew for each program, in namespaces of its own.",
}


def why(promise: Promise) -> str:
    """Why it falls below; "" where nobody has said it."""
    return WHY.get((promise.benchmark, promise.place)) or WHY.get((promise.benchmark, ""), "")


def spread(values: Iterable[float]) -> dict[str, float]:
    """What a benchmark writes at `spread` under the place of a figure, or a section at its own: of its repeats."""
    numbers = [float(value) for value in values]
    return Spread(len(numbers), min(numbers), median(numbers), max(numbers))._asdict()


def bounded(mean: Interval) -> dict[str, float | int | None]:
    """What a benchmark writes of a mean with its interval; `at` finds its value."""
    return {"value": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n}


def against(benchmark: str, name: str, value: float) -> dict:
    """A required figure beside its limit, as docs/measurements.md shows it."""
    place = f"required.{name}"
    promise = next(p for p in PROMISES if p.place == place and p.benchmark in (benchmark, f"{benchmark}_full"))
    return {"value": value, "at_least" if promise.direction == LEAST else "at_most": promise.limit, "met": holds(promise, value)}


def holds(promise: Promise, value: float) -> bool:
    return value >= promise.limit if promise.direction == LEAST else value <= promise.limit


def at(place: str, result: Any) -> float | None:
    """The number at a dotted place; None where there is none."""
    for key in place.split("."):
        result = result.get(key) if isinstance(result, Mapping) else None
    result = result.get("value") if isinstance(result, Mapping) else result
    number = isinstance(result, int | float) and not isinstance(result, bool) and isfinite(result)
    return result if number else None


def verdict(promise: Promise, result: Mapping | None) -> Verdict:
    """What the results of its benchmark say of a promise."""
    result = result or {}
    figure = at(promise.place, result)
    return Verdict(promise, figure, _repeats(promise.place, result), None if figure is None else holds(promise, figure))


def _repeats(place: str, result: Mapping) -> Spread | None:
    """Behind a figure: at the `spread` of all that was measured, or of the section that the figure is of."""
    section, _, inner = place.partition(".")
    for of, key in ((result, place), (result.get(section), inner)):
        spreads = of.get("spread") if isinstance(of, Mapping) else None
        if isinstance(spreads, Mapping) and key in spreads:
            return Spread(**spreads[key])
    return None


def verdicts(result: Mapping | None, benchmark: str) -> list[Verdict]:
    return [verdict(promise, result) for promise in PROMISES if promise.benchmark == benchmark]


def history(folder: Path = RESULTS) -> list[dict]:
    """Every run, oldest first."""
    path = folder / HISTORY
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
