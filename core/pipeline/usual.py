"""What work takes of which nothing has run on this machine yet: by work that is like it, else by what two cores took.

Wide on purpose: idle and busy, over usual settings. As soon as it has run here, its own times take the place of these.
"""

from collections.abc import Sequence
from typing import Any

from core.config import PartConfig, fingerprint
from core.embedding.minilm import MiniLM
from core.pipeline.speed import Estimate, Rough, Speeds, rough

BEGIN_S = 0.1, 20.0  # libraries and models loaded, the corpus opened
READING = (
    (1.0, 20_000.0),
    (6.0, 2_500.0),
)  # seconds to load MiniLM, weights a second: cores with bf16 units, cores without and busy
# a token takes the bundled model as many multiplications as ten take MiniLM: 106 million parameters beside 10.6 million, without the
# tables of words; an answer takes a prompt's time, and as much to be written
TIMES_ENCODER, ANSWER_TOKENS, NOT_QUITE, LARGER = 10, 600, 4.0, 40.0
FETCHED_S, CONVERTED_S = (
    Rough(5.0, 1800.0),
    Rough(20.0, 900.0),
)  # a model from the network; its file converted, and the model asked
BUILT_S = 2e-5, 5e-3  # a vector into an index
FEW, FEW_TIMES = 8, 2.0  # fewer texts are written side by side less well, and each takes up to so many times
SERVICE_S = 0.5, 20.0  # that a service takes to an answer
USUAL = {  # verb -> seconds a unit of its forecasts, least and most
    "adapter-data": (0.5, 30.0),  # a question, or the examples of a corpus
    "agents attack": (2.0, 30.0),  # an answer of a run
    "agents compare": (5.0, 120.0),  # a question, of every way
    "agents observe": (2.0, 30.0),
    "agents repeat": (5.0, 120.0),
    "agents replay": (2.0, 40.0),  # a step of the run
    "agents searches": (2.0, 30.0),
    "annotate pull": (1.0, 60.0),
    "annotate push": (0.05, 2.0),  # an item
    "articles decide": (0.5, 30.0),  # a sentence
    "articles gate": (0.2, 3.0),  # a summary
    "articles publish": (0.2, 5.0),  # a claim
    "articles write": (3.0, 240.0),
    "chain-of-thought": (0.3, 6.0),  # a text
    "contamination": (3.0, 60.0),  # a question, asked in each way
    "convert-model": (20.0, 180.0),
    "download": (2.0, 300.0),  # a file
    "encoders-compare": (0.001, 0.05),  # a question
    "encoders-map": (0.005, 0.05),  # a chunk
    "encoders-trade-off": (0.2, 5.0),  # a point
    "answer-set": (0.5, 20.0),  # an answer
    "failures": (0.5, 20.0),
    "export": (1.0, 20.0),  # an item
    "export-onnx": (5.0, 180.0),
    "experiment export": (0.05, 2.0),  # a trial
    "experiment open": (1.0, 60.0),
    "forgetting": (0.1, 5.0),  # a reading
    "index-cost": (0.02, 5.0),  # a setting
    "index-filters": (2.0, 60.0),
    "index-forecast": (0.002, 0.05),  # a text
    "index-point": (1.0, 30.0),
    "index-life": (1.0, 20.0),  # a round
    "index-switch": (3.0, 60.0),
    "index-sweep": (0.1, 15.0),  # a setting
    "ingest-received": (0.05, 120.0),
    "inside-attention": (2.0, 20.0),
    "inside-cache": (0.3, 10.0),  # 32 tokens read
    "inside-library": (0.05, 1.0),  # a token
    "judge": (0.02, 5.0),  # a score
    "judge-bias": (1.0, 30.0),  # a judgement
    "latency": (0.005, 1.0),  # a question
    "likelihood": (0.3, 10.0),  # a passage
    "measure-engine": (60.0, 600.0),
    "memory forget": (0.005, 0.2),  # a megabyte of files, read twice
    "memory simulate": (60.0, 600.0),  # a life
    "noise-budget": (0.0005, 0.01),  # a value
    "paper check": (0.5, 20.0),  # an item
    "rag-ablation": (5.0, 90.0),  # a question, of every variant
    "review": (1.0, 30.0),  # a judgement
    "run": (0.02, 3.0),  # a question
    "sample-compare": (0.01, 0.5),  # a token
    "sample-search": (0.02, 1.0),
    "sample-write": (0.005, 0.3),
    "sample-study": (0.5, 10.0),  # an answer
    "scaling": (2.0, 120.0),  # a training
    "score-answers": (0.02, 5.0),  # a score
    "serving canaries": (0.02, 3.0),  # a question
    "serving compare-arms": (0.5, 20.0),  # an answer
    "serving publish": (0.5, 20.0),  # an answer
    "serving quality": (0.5, 20.0),  # an answer
    "serving rerun": (0.5, 20.0),  # an answer
    "stores answers": (8.0, 600.0),
    "stores contention": (30.0, 300.0),
    "stores kill": (30.0, 300.0),
    "stores measure": (60.0, 400.0),
    "study": (0.3, 20.0),  # a trial
    "systems ask": (0.2, 20.0),  # a question
    "systems compare": (0.5, 20.0),  # an answer
    "tokenizers-compare": (0.2, 10.0),  # a tokenizer
    "train-classifier": (2.0, 60.0),  # an epoch
    "train-encoder": (0.01, 1.0),  # a question read in a step
    "train-moe": (0.05, 2.0),  # a step of a layer
    "train-reader": (5.0, 120.0),
    "train-reward": (5.0, 120.0),
    "train-tagger": (5.0, 120.0),
    "train-tokenizer": (1.0, 60.0),
    "verify-paper": (2.0, 60.0),
}


def usual(verb: str, units: float) -> Rough | None:
    """Roughly; None of a verb that no page asks a price of, or where its amount is not told."""
    if not units or verb not in USUAL:
        return None
    return Rough(*(begin + units * each for begin, each in zip(BEGIN_S, USUAL[verb], strict=True)))


def usual_build(vectors: int) -> Rough:
    """Of an index that is built here for the first time."""
    return Rough(*(begin + vectors * each for begin, each in zip((0.5, 5.0), BUILT_S, strict=True)))


def reading_time(speeds: Speeds, work: float) -> Rough:
    """Seconds in which the bundled encoder reads texts of this weight, by which other reading is told."""
    seconds = speeds.time(work, MiniLM().identity())
    return rough(seconds, 1.0) if seconds else Rough(*(load + work / rate for load, rate in READING))


def tokens_time(speeds: Speeds, model: str, tokens: float) -> Rough:
    """What so many tokens take a model of this machine that never wrote here, by the bundled encoder, which reads every corpus."""
    seconds = reading_time(speeds, tokens * TIMES_ENCODER)
    smaller, larger = (1.0, NOT_QUITE) if model == "bundled" else (NOT_QUITE, LARGER)
    return Rough(seconds.low / smaller, seconds.high * larger)


def writing_time(speeds: Speeds, part: PartConfig, number: int) -> Estimate:
    """What so many texts of a generator take: by those that it wrote here before, at best with the same settings, else roughly."""
    if seconds := written_time(speeds, number, writing_names(part.usable())):
        return seconds
    return (
        tokens_time(speeds, part.model, number * ANSWER_TOKENS) if part.local else Rough(*(number * each for each in SERVICE_S))
    )


def written_time(speeds: Speeds, number: int, names: Sequence[str]) -> Estimate | None:
    """What so many take by those that were written here under these names; None of none."""
    seconds = speeds.time(number, *names)
    return seconds if not seconds or number >= FEW else type(seconds)(seconds.low, seconds.high * FEW_TIMES)


def writing_names(part: PartConfig, *way: Any) -> list[str]:
    """By which its texts are timed: as it is set, then any settings of engine and model, then any engine of the model. way: what else
    says how it is asked, where an answer takes other than one text of it."""
    about = (part.identity(), part.model_dump(mode="json")), (part.part, part.model), (part.model,)
    return [fingerprint("answers", *way, *each) for each in about]
