"""The sampling lab's verbs: a prompt's next token under a chain of steps, answers written by it, and a study of chains.

The model's logits are kept by prompt and by what was written behind it, so that a changed chain runs the model only where
it leads to tokens that were not written before. A chain is written in one line, as the command line and the address of the
page take it: "top_k=40 top_p=0.95 temperature=0.8", where a value without a name is the step's first setting.
"""

import json
import math
import os
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PartConfig, TrialConfig, code_version, fingerprint, valid
from core.context.prompt import CITATION, build
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.generation.answer import beside, loaded
from core.generation.protocol import Read, finished
from core.judging import diversity
from core.judging.containment import support
from core.records import Corpus, Hit, Progress, Query
from core.sampling.filters import STEPS, Step, chain
from core.sampling.search import SEARCHES, ContrastiveStep, beam_search, contrastive_search, torch_states
from core.sampling.writing import Memory, Written, next_logits, rate, room, write
from core.statistics.bootstrap import Interval
from core.statistics.corrections import holm
from core.statistics.paired import Paired, paired_difference
from core.workbench import Workbench, receipt

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
RANDOM = {
    "temperature": (0.3, 1.6),
    "top_k": (3, 200),
    "top_p": (0.5, 0.99),
    "min_p": (0.01, 0.3),
    "typical": (0.3, 0.99),
    "repetition": (1.05, 1.5),
    "frequency": (0.1, 1.0),
    "presence": (0.1, 1.0),
}


# Chains --------------------------------------------------------------------------------------------------------------


def read_chain(text: str) -> tuple[Step, ...]:
    """Steps from one line: "top_k=40 repetition=1.2,last_tokens=64 temperature=0.8"; "none" for no step."""
    words = [] if text.strip() in ("", EVERYTHING) else text.split()
    return chain([_step(word) for word in words])


def _step(word: str, known: Mapping[str, type] = STEPS) -> dict[str, Any]:
    head, *rest = word.split(",")
    part, equals, value = head.partition("=")
    if part not in known:
        raise WorkbenchError(f"There is no sampling step '{part}'.", where=word, todo=f"Steps: {', '.join(known)}.")
    given: dict[str, Any] = {"part": part}
    if equals:
        given[next((name for name in known[part].model_fields if name != "part"), "value")] = value
    return given | dict(one.partition("=")[::2] for one in rest)


def read_search(text: str) -> PartConfig:
    """A search from its line, "beam=4,length_penalty=0.5" or "contrastive=4"; `write_chain` writes it."""
    given = _step(text, SEARCHES)
    return valid(SEARCHES[given["part"]], given)


def write_chain(steps: Iterable[Step]) -> str:
    """The line that `read_chain` reads: the first setting of each step, and what differs from its defaults."""
    words = []
    for step in steps:
        first, *rest = [*(name for name in type(step).model_fields if name != "part"), ""]
        changed = [f"{k}={getattr(step, k)}" for k in rest if k and getattr(step, k) != type(step).model_fields[k].default]
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
    except (OSError, ValueError, AttributeError, RecursionError, WorkbenchError):
        raise WorkbenchError("The saved chains cannot be read.", where=str(path), todo="Mend the file, or remove it.") from None


def save_preset(workbench: Workbench, name: str, steps: Sequence[Step]) -> None:
    name = " ".join(name.split())
    if not name or name in (*PRESETS, "This chain"):
        raise WorkbenchError(
            f"'{name}' is the name of a preset." if name else "The chain needs a name.", todo="Choose another name."
        )
    path = workbench.home / "chains.json"
    saved = {key: text for key, text in presets(workbench).items() if key not in PRESETS}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".chains.{os.getpid()}.tmp")
    fresh.write_text(json.dumps(saved | {name: write_chain(steps)}, ensure_ascii=False, indent=1), "utf-8")
    fresh.replace(path)


# A prompt and its logits ---------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """A prompt as the model reads it. key: identity of model and prompt."""

    prompt: Read
    messages: list[dict[str, str]]  # the same for engines that take messages
    hits: tuple[Hit, ...]  # passage n of the prompt is hits[n - 1]
    key: str


def reading(workbench: Workbench, config: TrialConfig, text: str, manner: str = "question") -> Reading:
    """manner: "question" over the passages that the recipe finds, "message" to the model alone, "text" to be continued."""
    part = config.generation
    if not part.local:
        raise WorkbenchError(
            f"The engine {part.part} does not hand out the probabilities of all tokens.",
            where="generation.part",
            todo="Choose llama_cpp or transformers under Generation.",
        )
    if not text.strip():
        raise WorkbenchError("The prompt is empty.", todo="Type a text, or choose a question.")
    key = fingerprint(config, part.identity(), workbench.corpus(config).fingerprint, text, manner)
    return workbench.pipeline.remember("reading", key, lambda: _reading(workbench, config, text, manner))


def _reading(workbench: Workbench, config: TrialConfig, text: str, manner: str) -> Reading:
    part, hits, messages = config.generation, (), [{"role": "user", "content": text}]
    if manner == "question":
        made = build(text, workbench.search(config, text), config.context, part.count_tokens)
        hits, messages = made.used, made.messages
    prompt = part.read_text(text) if manner == "text" else part.read(messages)
    room(part, prompt, 1)
    return Reading(prompt, messages, hits, fingerprint(part.identity(), prompt.tokens, prompt.ends))


def remembered(workbench: Workbench, reading: Reading) -> Memory:
    """The logits of this prompt that are at hand: written tokens -> [vocab]."""
    return workbench.pipeline.remember("logits", reading.key, dict)


def first_logits(workbench: Workbench, config: TrialConfig, reading: Reading) -> np.ndarray:
    """Logits of the answer's first token."""
    return next_logits(config.generation, reading.prompt, remembered(workbench, reading))(reading.prompt.tokens)


class Opened(NamedTuple):
    reading: Reading
    ran: bool  # the model read the prompt now; else its logits were at hand


def read(workbench: Workbench, config: TrialConfig, text: str, manner: str) -> Generator[Progress, None, Opened]:
    """Loads the model, searches the passages and reads the prompt, beside the caller, who can stop waiting at any time."""
    yield from loaded(config.generation)

    def first() -> Opened:
        found = reading(workbench, config, text, manner)
        ran = () not in remembered(workbench, found)
        first_logits(workbench, config, found)
        return Opened(found, ran)

    return (yield from beside(first, "Reading the prompt"))


def token_texts(config: TrialConfig, tokens: Iterable[int]) -> list[str]:
    return [config.generation.text_of(int(token)) for token in tokens]


# What carries an answer --------------------------------------------------------------------------------------------


class Sentence(NamedTuple):
    """A sentence of an answer: how sure the model was of it, and the passage whose words it repeats most."""

    text: str
    passage: int | None  # from 1; None: no passage was given, or none shares a word sequence
    containment: float
    probability: float  # geometric mean over its tokens, under the model itself
    least: int  # place of its least probable token


def sentences(written: Written, hits: Sequence[Hit]) -> list[Sentence]:
    ends = np.cumsum([len(piece) for piece in written.pieces])
    starts, traced, found = ends - [len(piece) for piece in written.pieces], written.traced, []
    whole = support(written.text, hits) or support(written.text, [Hit(1, 0.0, "", "", 0, 0, written.text)])
    for one in whole:
        inside = np.flatnonzero((ends > one.start) & (starts < one.end))
        logprobs = traced.logprob[inside]
        passage = one.passage if hits and one.containment > 0 else None
        found.append(
            Sentence(
                written.text[one.start : one.end],
                passage,
                one.containment if passage else 0.0,
                float(np.exp(logprobs.mean())),
                int(inside[np.argmin(logprobs)]),
            )
        )
    return found


# Searches ------------------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A beginning that a search holds open, or a text that it found."""

    text: str
    tokens: tuple[int, ...]
    logprob: float  # sum over its tokens, natural logarithm, under the model itself
    score: float | None = None  # what beam search compares; None: contrastive search
    ended: bool = False  # by itself, not by its length


class Searched(NamedTuple):
    """What a search found, best first. chosen: its choices token by token, of contrastive search alone."""

    lines: list[Line]
    chosen: list[ContrastiveStep]
    first_s: float
    seconds: float

    @property
    def tokens_per_s(self) -> float | None:
        return rate(len(self.lines[0].tokens), self.seconds - self.first_s)


def searcher(part: PartConfig) -> PartConfig:
    """The engine that searches with this part's model: it reads several texts at once and shows its hidden states, in this process."""
    if part.part == "transformers":
        return part.model_copy(update={"own_process": "no"})
    return registry.find("generator", "transformers")(model=part.model, own_process="no")


def search(
    config: TrialConfig, reading: Reading, how: PartConfig, max_tokens: int
) -> Generator[Progress | list[Line], None, Searched]:
    """Beam or contrastive search on the prompt; yields what is open after each token, best first."""
    part, ends = config.generation, config.generation.ends()
    most = room(part, reading.prompt, max_tokens)
    yield from loaded(searcher(part))
    states, prompt = torch_states(searcher(part).load()), tuple(reading.prompt.tokens)
    started, first_s, chosen, logprob = time.perf_counter(), 0.0, [], 0.0
    if how.part == "beam":
        steps = beam_search(
            lambda texts: states(texts)[0], prompt, width=how.width, max_tokens=most, length_penalty=how.length_penalty, stop=ends
        )
    else:
        steps = contrastive_search(states, prompt, k=how.k, alpha=how.alpha, max_tokens=most, stop=ends)

    def line(tokens: Sequence[int], logprob: float, score: float | None) -> Line:
        text = b"".join(part.bytes_of(token) for token in tokens if token not in ends).decode("utf-8", "replace")
        return Line(text, tuple(tokens), logprob, score, tokens[-1] in ends)

    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found = end.value
            break
        first_s = first_s or time.perf_counter() - started
        if how.part == "contrastive":
            chosen.append(step)
            logprob += float(np.log(step.probability[step.candidates == step.token][0]))
            yield [line([one.token for one in chosen], logprob, None)]
        else:
            yield [line(beam.tokens, beam.logprob, beam.score) for beam in step]
    lines = (
        [line(beam.tokens, beam.logprob, beam.score) for beam in found] if how.part == "beam" else [line(found, logprob, None)]
    )
    return Searched(lines, chosen, first_s, time.perf_counter() - started)


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
    workbench: Workbench,
    config: TrialConfig,
    reading: Reading,
    wanted: Sequence[tuple[str, Sequence[Step] | PartConfig]],
    max_tokens: int,
) -> Generator[Progress, None, list[Side]]:
    """One after another, so that they do not slow each other. wanted: (name, a chain, a search, or an engine with its own
    sampling)."""
    found = []
    for done, (name, what) in enumerate(wanted):
        if not isinstance(what, PartConfig):
            working, about = _chain_side(config, reading, what, max_tokens), describe_chain(what)
        elif what.part in SEARCHES:
            working, about = _search_side(config, reading, what, max_tokens), write_chain([what]).replace(",", ", ")
        else:
            warmth = f", temperature {what.temperature:g}" if "temperature" in type(what).model_fields else ""
            about = what.part.replace("_", " ") + warmth
            working = _engine_side(what, reading, config.seed)
        yield Progress(done, len(wanted), name)
        try:
            while True:
                step = next(working)
                yield Progress(done, len(wanted), f"{name}: {step.message}" if isinstance(step, Progress) else name)
        except StopIteration as end:
            found.append(end.value._replace(name=name, about=about))
        except WorkbenchError as error:
            found.append(Side(name, about, problem=" ".join(filter(None, (error.what, error.todo)))))
    return found


def _chain_side(config: TrialConfig, reading: Reading, steps: Sequence[Step], max_tokens: int):
    # nothing remembered: the speed is that of the model
    written = yield from write(config.generation, reading.prompt, {}, steps, seed=config.seed, max_tokens=max_tokens)
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
        _problem(reason),
    )


def _search_side(config: TrialConfig, reading: Reading, how: PartConfig, max_tokens: int):
    found = yield from search(config, reading, how, max_tokens)
    best = found.lines[0]
    text, reason = finished(best.text, "stop" if best.ended else "length")
    return Side(
        "",
        "",
        text,
        reason,
        len(best.tokens),
        1000 * found.first_s,
        found.tokens_per_s,
        math.exp(-best.logprob / len(best.tokens)),
        _problem(reason),
    )


def _engine_side(part: PartConfig, reading: Reading, seed: int):
    part = part.usable()
    yield from loaded(part)
    made = yield from part.generate(reading.messages, seed)
    speed = rate(made.answer_tokens, (made.generation_ms - made.first_token_ms) / 1000)
    return Side(
        "", "", made.text, made.finish_reason, made.answer_tokens, made.first_token_ms, speed, None, _problem(made.finish_reason)
    )


def _problem(reason: str) -> str:
    return reason.removeprefix("failed: ") if reason.startswith("failed") else ""


def engines(config: TrialConfig) -> dict[str, PartConfig]:
    """Every engine with its own sampler; the recipe's own with its settings."""
    return {
        name: config.generation if config.generation.part == name else cls() for name, cls in registry.parts("generator").items()
    }


# The study -----------------------------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """What n samples a question gave under one chain; intervals over questions.

    differences: measure -> this chain minus the reference, paired by question; p_holm: measure -> p of that test, corrected
    over all chains stored for the same questions. Both are empty for the reference itself.
    """

    chain: str
    measures: dict[str, Interval]
    questions: int
    samples: int  # drawn
    failed: int  # of these, without an answer: left out of the measures
    tokens_per_s: float | None
    differences: dict[str, Paired] = {}
    p_holm: dict[str, float | None] = {}


def asked(corpus: Corpus, questions: int) -> list[Query]:
    """So many questions that have a gold answer, spread evenly over the corpus."""
    there = [query for query in corpus.queries if query.answerable and query.answers]
    places = np.linspace(0, len(there) - 1, min(questions, len(there))).round().astype(int) if there else ()
    return [there[i] for i in places]


def ground(workbench: Workbench, config: TrialConfig, corpus: Corpus, samples: int, questions: int) -> str:
    """Settings that share it answered the same questions over the same passages with the same model and code."""
    recipe = config.model_dump(mode="json", exclude={"evaluation": True, "generation": True})
    settings = config.generation.model_dump()
    limits = [settings.get(name) for name in ("max_tokens", "context_tokens")]
    found = [workbench.pipeline.key(stage, config, corpus) for stage in config.fusion.needs()]
    ids = [query.id for query in asked(corpus, questions)]
    return fingerprint(
        recipe,
        limits,
        config.generation.identity(),
        corpus.fingerprint,
        found,
        samples,
        ids,
        code_version(config.generation, config.fusion, build, chain, write, beam_search),
    )


def study(
    workbench: Workbench,
    config: TrialConfig,
    chains: Sequence[str],
    samples: int = 5,
    questions: int = 20,
    threshold: float = THRESHOLD,
) -> Generator[Progress, None, list[Setting]]:
    """Draws and stores `samples` answers a question and chain, then measures them, each chain against the first. What is
    stored already is not drawn again.

    Sample i of every chain has the same seed, so that chains differ only where they choose differently.
    """
    chains = list(dict.fromkeys(write_chain(read_chain(text)) for text in chains))
    if not chains or samples < 1 or questions < 1:
        raise WorkbenchError("A study needs a chain, a sample and a question at least.")
    corpus = yield from workbench.pipeline.corpus(config)
    queries = asked(corpus, questions)
    if not queries:
        raise WorkbenchError(
            f"'{corpus.name}' has no questions with gold answers, so quality cannot be measured.",
            todo="Add a questions file with answers, or compare chains side by side.",
        )
    yield from loaded(config.generation)
    here = ground(workbench, config, corpus, samples, questions)
    known = {
        (row["chain"], row["query_id"])
        for row in workbench.store.stored(
            "samples",
            "SELECT DISTINCT chain, query_id FROM samples WHERE ground = ?",
            [here],
            lambda record: record.payload if record.payload.get("ground") == here else None,
        )
    }
    total, done = len(queries) * len(chains), 0
    for query in queries:  # all chains on one question: its prompt is read once, and they share the logits of common starts
        memory: Memory = {}
        for text in chains:
            if (text, query.id) not in known:
                step = Progress(done, total, query.text)
                yield from _draw(workbench, config, corpus, query, text, samples, here, memory, step)
            done += 1
    return (yield from results(workbench, config, samples, questions, threshold, chains[0]))


def _draw(
    workbench: Workbench,
    config: TrialConfig,
    corpus: Corpus,
    query: Query,
    text: str,
    samples: int,
    here: str,
    memory: Memory,
    step: Progress,
) -> Generator[Progress, None, None]:
    yield step
    prompt, steps, drawn = reading(workbench, config, query.text), read_chain(text), []
    for number in range(samples):
        working = write(
            config.generation, prompt.prompt, memory, steps, seed=config.seed + number, max_tokens=config.generation.max_tokens
        )
        try:
            while True:
                next(working)
                yield step
        except StopIteration as end:
            drawn.append(_sample(end.value))
    workbench.store.add(
        "samples",
        {
            "ground": here,
            "dataset": corpus.name,
            "query_id": query.id,
            "question": query.text,
            "answers": list(query.answers),
            "chain": text,
            "steps": [one.model_dump(mode="json") for one in steps],
            "samples": drawn,
            "prompt": prompt.prompt.text,
            "config": config.model_dump(mode="json"),
            **receipt(config, config.generation, write),
            "fingerprints": {"corpus": corpus.fingerprint, "generator": config.generation.identity()},
        },
    )


def _sample(written: Written) -> dict[str, Any]:
    text, reason = finished(written.text, written.reason)
    return {
        "seed": written.seed,
        "text": text,
        "finish_reason": reason,
        "tokens": [pick.token for pick in written.picks],
        "logprob": sum(pick.logprob for pick in written.picks),
        "generation_ms": 1000 * written.seconds,
        "model_runs": written.ran,
    }


def results(
    workbench: Workbench,
    config: TrialConfig,
    samples: int = 5,
    questions: int = 20,
    threshold: float = THRESHOLD,
    reference: str = "",
) -> Generator[Progress, None, list[Setting]]:
    """What is stored of such a study, chain by chain, each against the reference (first; by default the first by name)."""
    corpus = yield from workbench.pipeline.corpus(config)
    rows = workbench.store.query(
        """SELECT chain, query_id, any_value(answers) AS answers, list(text ORDER BY number) AS texts,
           avg(answer_tokens) AS tokens, sum(model_runs) AS runs, sum(generation_ms) AS ms
           FROM (SELECT DISTINCT ON (chain, query_id, number) * FROM samples WHERE ground = ?) GROUP BY ALL
           ORDER BY chain, query_id""",
        [ground(workbench, config, corpus, samples, questions)],
    )
    chains = sorted({row["chain"] for row in rows}, key=lambda text: (text != reference, text))
    key = fingerprint([(row["chain"], row["query_id"], row["texts"]) for row in rows], chains, threshold, config)
    if (known := workbench.pipeline.remember("study", key, list)) or not rows:
        return list(known)
    texts = sorted({text for row in rows for text in row["texts"] if text})
    vectors = dict(zip(texts, (yield from _embedded(workbench, config, corpus, texts)), strict=True))
    tables = {
        text: {
            row["query_id"]: measures(row["texts"], row["answers"], row["tokens"], vectors, threshold)
            for row in rows
            if row["chain"] == text
        }
        for text in chains
    }
    differences, found = _differences(tables, chains, config), []
    for text in chains:
        mine = [row for row in rows if row["chain"] == text]
        rules, drawn = config.evaluation, [one for row in mine for one in row["texts"]]
        whole = diversity.summary(list(tables[text].values()), rules.resamples, rules.confidence, config.seed)
        runs, ms = sum(row["runs"] for row in mine), sum(row["ms"] for row in mine)
        found.append(
            Setting(
                text,
                whole,
                len(mine),
                len(drawn),
                drawn.count(""),
                1000 * runs / ms if runs and ms else None,
                *differences.get(text, ({}, {})),
            )
        )
    known[:] = found
    return found


def _differences(tables: dict[str, dict[str, dict[str, float]]], chains: Sequence[str], config: TrialConfig):
    """chain -> (measure -> Paired, measure -> p corrected over the chains), each against the first by question."""
    rules, found, names = config.evaluation, {}, [name for name in MEASURES if name != "tokens"]
    for text in chains[1:]:
        shared = sorted(tables[chains[0]].keys() & tables[text].keys())
        mine, first = ([[tables[one][id][name] for name in names] for id in shared] for one in (text, chains[0]))
        if shared:
            tests = paired_difference(np.array(mine), np.array(first), rules.resamples, rules.confidence, seed=config.seed)
            found[text] = dict(zip(names, tests, strict=True)), dict.fromkeys(names)
    for name in names:
        tested = [text for text, (tests, _) in found.items() if tests[name].p is not None]
        for text, p in zip(tested, holm(np.array([found[text][0][name].p for text in tested])).tolist(), strict=True):
            found[text][1][name] = p
    return found


def _embedded(workbench: Workbench, config: TrialConfig, corpus: Corpus, texts: list[str]):
    if not texts:
        return []
    encoder = yield from workbench.pipeline.encoder(config, corpus)
    return (yield from embed(encoder, texts, workbench.pipeline.vectors_folder))


def measures(
    texts: Sequence[str], answers: Sequence[str], tokens: float, vectors: dict[str, np.ndarray], threshold: float
) -> dict[str, float]:
    """Of the samples of one question. "" is a sample without an answer, which is left out: NaN where too few are left.

    Citations are no part of an answer's words.
    """
    there = [text for text in texts if text]
    said = [CITATION.sub(" ", text) for text in there]
    several = len(there) > 1
    return {
        "distinct_1": diversity.distinct_n(said, 1) if several else math.nan,
        "distinct_2": diversity.distinct_n(said, 2) if several else math.nan,
        "self_bleu": diversity.self_bleu(said) if several else math.nan,
        "cluster_entropy": diversity.embedding_entropy_nats(np.array([vectors[text] for text in there]), threshold)
        if several
        else math.nan,
        "f1": float(np.mean([diversity.answer_f1(text, answers) for text in said])) if said else math.nan,
        "em": float(np.mean([diversity.answer_em(text, answers) for text in said])) if said else math.nan,
        "tokens": float(tokens),
    }


def verdict(setting: Setting, measure: str, confidence: float) -> str:
    """Against the reference, by the corrected p: "higher", "lower", "not distinguishable"; "" where it was not tested."""
    p = setting.p_holm.get(measure)
    if p is None:
        return ""
    return "not distinguishable" if p >= 1 - confidence else "higher" if setting.differences[measure].difference > 0 else "lower"


def rows(settings: Iterable[Setting]) -> list[dict[str, Any]]:
    """Settings as plain rows, for tables and files."""
    found = []
    for one in settings:
        line: dict[str, Any] = {"chain": one.chain, "questions": one.questions, "samples": one.samples, "failed": one.failed}
        for name, i in one.measures.items():
            line |= {name: i.mean, f"{name}_low": i.low, f"{name}_high": i.high, f"{name}_n": i.n}
            if d := one.differences.get(name):
                line |= {
                    f"{name}_difference": d.difference,
                    f"{name}_difference_low": d.low,
                    f"{name}_difference_high": d.high,
                    f"{name}_p_holm": one.p_holm[name],
                }
        found.append(line | {"tokens_per_s": one.tokens_per_s})
    return found
