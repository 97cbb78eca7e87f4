"""Models that judge a claim by its evidence: the one trained here, another trained here, or any NLI model.

Each gives `read(pairs)` and `entail(pairs)`, and those trained here `wrong_words(items)` too. `judging_model(name)` loads it,
`identity(name)` says what its judgements depend on and imports no engine. Measures ask through `Judgements`, so that each pair is
judged once and kept.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import code_version, fingerprint
from core.errors import WorkbenchError
from core.files import read_json
from core.judging.evidence import claims, evidence
from core.judging.faithful_bert import CLAIM_TOKENS, HEAD, ClaimReader, FaithfulPairs
from core.judging.passage_words import joined, word_doubts, words_of
from core.models import hardware, hub
from core.models.hub import bundled_folder
from core.models.identity import files_identity
from core.models.loading import HERE, WEIGHTS_HERE, check_sealed, check_weights, data_only, load_once, readable
from core.models.text import encodable
from core.reranking.bert_pairs import ADAPTER, PAIRS_AT_ONCE, adapted_weights, long_first

EMBEDDED = "minilm-faithful"
SETTINGS = "faithful.json"
AT_ONCE = 32  # judgements handed on
BETWEEN = "\x1f"  # claim and evidence, in one text
WRONG = 0.5  # probability from which a word counts as wrong
ORDER = ("supported", "contradicted", "neither")
MEANINGS = {"entailment": 0, "entails": 0, "supported": 0, "supports": 0, "support": 0}
MEANINGS |= {"contradiction": 1, "contradicts": 1, "contradicted": 1, "refutes": 1, "refuted": 1}
MEANINGS |= {"neutral": 2, "neither": 2, "not enough info": 2, "nei": 2, "unknown": 2}
TWO = {"not_entailment": 2, "not entailment": 2}  # of models with two classes: what is not supported is neither


class ClaimJudgement(NamedTuple):
    """probabilities [3]: supported, contradicted, neither. words: characters of the claim [start, end) and the probability that
    they are wrong, a row a token; empty where the model has no such head."""

    probabilities: np.ndarray
    words: list[tuple[int, int, float]]


def model_folder(name: str) -> Path:
    """Where the model lies that is called so."""
    if name == EMBEDDED:
        return Path(__file__).with_name("minilm_faithful")
    if ((trained := hub.faithfulness_home() / name) / SETTINGS).is_file():
        return trained
    if folder := hub.local_model(name, "model"):
        return folder
    todo = f"Choose {EMBEDDED}, the name of a model trained here, or a folder with an NLI model."
    raise WorkbenchError(f"The model '{name}' that judges claims is not on this machine.", where="model", todo=todo)


def identity(name: str) -> str:
    """Changes with everything that changes a judgement."""
    folder = model_folder(name)
    base = files_identity(bundled_folder()) if (folder / ADAPTER).is_file() else ""
    return "judgement-" + fingerprint(files_identity(folder), base, hardware.fast_dtype(), code_version(OwnModel))


def judging_model(name: str) -> "OwnModel | NLIModel":
    """The model of that name, loaded once."""
    return load_once(identity(name), lambda: _loaded(model_folder(name)))


def _loaded(folder: Path) -> "OwnModel | NLIModel":
    with readable("The model that judges claims cannot be read", where=str(folder)):
        return OwnModel(folder) if (folder / ADAPTER).is_file() else NLIModel(folder)


class PairReader(ABC):
    """What all have: the way from pairs to probabilities."""

    has_words = False

    @abstractmethod
    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[int, ClaimJudgement], None, None]:
        """(place, judgement) of each (evidence, claim) once, in any order."""

    def entail(self, pairs: list[tuple[str, str]]) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], probabilities [b, 3] float32 of supported, contradicted, neither) of (evidence, claim). Evidence that is
        too long is cut to its best sentences."""
        cut = [(evidence((each,), claim), claim) for each, claim in pairs]
        for some in _blocks(self.read(cut), AT_ONCE):
            yield np.array([i for i, _ in some]), np.stack([each.probabilities for _, each in some])


class Judgements:
    """What a model says of (evidence, claim), as vectors of `pair_text`: where an encoder is asked for, so that each pair is judged
    once and kept. A vector holds the three probabilities, then start, end and probability of each token of the claim."""

    dim = 3 + 3 * CLAIM_TOKENS
    max_tokens = None

    def __init__(self, model: str) -> None:
        self._model = model

    def identity(self) -> str:
        return identity(self._model)

    def prefix(self, query: bool) -> str:
        return ""

    def load(self) -> "Judgements":
        judging_model(self._model)
        return self

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        claims_first = [text.split(BETWEEN, 1) for text in texts]
        for some in _blocks(judging_model(self._model).read([(beside, claim) for claim, beside in claims_first]), AT_ONCE):
            vectors = np.zeros((len(some), self.dim), np.float32)
            for vector, (_, judged) in zip(vectors, some, strict=True):
                vector[:3] = judged.probabilities
                vector[3 : 3 + 3 * len(judged.words)] = np.array(judged.words, np.float32).reshape(-1)
            yield np.array([i for i, _ in some]), vectors


def pair_text(evidence_text: str, claim: str) -> str:
    """The pair as one text, as `Judgements` reads it."""
    return claim.replace(BETWEEN, " ") + BETWEEN + evidence_text


def read_judgement(vector: np.ndarray) -> ClaimJudgement:
    """What a vector of `Judgements` holds."""
    rows = vector[3:].reshape(-1, 3)
    return ClaimJudgement(vector[:3], [(int(a), int(b), float(p)) for a, b, p in rows[rows[:, 1] > 0]])


class OwnModel(PairReader):
    """The bundled encoder with the adapter of a folder. Safe to use from several threads."""

    has_words = True

    def __init__(self, folder: Path) -> None:
        check_sealed(folder, f"The model '{folder.name}'")
        settings, base = read_json(folder / SETTINGS, "The model's settings", of=dict), bundled_folder()
        weights = adapted_weights(base, folder, settings, "model", HEAD, "train-faithfulness")
        self.model = FaithfulPairs(base, hardware.fast_dtype(), hardware.device(), weights)
        self.model.word_shift = settings.get("word_shift", 0.0)
        self._tokens, self._tokenizing = ClaimReader(base, min(settings["max_tokens"], 512)), threading.Lock()

    def wrong_words(
        self, items: Sequence[tuple[str, Sequence[str], str]]
    ) -> Generator[tuple[int, list[tuple[int, int, float]]], None, None]:
        """Yields (index, [(start, end, probability)]) for each (question, passages, answer): the characters of the answer that are
        wrong, neighbouring words joined."""
        for i, (_, passages, answer) in enumerate(items):
            spans, there = claims(answer), words_of(passages)
            judged = dict(self.read([(evidence(tuple(passages), answer[a:b]), answer[a:b]) for a, b in spans]))
            yield (
                i,
                [
                    place
                    for n, (a, b) in enumerate(spans)
                    for place in joined(word_doubts(answer[a:b], judged[n].words, there), a, WRONG)
                ],
            )

    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[int, ClaimJudgement], None, None]:
        for block in long_first(pairs, PAIRS_AT_ONCE):
            place: dict[str, int] = {}
            for text in (text for i in block for text in pairs[i]):
                place.setdefault(text, len(place))
            with self._tokenizing:
                read = self._tokens.of(list(place))
            sequences = ((i, self._tokens.sequence(read[place[pairs[i][1]]].ids, read[place[pairs[i][0]]].ids)) for i in block)
            for owners, some in self.model.computed(self.model.judge, sequences):
                for i, (probabilities, words) in zip(owners, some, strict=True):
                    places = read[place[pairs[i][1]]].places[: len(words)]
                    rows = [(int(a), int(b), float(p)) for (a, b), p in zip(places, words, strict=True)]
                    yield i, ClaimJudgement(probabilities.astype(np.float32), rows)


class NLIModel(PairReader):
    """A sequence classifier of transformers, such as any NLI cross-encoder: one reads at a time."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        config = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")
        self.order = label_order(config, str(folder))
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), **HERE)
        self.model = AutoModelForSequenceClassification.from_pretrained(
            str(data_only(folder)), dtype=getattr(torch, hardware.fast_dtype()), **WEIGHTS_HERE
        )
        check_weights(self.model, str(folder))
        self.model = self.model.to(hardware.device()).eval()
        self._reading = threading.Lock()
        self.max_tokens = min(512, self._tokenizer.model_max_length)

    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[int, ClaimJudgement], None, None]:
        import torch

        for block in long_first(pairs, 16):
            with self._reading, torch.inference_mode():
                texts = [[encodable(pairs[i][side]) for i in block] for side in (0, 1)]
                read = self._tokenizer(
                    *texts, padding=True, truncation="only_first", max_length=self.max_tokens, return_tensors="pt"
                )
                shares = self.model(**read.to(self.model.device)).logits.float().softmax(1).cpu().numpy()
            rows = np.zeros((len(block), 3), np.float32)
            for label, meaning in enumerate(self.order):
                rows[:, meaning] += shares[:, label]
            for i, row in zip(block, rows, strict=True):
                yield i, ClaimJudgement(row, [])


def label_order(config: dict[str, Any], where: str) -> list[int]:
    """What each output of a classifier means, as a place in ORDER, read from its config's names."""
    names = config.get("id2label") or {}
    said = [str(names[key]).strip().lower() for key in sorted(names, key=int)]
    meanings = MEANINGS | (TWO if len(said) == 2 else {})
    order = [meanings.get(name, meanings.get(name.replace("_", " "), -1)) for name in said]
    if -1 in order or 0 not in order or len(set(order)) != len(order) or len(order) not in (2, 3):
        shown = ", ".join(said) or "none"
        raise WorkbenchError(
            f"It is not clear which output of the model says that a claim follows: its labels are {shown}.",
            where=where,
            todo="Its config.json needs id2label with entailment, neutral and contradiction (or entailment and not_entailment).",
        )
    return order


def _blocks(items: Generator, size: int) -> Generator[list, None, None]:
    while some := list(islice(items, size)):
        yield some
