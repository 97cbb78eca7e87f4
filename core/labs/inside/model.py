"""What the page Inside the model asks for: models at hand to read, the transformer written here loaded once, a prompt of
a corpus question with its parts, the key-value cache measured beside the library, and mixtures of experts. Long verbs are generators of
Progress; nothing here imports torch before a model is run.
"""

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import ContextConfig, TrialConfig, fingerprint, with_settings
from core.context import prompt
from core.errors import WorkbenchError
from core.generation import answer
from core.labs.inside import cache as inspect_cache
from core.labs.inside.cache import Measured, Step
from core.models import architecture
from core.models import hub as models
from core.models.architecture import Architecture
from core.records import Corpus, Hit, Progress, Query
from core.training import experts as moe_lab
from core.training.experts import MoeConfig, Routing, Run
from core.workbench import Workbench

MOST_TOKENS = 384  # of a prompt whose maps are kept: with SmolLM2 80 MB as float16
ROUTED = 30  # held-out documents whose tokens are followed through the routers
BUNDLED = "SmolLM2-135M-Instruct (bundled)"
# Configs as published, so that a calculation needs no file.
CONFIGS: dict[str, dict[str, Any]] = {
    "Llama 3.1 8B": {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    },
    "Mixtral 8x7B": {
        "model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 14336, "vocab_size": 32000, "max_position_embeddings": 32768, "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
    "Qwen3 30B-A3B": {
        "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
        "vocab_size": 151936, "max_position_embeddings": 40960,
    },
}  # fmt: skip


class Setting(NamedTuple):
    """What a calculation is asked for; attention "" is the model's own."""

    context_tokens: int
    batch: int
    cache: str
    attention: str


# A known answer each: 32 layers, heads of 128, fp16, 131,072 tokens.
KNOWN = {
    "GQA, 8 KV heads, batch 1": Setting(131_072, 1, "float16", ""),
    "GQA, 8 KV heads, batch 10": Setting(131_072, 10, "float16", ""),
    "MHA, 32 KV heads, batch 10": Setting(131_072, 10, "float16", "MHA"),
}


# Architecture --------------------------------------------------------------------------------------------------------


def bundled_file() -> Path:
    from core.generation.llama_engine import LlamaCpp

    return LlamaCpp().path()


def read(source: str) -> Architecture:
    """A model of the list, or the path of a GGUF file, a config.json or a folder."""
    if source == BUNDLED:  # its file bears the name of a training run
        return replace(architecture.read(bundled_file()), name="SmolLM2-135M-Instruct")
    if config := CONFIGS.get(source):
        return architecture.of_config(config, source)
    if not source.strip():
        raise WorkbenchError("No file is named.", todo="Give the path of a GGUF file, a config.json or a model's folder.")
    return architecture.read(source.strip())


def read_upload(name: str, content: bytes) -> Architecture:
    """A file given through the page; its name is only for people."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("model.gguf" if content[:4] == b"GGUF" or name.endswith(".gguf") else "model.json")
        path.write_bytes(content)
        try:
            found = architecture.read(path)
        except WorkbenchError as error:  # where it lay for a moment says nothing
            raise WorkbenchError(error.what, where=name if str(folder) in error.where else error.where, todo=error.todo) from None
    return found if found.name != "model" else replace(found, name=Path(name).stem)


# The transformer written here ----------------------------------------------------------------------------------------


class Loaded(NamedTuple):
    model: Any
    tokenizer: Any
    template: str


def load() -> Generator[Progress, None, Loaded]:
    """The bundled model in the transformer written here, once a process (540 MB)."""
    loading = partial(models.load_once, f"transformer written here {models.home()}", _load)
    return (yield from answer.beside(loading, "Loading the bundled model; the first time it is converted"))


def _load() -> Loaded:
    from tokenizers import Tokenizer

    from core.generation import llama_engine  # noqa: F401  before torch: it keeps waiting threads from spinning
    from core.scratch.models import transformer

    folder = transformer.bundled()
    template = (folder / "chat_template.jinja").read_text("utf-8")
    return Loaded(transformer.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")), template)


# Attention -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """Where the model looks in one prompt. maps: [layers, heads, queries, keys] float16."""

    question: str
    hits: tuple[Hit, ...]  # as the prompt has them, cut
    text: str
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    spans: dict[str, tuple[int, int]]  # part of the prompt -> tokens [start, end)
    maps: np.ndarray


class Share(NamedTuple):
    """Of the queries asked about, by head: entropy in bits [layers, heads] and the parts' shares [layers, heads, parts]."""

    parts: tuple[str, ...]
    entropy_bits: np.ndarray
    mass: np.ndarray


def searchable(workbench: Workbench, config: TrialConfig) -> TrialConfig:
    """The recipe, or its search by words alone where embedding the corpus would keep a person waiting."""
    return config if workbench.plan(config).live else with_settings(config, {"fusion": "sparse_only"})


def look(
    workbench: Workbench, config: TrialConfig, question: Query, passages: int, passage_tokens: int
) -> Generator[Progress, None, Looked]:
    """Attention of the prompt that `ask` would build from the question's best passages, each cut to so many tokens around
    its gold evidence, or to its first ones. Remembered."""
    key = fingerprint(config, question.text, passages, passage_tokens)
    yield Progress(0, 3, "Searching the passages")
    hits = workbench.search(searchable(workbench, config), question.text)[:passages]
    yield Progress(1, 3, "Loading the model")
    tools = yield from load()
    short = [_cut(hit, question, tools.tokenizer, passage_tokens) for hit in hits]
    yield Progress(2, 3, "Reading the prompt")
    return workbench.pipeline.remember("attention", key, lambda: look_at(tools, question.text, short))


def look_at(tools: Loaded, question: str, hits: list[Hit]) -> Looked:
    from core.scratch.models import attention

    text, characters = _prompt(tools, question, hits)
    read = attention.read(tools.tokenizer, text)
    if len(read.ids) > MOST_TOKENS:
        raise WorkbenchError(
            f"The prompt has {len(read.ids):,} tokens; maps are kept of at most {MOST_TOKENS}.",
            todo="Take fewer passages, or fewer tokens of each.",
        )
    spans = attention.token_spans(read, characters)
    return Looked(
        question, tuple(hits), text, tuple(read.tokens), tuple(read.offsets), spans, attention.maps(tools.model, read.ids)
    )


def share(looked: Looked, query: int) -> Share:
    """Of one asking token, from the maps alone."""
    from core.scratch.models import attention

    some = looked.maps[:, :, query].astype(np.float32)  # [layers, heads, keys]
    names = (*looked.spans, attention.FIRST, attention.REST)
    owner = np.full(some.shape[-1], len(names) - 1)
    for number, (start, end) in enumerate(looked.spans.values()):
        owner[start:end] = number
    owner[0] = len(names) - 2
    return Share(names, attention.entropy_bits(some), attention.mass(some, owner, len(names)))


def _prompt(tools: Loaded, question: str, hits: list[Hit]) -> tuple[str, dict[str, tuple[int, int]]]:
    """The chat as the model reads it, and where its parts stand in it."""
    from jinja2.sandbox import SandboxedEnvironment

    context = ContextConfig(passages=max(1, len(hits)), max_tokens=10_000)
    built = prompt.build(question, hits, context, lambda text: 0)
    text = SandboxedEnvironment().from_string(tools.template).render(messages=built.messages, add_generation_prompt=True)
    content = built.messages[0]["content"]
    at, spans = text.index(content), {"instructions": (0, len(prompt.INSTRUCTIONS))}
    for number, hit in enumerate(built.used, 1):
        passage = f"[{number}] {prompt.plain(hit.text)}"
        start = content.index(passage, list(spans.values())[-1][1])
        spans[f"[{number}]"] = start, start + len(passage)
    asked = content.rindex(f"Question: {prompt.plain(question)}")
    spans["question"] = asked, content.rindex(f"\n{prompt.REMINDER}")
    return text, {name: (at + start, at + end) for name, (start, end) in spans.items()}


def _cut(hit: Hit, question: Query, tokenizer: Any, most: int) -> Hit:
    """So many tokens of a passage: around its gold evidence, where it holds some, else its first."""
    offsets = tokenizer.encode(hit.text, add_special_tokens=False).offsets
    if len(offsets) <= most:
        return hit
    gold = [g.start - hit.start for g in question.gold if g.document_id == hit.document_id and hit.start <= g.start < hit.end]
    first = next((i for i, (_, end) in enumerate(offsets) if gold and end > min(gold)), 0)
    first = min(max(0, first - most // 4), len(offsets) - most)
    start, end = offsets[first][0], offsets[first + most - 1][1]
    return Hit(
        hit.rank,
        hit.score,
        hit.document_id,
        hit.title,
        hit.start + start,
        hit.start + end,
        hit.text[start:end],
        hit.page,
        hit.scores,
    )


# Key-value cache -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beside:
    """The same greedy text by transformers, whose cache is on."""

    tokens: int
    here_per_s: float
    library_per_s: float
    same_text: bool


def prompt_ids(tools: Loaded, text: str, tokens: int) -> list[int]:
    """So many tokens of a text, repeated where it is too short."""
    ids = tools.tokenizer.encode(text, add_special_tokens=False).ids
    if not ids:
        raise WorkbenchError("The text has no tokens.", todo="Give a corpus with text.")
    return (ids * (tokens // len(ids) + 1))[:tokens]


def measure(ids: list[int], new_tokens: int, every: int, seen: list[Step]) -> Generator[Progress, None, Measured]:
    """Times each new token with the cache, and every so many without; `seen` grows as they are timed."""
    tools = yield from load()
    steps = inspect_cache.measure(tools.model, ids, new_tokens, every)
    try:
        while True:
            step = next(steps)
            seen.append(step)
            yield Progress(len(seen), new_tokens - 1, f"{step.context_tokens:,} tokens of context")
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def beside_library(ids: list[int], new_tokens: int) -> Generator[Progress, None, Beside]:
    """Our cached generation and transformers', three times each in turns; the faster run of each counts."""
    tools = yield from load()
    from core.scratch.models.transformer import bundled, generate

    library = yield from answer.beside(lambda: _library(bundled()), "Loading the model in transformers")
    times: dict[str, list[float]] = {"here": [], "library": []}
    texts: Mapping[str, list[int]] = {}
    for turn in range(3):
        for number, (name, run) in enumerate(
            (("here", lambda: list(generate(tools.model, ids, new_tokens))), ("library", lambda: library(ids, new_tokens)))
        ):
            yield Progress(2 * turn + number, 6, f"Generating {new_tokens} tokens {'in transformers' if number else 'here'}")
            started = time.perf_counter()
            texts = {**texts, name: run()}
            times[name].append(time.perf_counter() - started)
    return Beside(
        new_tokens, new_tokens / min(times["here"]), new_tokens / min(times["library"]), texts["here"] == texts["library"]
    )


def _library(folder: Path):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()

    def generate(ids: list[int], new_tokens: int) -> list[int]:
        with torch.inference_mode():
            given = torch.tensor([ids])
            out = model.generate(
                given,
                attention_mask=torch.ones_like(given),
                do_sample=False,
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                pad_token_id=0,
            )
        return out[0, len(ids) :].tolist()

    return generate


# Mixture of experts --------------------------------------------------------------------------------------------------


def moe_folder(corpus: Corpus, config: MoeConfig) -> Path:
    """Where a training of these settings on this corpus lies: the same settings are never trained twice."""
    return moe_lab.folder_of(f"{corpus.name[:40]} {fingerprint(corpus.fingerprint, config)[:12]}")


def unbalanced(config: MoeConfig) -> MoeConfig:
    return config.model_copy(update={"balance": "none"})


def trained_pair(corpus: Corpus, config: MoeConfig) -> tuple[Run, Run] | None:
    """The runs of these settings with and without the balancing loss, once both are trained."""
    folders = [moe_folder(corpus, one) for one in (config, unbalanced(config))]
    if all((folder / moe_lab.RUN).is_file() for folder in folders):
        return moe_lab.read_run(folders[0]), moe_lab.read_run(folders[1])
    return None


def last_pair(corpus: Corpus) -> tuple[Run, Run] | None:
    """Of this corpus, what was trained last."""
    names = [name for name in moe_lab.trained() if name.startswith(f"{corpus.name[:40]} ")]
    configs = (moe_lab.read_run(moe_lab.folder_of(name)).config for name in names)
    return next(filter(None, (trained_pair(corpus, one) for one in configs if one.balance != "none")), None)


def moe_arguments(workbench: Workbench, config: TrialConfig, training: MoeConfig) -> list[str]:
    """The command line's words for `train_moe` of both."""
    given = training.model_dump(mode="json", exclude_defaults=True)
    settings = [word for name, value in given.items() for word in ("--train", f"{name}={value}")]
    return ["train-moe", "--both", *settings, *workbench.arguments(TrialConfig(corpus=config.corpus))]


def train_moe(workbench: Workbench, config: TrialConfig, training: MoeConfig, both: bool) -> Generator[Progress, None, list[Run]]:
    """Trains on nine tenths of the corpus' documents, and where asked a second time without the balancing loss. What was
    trained with these settings before is not trained again; closing it keeps what is finished."""
    corpus = yield from workbench.pipeline.corpus(config)
    from core.generation import llama_engine  # noqa: F401  before torch: it keeps waiting threads from spinning
    from core.scratch.models import moe

    texts = [document.text for document in corpus.documents]
    wanted = [training, unbalanced(training)] if both and training.balance != "none" else [training]
    for number, one in enumerate(wanted):
        folder, name = moe_folder(corpus, one), "Without" if one.balance == "none" else "With"
        if (folder / moe_lab.RUN).is_file():
            continue
        with closing(moe.train(texts, one, folder)) as steps:
            for step in steps:
                learnt = isinstance(step, moe_lab.Step)
                words = f"loss {step.loss:.2f} nats" if learnt else "its tokenizer"
                done = number * one.steps + (step.done if learnt else 0)
                yield Progress(done, len(wanted) * one.steps, f"{name} balancing loss: {words}")
    return [moe_lab.read_run(moe_folder(corpus, one)) for one in wanted]


def moe_row(run: Run) -> dict[str, Any]:
    """A training in a few numbers: the load's variation, the router's entropy and what was dropped over the last tenth of
    the steps."""
    last = run.steps[-max(1, len(run.steps) // 10) :]
    means = {name: float(np.mean([getattr(step, name) for step in last])) for name in ("cv", "entropy_bits", "dropped")}
    return {"balance": run.config.balance, "held_out_loss": run.held_out_loss, **means, "folder": str(run.folder)}


def routing(workbench: Workbench, corpus: Corpus, run: Run) -> Generator[Progress, None, Routing]:
    """How the tokens of some documents that were not trained on are routed. Remembered."""
    yield Progress(0, 0, "Routing the held-out documents")

    def read() -> Routing:
        from core.scratch.models import moe

        return moe.read(moe.load(run.folder), [corpus.documents[i].text for i in run.held_out[:ROUTED]])

    return workbench.pipeline.remember("routing", run.folder.name, read)
