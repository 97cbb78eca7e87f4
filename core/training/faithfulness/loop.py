"""The steps of the faithfulness model's training: what is drawn, the shares of both cores, and its validation."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import WorkbenchError
from core.judging.evidence import evidence
from core.judging.faithful_bert import CLAIM_TOKENS, ClaimReader, FaithfulPairs
from core.judging.judgement_models import model_folder
from core.models import hardware
from core.reranking.bert_pairs import ADAPTER
from core.statistics.roc import roc
from core.training.faithfulness.corrupted import Corruption
from core.training.faithfulness.model import FaithfulLowRank, Judgement
from core.training.faithfulness.sources import EXPERT_CLAIMS, OWN, SUPPORTED, Marked
from core.training.low_rank import LowRankLoop, read_all

SHARE_TOKENS = 1536  # of a share of a step
CHARACTERS = 5  # of evidence a token that is free for it: so that little is cut
UNWATCHED = ("citation_integrity", EXPERT_CLAIMS)  # people agree so little on them that their AUC goes up and down by itself
KINDS = {
    "snli": "pairs",
    "cad_nli": "pairs",
    "fever": "checked",
    "fool_me_twice": "checked",
    EXPERT_CLAIMS: "checked",
    OWN: "own",
}
ANSWERS = "answers"  # the kind of all other sources
WEIGHTS = {"qa_feedback": 3.0, "xsumfaith": 2.0, "fever": 0.5}  # of a claim beside others of its kind


class FaithfulLoop(LowRankLoop):
    """The model as it learns. told: claims people judged, `validation` those of groups that are not learnt from."""

    model: FaithfulLowRank

    def __init__(
        self,
        config: Any,
        base: Path,
        told: list[Marked],
        validation: list[Marked],
        made: Corruption,
        size: int,
        work: Path,
        mark: str,
    ) -> None:
        super().__init__(config, config.max_steps, "auc", work, mark)
        self._base, self._made, self._stories = base, made, size
        self._tokens, self._room = ClaimReader(base, config.max_tokens), CHARACTERS * (config.max_tokens - CLAIM_TOKENS)
        self._by_kind = {
            kind: [each for each in told if KINDS.get(each.source, ANSWERS) == kind] for kind in (*KINDS.values(), ANSWERS)
        }
        self._drawn = {kind: _shares_of([WEIGHTS.get(each.source, 1.0) for each in some]) for kind, some in self._by_kind.items()}
        shares = {kind: getattr(config, kind) if some else 0.0 for kind, some in self._by_kind.items() if kind != ANSWERS}
        shares["made"] = config.made if size else 0.0
        shares[ANSWERS] = max(0.0, 1 - sum(shares.values())) if self._by_kind[ANSWERS] else 0.0
        self._kinds, self._often = list(shares), _shares_of(shares.values())
        self._validation = validation
        self._read = [self.judgement(each) for each in validation]
        model = FaithfulLowRank(base, config.lora_rank, config.layers, config.seed)
        self._take(model, lambda name, _: ".lora_" in name or name == "pooler.dense.weight")

    def begin_with(self, name: str) -> None:
        """The weights of that model instead of those that have learnt nothing."""
        import torch
        from safetensors.torch import load_file

        begun = load_file(model_folder(name) / ADAPTER)
        if {place: w.shape for place, w in begun.items()} != {place: w.shape for place, w in self._weights.items()}:
            raise WorkbenchError(
                f"The model '{name}' has other matrices than this training.",
                where="begin_with",
                todo="Give this training the lora_rank and layers of the model that it goes on from.",
            )
        with torch.no_grad():
            for place, weight in self._weights.items():
                weight.copy_(begun[place])

    def judgement(self, claim: Marked) -> Judgement:
        """The claim as the model reads it."""
        read, beside = self._tokens.of([claim.answer, evidence(claim.passages, claim.answer, self._room)])
        wrong = None
        if claim.spans is not None:
            wrong = np.zeros(min(len(read.ids), CLAIM_TOKENS), np.float32)
            for span in claim.spans:
                touched = (read.places[: len(wrong), 0] < span.end) & (read.places[: len(wrong), 1] > span.start)
                wrong[touched] = np.maximum(wrong[touched], span.share)
        return Judgement(self._tokens.sequence(read.ids, beside.ids), claim.verdict, wrong)

    def batch(self, step: int) -> list[Judgement]:
        """Of step 0, 1, …"""
        draw = np.random.default_rng([self.config.seed, 1 << 20, step])
        some = []
        for place in draw.choice(len(self._kinds), self.config.batch_size, p=self._often):
            kind = self._kinds[place]
            if kind == "made":
                claim = self._made.any(draw)
            else:
                claim = self._by_kind[kind][int(draw.choice(len(self._by_kind[kind]), p=self._drawn[kind]))]
            if claim is not None:
                some.append(self.judgement(claim))
        return some

    def _shares(self) -> list[list[Judgement]]:
        some = sorted(self.batch(self.step), key=lambda each: -len(each.sequence[0]))
        shares: list[list[Judgement]] = []
        tokens = 0
        for each in some:
            if not shares or tokens + len(each.sequence[0]) > SHARE_TOKENS:
                shares.append([])
                tokens = 0
            shares[-1].append(each)
            tokens += len(each.sequence[0])
        return shares

    def _loss(self, leaves: dict[str, Any], share: list[Judgement], step: Sequence[Judgement]) -> Any:
        verdicts, marked = sum(each.verdict >= 0 for each in step), sum(each.wrong is not None for each in step)
        return self.model.loss(leaves, share, self.config.word_weight, (float(max(1, verdicts)), float(max(1, marked))))

    def _measured(self) -> dict[str, float]:
        """By data set: AUC of the verdicts (supported or not), and of the words; auc is the mean of all but those of UNWATCHED."""
        judged = self.judge([each.sequence for each in self._read])
        values: dict[str, float] = {}
        for source in sorted({each.source.split()[0] for each in self._validation}):
            rows = [i for i, each in enumerate(self._validation) if each.source.split()[0] == source]
            verdicts = [i for i in rows if self._read[i].verdict >= 0]
            wrong = np.array([self._read[i].verdict != SUPPORTED for i in verdicts])
            if 0 < wrong.sum() < len(wrong):
                values[f"{source}_claims"] = _auc(np.array([1 - judged[i][0][0] for i in verdicts]), wrong)
            marked = [i for i in rows if self._read[i].wrong is not None and len(self._read[i].wrong)]
            if marked:
                words = np.concatenate([self._read[i].wrong for i in marked]) >= 0.5
                if 0 < words.sum() < len(words):
                    values[f"{source}_words"] = _auc(np.concatenate([judged[i][1] for i in marked]), words)
        values = {name: round(float(value), 6) for name, value in values.items()}
        watched = [value for name, value in values.items() if not name.startswith(UNWATCHED)]
        return values | {"auc": round(float(np.mean(watched)), 6) if watched else 0.0}

    def judge(self, sequences: list[tuple[np.ndarray, int]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """What the model says of each sequence as it is now."""
        model = FaithfulPairs(self._base, hardware.fast_dtype(), "cpu", self.model.merged())
        return read_all(model.judge, sequences)


def _shares_of(weights: Iterable[float]) -> np.ndarray:
    """They sum to 1; where all are 0, each is."""
    values = np.array(list(weights), np.float64)
    return values / (values.sum() or 1.0)


def _auc(scores: np.ndarray, positive: np.ndarray) -> float:
    return roc(scores, positive).auc.mean
