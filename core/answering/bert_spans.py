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


NOTHING = FoundSpan(0, 0, -np.inf, -np.inf)


def best_pair(first: np.ndarray, last: np.ndarray) -> tuple[float, int, int]:
    """(sum, i, j) of the best pair of a first and a last token, at most `LONGEST` of them. first, last [n] float: of each token."""
    reach = np.arange(len(first))[None, :] - np.arange(len(first))[:, None]
    pairs = np.where((reach >= 0) & (reach < LONGEST), first[:, None] + last[None, :], -np.inf)
    i, j = np.unravel_index(pairs.argmax(), pairs.shape)
    return float(pairs[i, j]), int(i), int(j)


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

    def read(self, question: str, passages: Sequence[str]) -> tuple[list[FoundSpan], int]:
        """(the likeliest answer of each passage, the tokens that were read)."""
        with self._lock:
            asked, *read = self._tokenizer.encode_batch([encodable(t) for t in (question, *passages)], add_special_tokens=False)
        windows = [(owner, start, *made) for owner, text in enumerate(read) for start, made in self._parts(asked.ids, text.ids)]
        told, tokens = [NOTHING] * len(passages), sum(len(ids) for _, _, ids, _ in windows)
        nothing = [np.inf] * len(passages)
        sequences = [(place, (ids, at)) for place, (_, _, ids, at) in enumerate(windows)]
        for places, marks in self._model.computed(self._model.marks, sequences):
            for place, mark in zip(places, marks, strict=True):
                owner, start, _, at = windows[place]
                nothing[owner] = min(nothing[owner], float(mark[0].sum()))
                if at < len(mark) - 1:
                    span = _span(mark, at, read[owner].offsets[start:])
                    told[owner] = max(told[owner], span, key=lambda each: each.margin)
        return [each._replace(margin=each.margin - none) for each, none in zip(told, nothing, strict=True)], tokens

    def _parts(self, question: Sequence[int], passage: Sequence[int]) -> Iterator[tuple[int, tuple[np.ndarray, int]]]:
        """(first token of the passage, (token ids, where the passage begins)) of the sequences that together read all of it; they overlap
        as those did that the reader was trained on, and not as `windows`."""
        question, overlap = question[: self.max_tokens // 2 - 2], int(self.max_tokens * OVERLAP)
        room, head = self.max_tokens - len(question) - 3, [self._first, *question, self._last]
        for start in range(0, max(len(passage) - overlap, 1), room - overlap):
            yield start, (np.array([*head, *passage[start : start + room], self._last], np.int64), len(head))


def _span(mark: np.ndarray, at: int, places: Sequence[tuple[int, int]]) -> FoundSpan:
    """The best of a window; margin: of the pair alone. at: where its passage begins, whose tokens stand at these characters."""
    total, i, j = best_pair(*mark[at:-1].T)
    whole = sum(float(np.logaddexp.reduce(side)) for side in mark.T.astype(np.float64))
    return FoundSpan(places[i][0], places[j][1], total, total - whole)
