"""A BERT cross-encoder for inference: question and passage as one sequence, one score, without padding.

The sequence is [CLS] question [SEP] passage [SEP], the passage with token type 1; the score is a linear function of the
pooled first token (Devlin et al. 2019, section 3; Nogueira and Cho 2019, "Passage Re-ranking with BERT", section 3). A
model with a gate adds to it how well each word of the question meets its nearest of the passage, both as they stand in
the one sequence: ColBERT's MaxSim (Khattab and Zaharia 2020, section 3.3), words weighted by the gate. An adapter adds a
matrix of low rank to matrices of the encoder (LoRA: Hu et al. 2022, section 4.1): W + scale * B A.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.embedding.bert import Bert
from core.errors import WorkbenchError
from core.models.all_cores import BATCH_TOKENS, FEWEST_TOKENS, on_all_cores, workers_alone
from core.models.identity import files_identity
from core.models.text import encodable

ADAPTER = "adapter.safetensors"
PAIRS_AT_ONCE = 2048  # tokenised and sorted together: bounds memory
QUESTION_SHARE = 0.5  # of the sequence; a longer question is cut there
TOKEN_CHARACTERS = 40  # of a text that is cut, so many a token are looked at
POOLED = ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias")
HEAD = (*POOLED, "gate.weight")
SHARPNESS, CENTRE = 20.0, 0.65  # of the words' mean cosine, so that scores differ as logits do


def long_first(pairs: Sequence[tuple[str, str]], most: int) -> Iterator[list[int]]:
    """Numbers of the pairs, those of many characters first, so many at once."""
    order = sorted(range(len(pairs)), key=lambda i: -len(pairs[i][0]) - len(pairs[i][1]))
    return (order[i : i + most] for i in range(0, len(order), most))


def adapted_weights(base: Path, folder: Path, settings: dict, name: str, head: tuple[str, ...], verb: str) -> dict:
    """The weights of the encoder `base` with the adapter of the folder in them. name: of the model, for people; verb: that
    trains it."""
    from safetensors.torch import load_file

    if settings["base_files"] != files_identity(base):
        raise WorkbenchError(
            f"The {name} '{folder.name}' was trained on another version of {settings['base']} than the one installed.",
            where=str(folder),
            todo=f"Install the packages of requirements.txt, or train it again: python -m core {verb}.",
        )
    adapter = load_file(folder / ADAPTER)
    if absent := [each for each in head if each not in adapter]:
        raise WorkbenchError(f"The {name}'s file has no {absent[0]}.", where=str(folder), todo="Copy it again.")
    return adapted(load_file(base / "model.safetensors"), adapter, settings["scale"], head)


def adapted(weights: dict, adapter: dict, scale: float, head: tuple[str, ...] = HEAD) -> dict:
    """The weights of a BERT encoder (name -> tensor) with the adapter's products added, and its head in their place."""
    merged = {name.removeprefix("bert."): weight.float() for name, weight in weights.items()}
    for name in adapter:
        if name.endswith(".lora_A"):
            matrix = name.removesuffix(".lora_A")
            merged[matrix] = merged[matrix] + scale * (adapter[f"{matrix}.lora_B"].float() @ adapter[name].float())
    return merged | {name: adapter[name].float() for name in head if name in adapter}


class PairTokens:
    """Token ids of pairs, as BERT's own tokenizer joins them. Not for several threads."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.max_tokens = max_tokens
        self._first, self._last = (self._tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))

    def ids(self, texts: list[str]) -> list[np.ndarray]:
        """Token ids of each text, without specials."""
        encodings = self._tokenizer.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
        return [np.array(encoding.ids, np.int64) for encoding in encodings]

    def windows(self, question: np.ndarray, passage: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """(token ids, where the passage begins) of the sequences that together read the whole passage: overlapping by
        half where it is longer than fits beside the question."""
        room, starts = self._starts(len(question), len(passage))
        question = question[: self.max_tokens - room - 3]
        head, end = np.concatenate([[self._first], question, [self._last]]), [self._last]
        return [(np.concatenate([head, passage[start : start + room], end]), len(head)) for start in starts]

    def counts(self, pairs: list[tuple[str, str]]) -> list[int]:
        """How many windows each (question, passage) has."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        size = dict(zip(texts, map(len, self.ids(texts)), strict=True))
        return [len(self._starts(size[question], size[passage])[1]) for question, passage in pairs]

    def _starts(self, question: int, passage: int) -> tuple[int, list[int]]:
        """(tokens of the passage that fit beside so long a question, where each window of it begins)."""
        room = self.max_tokens - min(question, int(self.max_tokens * QUESTION_SHARE) - 2) - 3
        return room, [0] if passage <= room else [*range(0, passage - room, (room + 1) // 2), passage - room]


class BertPairs(Bert):
    """A BERT with its head on one device. weights: those of the folder, or in their place."""

    head: ClassVar[tuple[str, ...]] = HEAD

    def __init__(self, folder: Path, dtype: str, device: str, weights: dict | None = None) -> None:
        import torch
        from safetensors.torch import load_file

        weights = weights or load_file(folder / "model.safetensors")
        weights = {name.removeprefix("bert."): weight for name, weight in weights.items()}
        super().__init__(folder, dtype, device, weights)
        types = weights["embeddings.token_type_embeddings.weight"].float().to(device)
        # the table of positions twice, once with each token type: where the passage is, the second is looked up
        self._positions = len(self.position)
        self.position = torch.cat([self.position, self.position - types[0] + types[1]])
        self._head = {name: weights[name].float().to(device) for name in self.head if name in weights}

    def computed(self, compute: Callable[[list], Any], sequences: Iterable[tuple[int, tuple]]) -> Iterator[tuple[list[int], Any]]:
        """(owners, what `compute` makes of their sequences) of every (owner, sequence), batch by batch."""
        by_length = sorted(sequences, key=lambda pair: -len(pair[1][0]))
        most = BATCH_TOKENS[self.device]
        if self.device == "cpu":
            pool, workers = workers_alone()
            return on_all_cores(pool, workers, compute, in_batches(by_length, most, 2 * workers))
        return ((owners, compute(some)) for owners, some in in_batches(by_length, most, 1))

    def scores(self, sequences: list[tuple[np.ndarray, int]]) -> np.ndarray:
        """Score [len(sequences)] float32 of each (token ids, where the passage begins), those of one length adjacent."""
        import torch

        with torch.inference_mode():
            return torch.cat([judged(*each, self._head) for each in self._pieces(sequences)]).cpu().numpy()

    def _pieces(self, sequences: list[tuple[np.ndarray, int]]) -> list[tuple]:
        """(vectors [n, length, width], where the passage begins [n], where it ends [n]) of the sequences of each length."""
        import torch

        groups = [(len(list(same)), length) for length, same in groupby(len(ids) for ids, _ in sequences)]
        ids = np.concatenate([ids for ids, _ in sequences])
        places = np.concatenate([np.arange(len(i)) + self._positions * (np.arange(len(i)) >= at) for i, at in sequences])
        x = self._forward(*(torch.from_numpy(some).to(self.device) for some in (ids, places)), groups)
        begins = torch.tensor([at for _, at in sequences], device=self.device)
        pieces, each = x.split([n * length for n, length in groups]), begins.split([n for n, _ in groups])
        return [
            (piece.view(n, length, -1), some, torch.full_like(some, length))
            for piece, (n, length), some in zip(pieces, groups, each, strict=True)
        ]


def in_batches(sequences: list[tuple[int, tuple]], most: int, shares: int) -> Iterator[tuple[list[int], list[tuple]]]:
    """(owners, sequences) of neighbours, up to `most` tokens in a batch; ever smaller towards the end, so that all cores
    finish together."""
    ends = np.cumsum([len(sequence[0]) for _, sequence in sequences])
    start = done = 0
    while start < len(sequences):
        size = max(min(most, (ends[-1] - done) // shares), FEWEST_TOKENS)
        stop = max(int(np.searchsorted(ends, done + size, side="right")), start + 1)
        owners, some = zip(*sequences[start:stop], strict=True)
        yield list(owners), list(some)
        start, done = stop, ends[stop - 1]


def judged(x, begins, ends, head: dict):
    """Score [n] float32 of the encoder's vectors x [n, length, width]; begins, ends [n]: of the passage and the sequence."""
    import torch
    from torch.nn.functional import linear, normalize

    score = linear(linear(x[:, 0].float(), *(head[name] for name in POOLED[:2])).tanh(), *(head[name] for name in POOLED[2:]))
    if "gate.weight" not in head:
        return score[:, 0]
    most = max(int(begins.max()) - 1, 2)
    place, asked = torch.arange(x.shape[1], device=x.device), x[:, :most].float()
    # the words without specials; where there are none, the [SEP] in their place
    words = (place[:most] >= 1) & (place[:most] < (begins[:, None] - 1).clamp(min=2))
    passage = (place >= begins[:, None]) & (place < torch.maximum(ends[:, None] - 1, begins[:, None] + 1))
    unit = normalize(x.float(), dim=2)
    cosine = torch.bmm(unit[:, :most], unit.transpose(1, 2)).masked_fill(~passage[:, None], -1.0).amax(2)
    share = linear(asked, head["gate.weight"])[:, :, 0].masked_fill(~words, -torch.inf).softmax(1)
    return score[:, 0] + SHARPNESS * ((share * cosine).sum(1) - CENTRE)
