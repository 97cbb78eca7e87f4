"""A BERT that reads a claim beside its evidence and says two things: does it follow, and which of its words are wrong.

The sequence is [CLS] claim [SEP] evidence [SEP], the evidence with token type 1 (Devlin et al. 2019, section 3). A claim's token
is wrong by a linear function of its vector, and by how far it is from its nearest of the evidence (`words`; the task is that of
LettuceDetect: Kovács and Recski 2025, arXiv:2502.17125, section 3). The claim is supported, contradicted or neither by the pooled
first token, and by the mean and the most of its words' probabilities of being wrong: so each head learns from the other's data.
"""

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from core.models.text import encodable
from core.reranking.bert_pairs import BertPairs

HEAD = (
    "pooler.dense.weight",
    "pooler.dense.bias",
    "verdict.weight",
    "verdict.bias",
    "verdict.words",
    "words.weight",
    "words.bias",
    "words.near",
)
CLAIM_TOKENS = 96  # a longer claim is read no further
CENTRE = 0.65  # cosine of a word with its nearest of the evidence at which neither is said


class ClaimTokens(NamedTuple):
    """ids [n] of a text's tokens without specials, and their characters [n, 2]."""

    ids: np.ndarray
    places: np.ndarray


class ClaimReader:
    """Token ids and places of texts, as BERT's own tokenizer makes them. Not for several threads."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.max_tokens = max_tokens
        self._first, self._last = (self._tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))

    def of(self, texts: list[str]) -> list[ClaimTokens]:
        encodings = self._tokenizer.encode_batch([encodable(text) for text in texts], add_special_tokens=False)
        return [ClaimTokens(np.array(e.ids, np.int64), np.array(e.offsets, np.int64).reshape(-1, 2)) for e in encodings]

    def sequence(self, claim: np.ndarray, evidence: np.ndarray) -> tuple[np.ndarray, int]:
        """(token ids, where the evidence begins): what does not fit is cut from the evidence's end."""
        claim = claim[:CLAIM_TOKENS]
        head = np.concatenate([[self._first], claim, [self._last]])
        return np.concatenate([head, evidence[: self.max_tokens - len(head) - 1], [self._last]]).astype(np.int64), len(head)


class FaithfulPairs(BertPairs):
    """The encoder with both heads on one device."""

    head: ClassVar[tuple[str, ...]] = HEAD
    word_shift = 0.0  # log-odds added to each word, so that it counts as wrong from 0.5 on

    def judge(self, sequences: list[tuple[np.ndarray, int]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(probabilities [3] of supported, contradicted, neither; of being wrong for each token of the claim) of each sequence,
        those of one length adjacent."""
        import torch

        results = []
        with torch.inference_mode():
            for x, begins, ends in self._pieces(sequences):
                verdict, words = judged(x, begins, ends, self._head)
                both = verdict.softmax(1).cpu().numpy(), (words + self.word_shift).sigmoid().cpu().numpy()
                results += [(v, w[: int(at) - 2]) for v, w, at in zip(*both, begins, strict=True)]
        return results


def judged(x, begins, ends, head: dict):
    """Logits [n, 3] of the verdicts and [n, most] of the claims' tokens being wrong, of the encoder's vectors x [n, length, width];
    begins, ends [n]: of the evidence and the sequence. What lies behind a claim's last token is -inf."""
    import torch
    from torch.nn.functional import linear, normalize

    x = x.float()
    most = max(int(begins.max()) - 2, 1)
    place = torch.arange(x.shape[1], device=x.device)
    claim = (place[1 : 1 + most] < (begins[:, None] - 1)) & (place[1 : 1 + most] >= 1)
    evidence = (place >= begins[:, None]) & (place < torch.maximum(ends[:, None] - 1, begins[:, None] + 1))
    unit = normalize(x, dim=2)
    near = torch.bmm(unit[:, 1 : 1 + most], unit.transpose(1, 2)).masked_fill(~evidence[:, None], -1.0).amax(2)
    words = linear(x[:, 1 : 1 + most], head["words.weight"], head["words.bias"])[:, :, 0] + head["words.near"] * (CENTRE - near)
    wrong = words.sigmoid() * claim
    told = torch.stack([wrong.sum(1) / claim.sum(1).clamp(min=1), wrong.amax(1)], 1)
    pooled = linear(x[:, 0], head["pooler.dense.weight"], head["pooler.dense.bias"]).tanh()
    verdict = linear(pooled, head["verdict.weight"], head["verdict.bias"]) + linear(told, head["verdict.words"])
    return verdict, words.masked_fill(~claim, -torch.inf)
