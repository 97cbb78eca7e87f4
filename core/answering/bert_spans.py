"""A BERT that marks where a passage answers a question: two numbers a token, for the answer's first and last (Devlin et al. 2019, section
4.2). The sequence is [CLS] question [SEP] passage [SEP]; a passage without an answer is marked at [CLS] (section 4.3).
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from core.files import read_json
from core.models import hardware
from core.models.hub import bundled_folder
from core.models.text import encodable
from core.reranking.bert_pairs import BertPairs, PairTokens, adapted_weights

HEAD = ("qa_outputs.weight", "qa_outputs.bias")
ADAPTED = "reader.json"  # settings of a reader that is an adapter of the bundled encoder
LONGEST = 30  # tokens of an answer
OVERLAP = 0.25  # of the tokens that are read at once, between windows of a longer passage


class FoundSpan(NamedTuple):
    """The likeliest answer of a passage. start, end: its characters. margin: by how many nats it is likelier than that there is none;
    logprob: of its first and last token."""

    start: int
    end: int
    margin: float
    logprob: float


def best_pairs(first: np.ndarray, last: np.ndarray, most: int = 1) -> list[tuple[float, int, int]]:
    """(sum, i, j) of the best pairs of a first and a last token, at most `LONGEST` of them, best first. first, last [n] float: of each
    token."""
    reach = np.arange(len(first))[None, :] - np.arange(len(first))[:, None]
    pairs = np.where((reach >= 0) & (reach < LONGEST), first[:, None] + last[None, :], -np.inf)
    order = [pairs.argmax()] if most == 1 else np.argsort(-pairs, axis=None, kind="stable")[:most]
    places = (np.unravel_index(place, pairs.shape) for place in order)
    return [(float(pairs[i, j]), int(i), int(j)) for i, j in places if pairs[i, j] > -np.inf]


class BertSpans(BertPairs):
    """On one device."""

    head: ClassVar[tuple[str, ...]] = HEAD

    def marks(self, sequences: list[tuple[np.ndarray, int]]) -> list[np.ndarray]:
        """[length, 2] float32 of each sequence, those of one length adjacent: its tokens as the answer's first and as its last."""
        import torch
        from torch.nn.functional import linear

        weights = [self._head[name] for name in HEAD]
        with torch.inference_mode():
            return [each for x, *_ in self._pieces(sequences) for each in linear(x.float(), *weights).cpu().numpy()]


class SpanReader(PairTokens):
    """Of the folder of a trained reader. Safe to use from several threads. max_tokens: of question and passage, read at once."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        weights, base = None, folder
        if not (folder / "model.safetensors").is_file():
            settings, base = read_json(folder / ADAPTED, "The reader's settings", of=dict), bundled_folder()
            weights = adapted_weights(base, folder, settings, "reader", HEAD, "heads train-reader")
        super().__init__(base, max_tokens)
        self._model, self._lock = BertSpans(base, hardware.fast_dtype(), hardware.device(), weights), threading.Lock()

    def read(self, question: str, passages: Sequence[str], most: int = 1) -> tuple[list[list[FoundSpan]], int]:
        """(so many of the likeliest answers of each passage, best first, none of an empty one; the tokens that were read)."""
        with self._lock:
            asked, *read = self._tokenizer.encode_batch([encodable(t) for t in (question, *passages)], add_special_tokens=False)
        windows = [(owner, start, *made) for owner, text in enumerate(read) for start, made in self._parts(asked.ids, text.ids)]
        tokens = sum(len(ids) for _, _, ids, _ in windows)
        told: list[dict[tuple[int, int], FoundSpan]] = [{} for _ in passages]
        nothing = [np.inf] * len(passages)
        sequences = [(place, (ids, at)) for place, (_, _, ids, at) in enumerate(windows)]
        for places, marks in self._model.computed(self._model.marks, sequences):
            for place, mark in zip(places, marks, strict=True):
                owner, start, _, at = windows[place]
                nothing[owner] = min(nothing[owner], float(mark[0].sum()))
                for span in _spans(mark, at, read[owner].offsets[start:], most):  # windows overlap
                    told[owner][span[:2]] = max(told[owner].get(span[:2], span), span, key=lambda each: each.margin)
        best = [sorted(own.values(), key=lambda each: -each.margin)[:most] for own in told]
        return [
            [each._replace(margin=each.margin - none) for each in own] for own, none in zip(best, nothing, strict=True)
        ], tokens

    def _parts(self, question: Sequence[int], passage: Sequence[int]) -> Iterator[tuple[int, tuple[np.ndarray, int]]]:
        """(first token of the passage, (token ids, where the passage begins)) of the sequences that together read all of it; they overlap
        as those did that the reader was trained on, and not as `windows`."""
        question, overlap = question[: self.max_tokens // 2 - 2], int(self.max_tokens * OVERLAP)
        room, head = self.max_tokens - len(question) - 3, [self._first, *question, self._last]
        for start in range(0, max(len(passage) - overlap, 1), room - overlap):
            yield start, (np.array([*head, *passage[start : start + room], self._last], np.int64), len(head))


def _spans(mark: np.ndarray, at: int, places: Sequence[tuple[int, int]], most: int) -> list[FoundSpan]:
    """The best of a window; margin: of the pair alone. at: where its passage begins, whose tokens stand at these characters."""
    if at >= len(mark) - 1:
        return []
    whole = sum(float(np.logaddexp.reduce(side)) for side in mark.T.astype(np.float64))
    pairs = best_pairs(*mark[at:-1].T, most)
    return [FoundSpan(places[i][0], places[j][1], total, total - whole) for total, i, j in pairs]
