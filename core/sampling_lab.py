"""The sampling lab's verbs: a prompt's next token under a chain of steps, answers written by it, and a study of chains.

The model's logits are kept by prompt and by what was written behind it, so that a changed chain runs the model only where
it leads to tokens that were not written before. A chain is written in one line, as the command line and the address of the
page take it: "top_k=40 top_p=0.95 temperature=0.8", where a value without a name is the step's first setting.
"""

import codecs
import json
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PartConfig, TrialConfig, code_version, fingerprint
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.generation import diversity
from core.generation.prompt import CITATION, build
from core.generation.protocol import finished
from core.generation.sampling.filters import STEPS, History, Step, chain
from core.generation.sampling.trace import AnswerTrace, Pick, force, sample, trace_answer
from core.generation.support import support
from core.records import Corpus, Hit, Progress, Query
from core.statistics.bootstrap import Interval
from core.workbench import Workbench, receipt

KEPT = 512  # logits of one prompt, some 200 kB each
ALTERNATIVES = 8
THRESHOLD = 0.9  # cosine from which two answers count as one cluster
EVERYTHING = "none"  # the chain without steps: the model's own distribution
MEASURES = {  # -> (in words, unit, +1: more is better or more diverse, what it is)
    "distinct_1": ("Distinct words", "", +1, "Distinct words over words, all samples of a question together (distinct-1)."),
    "distinct_2": ("Distinct word pairs", "", +1, "Distinct pairs of words over pairs (distinct-2)."),
    "self_bleu": ("Self-BLEU", "", -1, "BLEU of each sample with the others as references: high where all say the same."),
    "cluster_entropy": ("Embedding-cluster entropy", "nats", +1, "Entropy over clusters of near embeddings. Not semantic entropy, "
                        "which asks an entailment model whether two answers mean the same."),
    "f1": ("F1", "", +1, "SQuAD's F1 with the nearest gold answer, mean over the samples."),
    "em": ("Exact match", "", +1, "Share of samples equal to a gold answer, as SQuAD normalises them."),
    "tokens": ("Length", "tokens", 0, "Tokens of an answer, mean over the samples."),
}  # fmt: skip
DIVERSITY, QUALITY = ("distinct_2", "distinct_1", "self_bleu", "cluster_entropy"), ("f1", "em")
PRESETS = {
    "Deterministic": "greedy",
    "Model itself": EVERYTHING,
    "llama.cpp": "top_k=40 top_p=0.95 min_p=0.05 temperature=0.8",  # its defaults, in its order
    "Cautious": "temperature=0.2 top_p=0.9",  # of SmolLM2's model card
    "Nucleus": "top_p=0.95",
    "Creative": "temperature=1.5 min_p=0.1",
    "Mirostat": "mirostat=3",
}
RANDOM = {"temperature": (0.3, 1.6), "top_k": (3, 200), "top_p": (0.5, 0.99), "min_p": (0.01, 0.3), "typical": (0.3, 0.99),
          "repetition": (1.05, 1.5), "frequency": (0.1, 1.0), "presence": (0.1, 1.0)}  # fmt: skip


# Chains --------------------------------------------------------------------------------------------------------------


def read_chain(text: str) -> tuple[Step, ...]:
    """Steps from one line: "top_k=40 repetition=1.2,last_tokens=64 temperature=0.8"; "none" for no step."""
    words = [] if text.strip() in ("", EVERYTHING) else text.split()
    return chain([_step(word) for word in words])


def _step(word: str) -> dict[str, Any]:
    head, *rest = word.split(",")
    part, equals, value = head.partition("=")
    if part not in STEPS:
        raise WorkbenchError(f"There is no sampling step '{part}'.", where=word, todo=f"Steps: {', '.join(STEPS)}.")
    given: dict[str, Any] = {"part": part}
    if equals:
        given[next((name for name in STEPS[part].model_fields if name != "part"), "value")] = value
    return given | dict(one.partition("=")[::2] for one in rest)


def write_chain(steps: Iterable[Step]) -> str:
    """The line that `read_chain` reads: the first setting of each step, and what differs from its defaults."""
    words = []
    for step in steps:
        first, *rest = [*(name for name in type(step).model_fields if name != "part"), ""]
        changed = [
            f"{k}={getattr(step, k)}" for k in rest if k and getattr(step, k) != type(step).model_fields[k].default
        ]
        words.append(",".join([f"{step.part}={getattr(step, first)}" if first else step.part, *changed]))
    return " ".join(words) or EVERYTHING


def describe_chain(steps: Iterable[Step]) -> str:
    """For people: "top-k 40 › temperature 0.8"."""
    names = {"top_k": "top-k", "top_p": "top-p", "min_p": "min-p"}
    told = []
    for step in steps:
        first = next((name for name in type(step).model_fields if name != "part"), None)
        told.append(names.get(step.part, step.part) + (f" {getattr(step, first):g}" if first else ""))
    return " › ".join(told) or "the model itself"


def random_chain(seed: int) -> tuple[Step, ...]:
    """Two to four different steps in random order, with settings in ranges in which they do something."""
    rng = np.random.default_rng(seed)
    found = []
    for part in rng.permutation(list(RANDOM))[: rng.integers(2, 5)].tolist():
        low, high = RANDOM[part]
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
        found.append(f"{part}={round(value) if part == 'top_k' else round(value, 2)}")
    return read_chain(" ".join(found))


def presets(workbench: Workbench) -> dict[str, str]:
    """Name -> chain in one line: those above, then the saved ones."""
    path = workbench.home / "chains.json"
    try:
        saved = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return PRESETS | {str(name): write_chain(read_chain(text)) for name, text in saved.items()}
    except (OSError, ValueError, AttributeError):
        raise WorkbenchError(
            "The saved chains cannot be read.", where=str(path), todo="Mend the file, or remove it."
        ) from None


def save_preset(workbench: Workbench, name: str, steps: Sequence[Step]) -> None:
    name = " ".join(name.split())
    if not name or name in PRESETS:
        raise WorkbenchError(f"'{name}' is the name of a preset." if name else "The chain needs a name.",
                             todo="Choose another name.")  # fmt: skip
    path = workbench.home / "chains.json"
    saved = {key: text for key, text in presets(workbench).items() if key not in PRESETS}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".chains.{os.getpid()}.tmp")
    fresh.write_text(json.dumps(saved | {name: write_chain(steps)}, ensure_ascii=False, indent=1), "utf-8")
    fresh.replace(path)


# A prompt and its logits ---------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """A prompt as the model reads it. key: identity of model and prompt."""

    prompt: Any  # llama_engine.Read
    messages: list[dict[str, str]]  # the same for engines that take messages
    hits: tuple[Hit, ...]  # passage n of the prompt is hits[n - 1]
    key: str


def reading(workbench: Workbench, config: TrialConfig, text: str, manner: str = "question") -> Reading:
    """manner: "question" over the passages that the recipe finds, "message" to the model alone, "text" to be continued."""
    part = config.generation
    if not hasattr(part, "next_logits"):
        raise WorkbenchError(f"The engine {part.part} does not hand out the probabilities of all tokens.",
                             where="generation.part", todo="Choose llama_cpp under Generation.")  # fmt: skip
    if not text.strip():
        raise WorkbenchError("The prompt is empty.", todo="Type a text, or choose a question.")
    key = fingerprint(config, part.identity(), workbench.corpus(config).fingerprint, text, manner)
    return workbench.pipeline.remember("reading", key, lambda: _reading(workbench, config, text, manner))


def _reading(workbench: Workbench, config: TrialConfig, text: str, manner: str) -> Reading:
    part, hits, messages = config.generation, (), [{"role": "user", "content": text}]
    if manner == "question":
        made = build(text, workbench.search(config, text), config.context, part.count_tokens)
        hits, messages = made.used, made.messages
    prompt = _continued(part.load(), text) if manner == "text" else part.read(messages)
    return Reading(prompt, messages, hits, fingerprint(part.identity(), prompt.tokens, prompt.ends))


def _continued(engine: Any, text: str) -> Any:
    """The text as it is, without the marks of a chat."""
    from core.generation.llama_engine import PIECE, Read

    tokens = engine.llama.tokenize(text.encode("utf-8", "replace"), add_bos=True, special=False)
    return Read(text, tokens, [*range(PIECE, len(tokens), PIECE), len(tokens)])


def next_logits(config: TrialConfig, reading: Reading, memory: dict[tuple, np.ndarray]) -> Callable[..., np.ndarray]:
    """tokens -> logits [vocab] float32 of the one that follows; the model runs only for what `memory` does not hold."""
    size = len(reading.prompt.tokens)

    def asked(tokens: Sequence[int]) -> np.ndarray:
        written = tuple(tokens[size:])
        found = memory.get(written)
        if found is None:
            if len(memory) >= KEPT:
                memory.pop(next(iter(memory)), None)
            found = memory[written] = config.generation.next_logits(reading.prompt, written)
        return found

    return asked


def remembered(workbench: Workbench, reading: Reading) -> dict[tuple, np.ndarray]:
    """The logits of this prompt that are at hand: written tokens -> [vocab]."""
    return workbench.pipeline.remember("logits", reading.key, dict)


def first_logits(workbench: Workbench, config: TrialConfig, reading: Reading) -> np.ndarray:
    """Logits of the answer's first token."""
    return next_logits(config, reading, remembered(workbench, reading))(reading.prompt.tokens)


def token_texts(config: TrialConfig, tokens: Iterable[int]) -> list[str]:
    engine = config.generation.load()
    return [engine._text_of(int(token)) for token in tokens]


# An answer -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """An answer token by token. reason: stop, length, or stopped (by the reader)."""

    reading: Reading
    steps: tuple[Step, ...]
    seed: int
    picks: tuple[Pick, ...]
    pieces: tuple[str, ...]  # text of each token, together the answer; "" for the end and for halves of a character
    reason: str
    seconds: float
    first_s: float
    ran: int  # so many times the model ran; the logits of the other tokens were at hand

    @cached_property
    def text(self) -> str:
        return "".join(self.pieces)

    @cached_property
    def traced(self) -> AnswerTrace:
        """Under the model itself, whatever the chain was."""
        logits = np.array([pick.logits for pick in self.picks]) if self.picks else np.zeros((0, 1))
        return trace_answer(logits, [pick.token for pick in self.picks], ALTERNATIVES)

    @property
    def tokens_per_s(self) -> float | None:
        rest = self.seconds - self.first_s
        return (len(self.picks) - 1) / rest if len(self.picks) > 1 and rest > 0 else None


def write(
    workbench: Workbench, config: TrialConfig, reading: Reading, steps: Sequence[Step], *, seed: int, max_tokens: int,
    after: Written | None = None, at: int = 0, token: int = 0, memory: dict[tuple, np.ndarray] | None = None,
) -> Generator[str, None, Written]:  # fmt: skip
    """Yields pieces of text. With `after`, its tokens before place `at` stand, `token` comes next, the rest is written anew."""
    part = config.generation
    room = part.context_tokens - len(reading.prompt.tokens)
    if room < 1:
        raise WorkbenchError(f"The prompt has {len(reading.prompt.tokens):,} tokens, and prompt and answer have room for "
                             f"{part.context_tokens:,}.", todo="Raise generation.context_tokens, or shorten the prompt.")  # fmt: skip
    memory = remembered(workbench, reading) if memory is None else memory
    engine, asked, before = part.load(), next_logits(config, reading, memory), len(memory)
    stop, most = _ends(workbench, part, engine), min(max_tokens, room)
    if after is None:
        start = History(tuple(reading.prompt.tokens), len(reading.prompt.tokens))
        picking = sample(asked, start, steps, max_tokens=most, seed=seed, stop=stop)
    else:
        picking = force(asked, after.picks, at, token, steps, max_tokens=max(most, at + 1), seed=seed, stop=stop)
    picks, pieces, started, first_s = [], [], time.perf_counter(), 0.0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be spread over several tokens
    while True:
        try:
            pick = next(picking)
        except StopIteration as end:
            seconds = time.perf_counter() - started
            return Written(reading, tuple(steps), seed, tuple(picks), tuple(pieces), end.value, seconds, first_s,
                           len(memory) - before)  # fmt: skip
        first_s = first_s or time.perf_counter() - started
        picks.append(pick)
        pieces.append("" if pick.token in stop else decoder.decode(engine._bytes_of(pick.token)))
        yield pieces[-1]


def _ends(workbench: Workbench, part: PartConfig, engine: Any) -> frozenset[int]:
    """Every token that ends an answer."""
    return workbench.pipeline.remember("ends", part.identity(), lambda: frozenset(
        token for token in range(engine.llama.n_vocab()) if engine._ends(token)))  # fmt: skip


class Sentence(NamedTuple):
    """A sentence of an answer: how sure the model was of it, and the passage whose words it repeats most."""

    text: str
    passage: int | None  # from 1; None: no passage was given, or none shares a word sequence
    containment: float
    probability: float  # geometric mean over its tokens, under the model itself
    least: int  # place of its least probable token


def sentences(written: Written) -> list[Sentence]:
    ends = np.cumsum([len(piece) for piece in written.pieces])
    starts, traced, found = ends - [len(piece) for piece in written.pieces], written.traced, []
    whole = support(written.text, written.reading.hits) or support(written.text, [_nothing(written.text)])
    for one in whole:
        inside = np.flatnonzero((ends > one.start) & (starts < one.end))
        logprobs = traced.logprob[inside]
        passage = one.passage if written.reading.hits and one.containment > 0 else None
        found.append(Sentence(written.text[one.start : one.end], passage, one.containment if passage else 0.0,
                              float(np.exp(logprobs.mean())), int(inside[np.argmin(logprobs)])))  # fmt: skip
    return found


def _nothing(text: str) -> Hit:
    return Hit(1, 0.0, "", "", 0, 0, text)


# Side by side --------------------------------------------------------------------------------------------------------


class Side(NamedTuple):
    """One setting or engine on the prompt. None: unmeasured. problem: why there is no answer."""

    name: str
    about: str
    text: str = ""
    reason: str = ""
    tokens: int | None = None
    first_ms: float | None = None
    tokens_per_s: float | None = None
    perplexity: float | None = None
    problem: str = ""


def side_by_side(
    workbench: Workbench, config: TrialConfig, reading: Reading, wanted: Sequence[tuple[str, Sequence[Step] | PartConfig]],
    max_tokens: int,
) -> Generator[Progress, None, list[Side]]:  # fmt: skip
    """One after another, so that they do not slow each other. wanted: (name, a chain, or an engine with its own sampling)."""
    found = []
    for done, (name, what) in enumerate(wanted):
        yield Progress(done, len(wanted), name)
        if isinstance(what, PartConfig):
            working, about = _engine_side(what, reading, config.seed), what.part.replace("_", " ")
        else:
            working, about = _chain_side(workbench, config, reading, what, max_tokens), describe_chain(what)
        try:
            while True:
                try:
                    next(working)
                except StopIteration as end:
                    found.append(end.value._replace(name=name, about=about))
                    break
                yield Progress(done, len(wanted), name)
        except WorkbenchError as error:
            found.append(Side(name, about, problem=" ".join(filter(None, (error.what, error.todo)))))
    return found


def _chain_side(workbench: Workbench, config: TrialConfig, reading: Reading, steps: Sequence[Step], max_tokens: int):
    # nothing remembered: the speed is that of the model
    written = yield from write(workbench, config, reading, steps, seed=config.seed, max_tokens=max_tokens, memory={})
    text, reason = finished(written.text, written.reason)
    return Side(
        "",
        "",
        text,
        reason,
        len(written.picks),
        1000 * written.first_s,
        written.tokens_per_s,
        written.traced.perplexity,
    )


def _engine_side(part: PartConfig, reading: Reading, seed: int):
    made = yield from part.generate(reading.messages, seed)
    writing_s = (made.generation_ms - made.first_token_ms) / 1000
    speed = (made.answer_tokens - 1) / writing_s if (made.answer_tokens or 0) > 1 and writing_s > 0 else None
    problem = made.finish_reason.removeprefix("failed: ") if made.finish_reason.startswith("failed") else ""
    return Side("", "", made.text, made.finish_reason, made.answer_tokens, made.first_token_ms, speed, None, problem)


def engines(config: TrialConfig) -> dict[str, PartConfig]:
    """Every engine with its own sampler; the recipe's own with its settings."""
    return {name: config.generation if config.generation.part == name else cls()
            for name, cls in registry.parts("generator").items()}  # fmt: skip


# The study -----------------------------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """What n samples a question gave under one chain; intervals over questions."""

    chain: str
    measures: dict[str, Interval]
    questions: int
    tokens_per_s: float | None


def asked(corpus: Corpus, questions: int) -> list[Query]:
    """So many questions that have a gold answer, spread evenly over the corpus."""
    there = [query for query in corpus.queries if query.answerable and query.answers]
    return (
        [there[i] for i in np.linspace(0, len(there) - 1, min(questions, len(there))).round().astype(int)]
        if there
        else []
    )


def ground(config: TrialConfig, corpus: Corpus, samples: int, questions: int) -> str:
    """Settings that share it answered the same questions over the same passages with the same model."""
    recipe = config.model_dump(mode="json", exclude={"evaluation": True, "generation": True})
    limits = [getattr(config.generation, name, None) for name in ("max_tokens", "context_tokens", "stop")]
    ids = [query.id for query in asked(corpus, questions)]
    return fingerprint(recipe, limits, config.generation.identity(), corpus.fingerprint, samples, ids,
                       code_version("generation", "generation/sampling"))  # fmt: skip


def study(
    workbench: Workbench, config: TrialConfig, chains: Sequence[str], samples: int = 5, questions: int = 20,
    threshold: float = THRESHOLD,
) -> Generator[Progress, None, list[Setting]]:  # fmt: skip
    """Draws and stores `samples` answers a question and chain, then measures them. What is stored already is not drawn again.

    Sample i of every chain has the same seed, so that chains differ only where they choose differently.
    """
    chains = list(dict.fromkeys(write_chain(read_chain(text)) for text in chains))
    if not chains or samples < 1 or questions < 1:
        raise WorkbenchError("A study needs a chain, a sample and a question at least.")
    corpus = yield from workbench.pipeline.corpus(config)
    queries = asked(corpus, questions)
    if not queries:
        raise WorkbenchError(f"'{corpus.name}' has no questions with gold answers, so quality cannot be measured.",
                             todo="Add a questions file with answers, or compare chains side by side.")  # fmt: skip
    here = ground(config, corpus, samples, questions)
    known = {(row["chain"], row["query_id"]) for row in workbench.store.query(
        "SELECT DISTINCT chain, query_id FROM samples WHERE ground = ?", [here])}  # fmt: skip
    total, done = len(queries) * len(chains), 0
    for (
        query
    ) in queries:  # all chains on one question: its prompt is read once, and they share the logits of common starts
        memory: dict[tuple, np.ndarray] = {}
        for text in chains:
            if (text, query.id) not in known:
                yield from _draw(
                    workbench, config, corpus, query, text, samples, here, memory, Progress(done, total, query.text)
                )
            done += 1
    return (yield from results(workbench, config, samples, questions, threshold))


def _draw(
    workbench: Workbench, config: TrialConfig, corpus: Corpus, query: Query, text: str, samples: int, here: str,
    memory: dict[tuple, np.ndarray], step: Progress,
) -> Generator[Progress, None, None]:  # fmt: skip
    yield step
    prompt, steps, drawn = reading(workbench, config, query.text), read_chain(text), []
    for number in range(samples):
        working = write(workbench, config, prompt, steps, seed=config.seed + number, memory=memory,
                        max_tokens=getattr(config.generation, "max_tokens", 200))  # fmt: skip
        while True:
            try:
                next(working)
            except StopIteration as end:
                drawn.append(_sample(end.value))
                break
            yield step
    workbench.store.add("samples", {
        "ground": here, "dataset": corpus.name, "query_id": query.id, "question": query.text, "answers": list(query.answers),
        "chain": text, "steps": [one.model_dump(mode="json") for one in steps], "samples": drawn, "prompt": prompt.prompt.text,
        "config": config.model_dump(mode="json"), **receipt(config),
        "fingerprints": {"corpus": corpus.fingerprint, "generator": config.generation.identity()},
    })  # fmt: skip


def _sample(written: Written) -> dict[str, Any]:
    text, reason = finished(written.text, written.reason)
    return {"seed": written.seed, "text": text, "finish_reason": reason, "tokens": [pick.token for pick in written.picks],
            "logprob": sum(pick.logprob for pick in written.picks), "generation_ms": 1000 * written.seconds,
            "model_runs": written.ran}  # fmt: skip


def results(
    workbench: Workbench, config: TrialConfig, samples: int = 5, questions: int = 20, threshold: float = THRESHOLD
) -> Generator[Progress, None, list[Setting]]:
    """What is stored of such a study, chain by chain; the measures are computed from the answers each time."""
    corpus = yield from workbench.pipeline.corpus(config)
    rows = workbench.store.query(
        """SELECT chain, query_id, any_value(answers) AS answers, list(text ORDER BY number) AS texts,
           avg(answer_tokens) AS tokens, sum(answer_tokens) AS written, sum(model_runs) AS runs, sum(generation_ms) AS ms
           FROM (SELECT DISTINCT ON (chain, query_id, number) * FROM samples WHERE ground = ?) GROUP BY ALL
           ORDER BY chain, query_id""", [ground(config, corpus, samples, questions)])  # fmt: skip
    texts = sorted({text for row in rows for text in row["texts"] if text})
    vectors = dict(zip(texts, (yield from _embedded(workbench, config, corpus, texts)), strict=True))
    found = []
    for text in dict.fromkeys(row["chain"] for row in rows):
        mine = [row for row in rows if row["chain"] == text]
        rules = config.evaluation
        table = [measures(row["texts"], row["answers"], row["tokens"], vectors, threshold) for row in mine]
        whole = diversity.summary(table, rules.resamples, rules.confidence, config.seed)
        runs, ms = sum(row["runs"] for row in mine), sum(row["ms"] for row in mine)
        found.append(Setting(text, whole, len(mine), 1000 * runs / ms if runs and ms else None))
    return found


def _embedded(workbench: Workbench, config: TrialConfig, corpus: Corpus, texts: list[str]):
    if not texts:
        return []
    encoder = yield from workbench.pipeline.encoder(config, corpus)
    return (yield from embed(encoder, texts, workbench.pipeline.vectors_folder))


def measures(
    texts: Sequence[str], answers: Sequence[str], tokens: float, vectors: dict[str, np.ndarray], threshold: float
) -> dict[str, float]:
    """Of the samples of one question. An empty answer has quality 0; citations are no part of an answer's words."""
    said = [CITATION.sub(" ", text) for text in texts]
    there = [vectors[text] for text in texts if text]
    several = len(texts) > 1
    return {
        "distinct_1": diversity.distinct_n(said, 1) if several else math.nan,
        "distinct_2": diversity.distinct_n(said, 2) if several else math.nan,
        "self_bleu": diversity.self_bleu(said),
        "cluster_entropy": diversity.embedding_entropy_nats(np.array(there), threshold) if several and there else math.nan,
        "f1": float(np.mean([diversity.answer_f1(text, answers) for text in said])),
        "em": float(np.mean([diversity.answer_em(text, answers) for text in said])),
        "tokens": float(tokens),
    }  # fmt: skip


def rows(settings: Iterable[Setting]) -> list[dict[str, Any]]:
    """Settings as plain rows, for tables and files."""
    found = []
    for one in settings:
        numbers = {key: value for name, i in one.measures.items()
                   for key, value in ((name, i.mean), (f"{name}_low", i.low), (f"{name}_high", i.high))}  # fmt: skip
        found.append({"chain": one.chain, "questions": one.questions, **numbers, "tokens_per_s": one.tokens_per_s})
    return found
