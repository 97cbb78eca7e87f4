"""Small mixtures of experts, trained on the corpus, and what their routers do.

Statistics are functions over `Routing`, what every layer's router chose for every token; the "kind" of a token is the part
of speech of the word it stands in, told by lists of the closed classes and by endings, which is where a tagger starts before
it looks at context (Brill 1992, "A Simple Rule-Based Part of Speech Tagger", section 2).
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint
from core.labs.inside import tokenizers
from core.records import Corpus, Progress
from core.training.experts import (
    RUN,
    ExpertRun,
    ExpertStep,
    MoeConfig,
    Routing,
    experts_folder,
    read_run,
    trained_experts,
    variation,
)
from core.training.settings import options
from core.workbench import Workbench

ROUTED = 30  # held-out documents whose tokens are followed through the routers
# The closed classes of English, each word in the one it is most often of; open ones are told by their endings.
CLOSED = {
    "determiner": "a an the this that these those all any each both some such other every no another either neither",
    "pronoun": "i me my you your he him his she her it its we us our they them their who whom whose which what there one itself "
               "themselves himself herself myself yourself something anything nothing everything",
    "preposition": "of in on at by for from to with without into onto over under between through during before after about "
                   "against as than like per via until within upon among across behind below above toward towards",
    "conjunction": "and or but nor so yet if unless while because although though whether since when where then",
    "auxiliary": "is are was were be been being am do does did has have had can could may might must shall should will would",
    "adverb": "not only also too very just more most never always often again still already now here however",
}  # fmt: skip
ENDINGS = {
    "adverb": ("ly",),
    "verb in -ed, -ing": ("ed", "ing"),
    "adjective": ("able", "ible", "ous", "ive", "al", "ic", "ful", "less"),
}
STEM = 3  # letters before an ending: "red" and "king" are no forms of verbs
CLASS_OF = {word: name for name, words in CLOSED.items() for word in words.split()}
KINDS = (*CLOSED, *[name for name in ENDINGS if name not in CLOSED], "noun or other", *tokenizers.KINDS[1:], "space")


def moe_folder(corpus: Corpus, config: MoeConfig) -> Path:
    """Where a training of these settings on this corpus lies: the same settings are never trained twice."""
    return experts_folder(f"{corpus.name[:40]} {fingerprint(corpus.fingerprint, config)[:12]}")


def unbalanced(config: MoeConfig) -> MoeConfig:
    return config.model_copy(update={"balance": "none"})


def trained_pair(corpus: Corpus, config: MoeConfig) -> tuple[ExpertRun, ExpertRun] | None:
    """The runs of these settings with and without the balancing loss, once both are trained."""
    folders = [moe_folder(corpus, settings) for settings in (config, unbalanced(config))]
    if all((folder / RUN).is_file() for folder in folders):
        return read_run(folders[0]), read_run(folders[1])
    return None


def last_pair(corpus: Corpus) -> tuple[ExpertRun, ExpertRun] | None:
    """Of this corpus, what was trained last."""
    names = [name for name in trained_experts() if name.startswith(f"{corpus.name[:40]} ")]
    configs = (read_run(experts_folder(name)).config for name in names)
    return next(filter(None, (trained_pair(corpus, settings) for settings in configs if settings.balance != "none")), None)


def moe_arguments(workbench: Workbench, config: TrialConfig, training: MoeConfig) -> list[str]:
    """The command line's words for `train_moe` of both."""
    settings = training.model_dump(mode="json", exclude_defaults=True)
    return ["train-moe", "--both", *options(settings), *workbench.arguments(TrialConfig(corpus=config.corpus))]


def train_moe(
    workbench: Workbench, config: TrialConfig, training: MoeConfig, both: bool
) -> Generator[Progress, None, list[ExpertRun]]:
    """Trains on nine tenths of the corpus' documents, and where asked a second time without the balancing loss. What was
    trained with these settings before is not trained again; closing it keeps what is finished."""
    run = yield from workbench.pipeline.resolve(config)
    corpus = run.corpus
    from core.generation import llama_engine  # noqa: F401  before torch: it keeps waiting threads from spinning
    from core.scratch.models import moe

    texts = [document.text for document in corpus.documents]
    wanted = [training, unbalanced(training)] if both and training.balance != "none" else [training]
    for number, settings in enumerate(wanted):
        folder, name = moe_folder(corpus, settings), "Without" if settings.balance == "none" else "With"
        if (folder / RUN).is_file():
            continue
        with closing(moe.train(texts, settings, folder)) as steps:
            for step in steps:
                learnt = isinstance(step, ExpertStep)
                words = f"loss {step.loss:.2f} nats" if learnt else "its tokenizer"
                done = number * settings.steps + (step.done if learnt else 0)
                yield Progress(done, len(wanted) * settings.steps, f"{name} balancing loss: {words}")
    return [read_run(moe_folder(corpus, settings)) for settings in wanted]


def moe_row(run: ExpertRun) -> dict[str, Any]:
    """A training in a few numbers: the load's variation, the router's entropy and what was dropped over the last tenth of
    the steps."""
    last = run.steps[-max(1, len(run.steps) // 10) :]
    means = {name: float(np.mean([getattr(step, name) for step in last])) for name in ("cv", "entropy_bits", "dropped")}
    return {"balance": run.config.balance, "held_out_loss": run.held_out_loss, **means, "folder": str(run.folder)}


class HeldOutRouting(NamedTuple):
    """How tokens that were not trained on are routed. kind [T] int8: place of each token in KINDS."""

    routing: Routing
    kind: np.ndarray


def held_out_routing(workbench: Workbench, corpus: Corpus, run: ExpertRun) -> Generator[Progress, None, HeldOutRouting]:
    """How the tokens of some documents that were not trained on are routed. Remembered."""
    yield Progress(0, 0, "Routing the held-out documents")

    def read() -> HeldOutRouting:
        from core.scratch.models import moe

        texts = [corpus.documents[i].text for i in run.held_out[:ROUTED]]
        routing = moe.read(moe.load(run.folder), texts)
        return HeldOutRouting(routing, routed_kinds(routing, texts))

    return workbench.pipeline.remember("routing", run.folder.name, read)


def expert_loads(routing: Routing) -> np.ndarray:
    """[L, E] share of the assignments that each expert was chosen for, dropped ones too."""
    experts = np.arange(routing.probabilities.shape[2])
    return (routing.experts[..., None] == experts).mean(axis=(0, 2))


def entropy_bits(probabilities: np.ndarray) -> np.ndarray:
    """Entropy over the last axis in bits; 0: sure, log2(E): any expert."""
    return -(probabilities * np.log2(np.where(probabilities > 0, probabilities, 1))).sum(axis=-1)


def dropped(routing: Routing) -> np.ndarray:
    """[L] share of the assignments that found no room."""
    return 1 - routing.has_room.mean(axis=(0, 2))


def by_kind(routing: Routing, kind: np.ndarray) -> np.ndarray:
    """[L, kinds, E] share of each kind's assignments that went to each expert; NaN where a kind does not occur."""
    table = _kind_counts(routing, kind)
    whole = table.sum(axis=-1, keepdims=True)
    return np.divide(table, whole, out=np.full(table.shape, np.nan), where=whole > 0)


def layer_rows(held_out: HeldOutRouting) -> list[dict[str, Any]]:
    """A row a layer: variation of the load, the router's entropy, what was dropped, and what the part of speech explains."""
    routing, kind = held_out
    columns = (
        variation(expert_loads(routing)),
        entropy_bits(routing.probabilities).mean(0),
        dropped(routing),
        kind_told(routing, kind),
    )
    names = "cv", "entropy_bits", "dropped", "told_by_kind"
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [{"layer": layer, **dict(zip(names, row, strict=True))} for layer, row in enumerate(rows)]


def kind_told(routing: Routing, kind: np.ndarray) -> np.ndarray:
    """[L] share of the entropy of the expert chosen that the kind of token explains: I(kind; expert) / H(expert).

    0: routed whatever the kind; 1: the kind decides. NaN where all go to one expert. Biased upwards on few tokens.
    """
    joint = _kind_counts(routing, kind)
    joint = joint / joint.sum(axis=(1, 2), keepdims=True)
    of_expert = entropy_bits(joint.sum(axis=1))
    shared = entropy_bits(joint.sum(axis=2)) + of_expert - entropy_bits(joint.reshape(len(joint), -1))
    return np.divide(shared, of_expert, out=np.full(len(joint), np.nan), where=of_expert > 1e-12)


def _kind_counts(routing: Routing, kind: np.ndarray) -> np.ndarray:
    """[L, kinds, E] float64 assignments."""
    _, layers, choices = routing.experts.shape
    table = np.zeros((layers, len(KINDS), routing.probabilities.shape[2]))
    for layer in range(layers):
        np.add.at(table[layer], (np.repeat(kind, choices), routing.experts[:, layer].reshape(-1)), 1)
    return table


def routed_kinds(routing: Routing, texts: Sequence[str]) -> np.ndarray:
    """[T] int8: the kind of each routed token of the texts."""
    of_text = (token_kinds(text, routing.offsets[routing.text == number]) for number, text in enumerate(texts))
    return np.concatenate([np.zeros(0, np.int8), *of_text])


def token_kinds(text: str, offsets: np.ndarray) -> np.ndarray:
    """[T] int8: the kind of the word in which each token's last character that is no space stands."""
    of_character = np.full(len(text) + 1, KINDS.index("space"), np.int8)
    spans, kinds = tokenizers.word_spans(text)
    for (start, end), kind in zip(spans.tolist(), kinds.tolist(), strict=True):
        word = part_of_speech(text[start:end]) if kind == 0 else tokenizers.KINDS[kind]
        of_character[start:end] = KINDS.index(word)
    solid = [max((i for i in range(start, end) if not text[i].isspace()), default=end - 1) for start, end in offsets.tolist()]
    return of_character[np.array(solid, np.int64)]


@lru_cache(maxsize=1 << 16)
def part_of_speech(word: str) -> str:
    small = word.lower()
    if kind := CLASS_OF.get(small):
        return kind
    endings = ((name, end) for name, ends in ENDINGS.items() for end in ends)
    return next((name for name, end in endings if small.endswith(end) and len(small) >= STEM + len(end)), "noun or other")
