"""A step of training with low-rank matrices: ours, which merges them once and gives each core a share, to peft's over transformers.

The same batch of question-passage pairs from `python-reference` (12 lists of 5, as the cross-encoder is trained), the same rank and
layers, forward and backward; medians of interleaved repeats. That both have the same gradient is a test
(`tests/training/test_rerankers.py`).
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._options import options
from core.chunking.chunk import chunk_texts
from core.config import build
from core.models.all_cores import on_all_cores, workers_alone
from core.models.hub import bundled_folder
from core.progress import drain
from core.reranking.bert_pairs import PairTokens
from core.training.low_rank import SCALE
from core.training.rerankers.loop import LISTS_AT_ONCE
from core.training.rerankers.model import LowRank, list_loss
from core.training.rerankers.settings import RerankerTraining
from core.workbench import Workbench

LISTS, REPEATS = 12, 7
Sequence = tuple[np.ndarray, int]


def pairs(most_tokens: int) -> list[list[Sequence]]:
    """Questions with five passages each, as the model reads them."""
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(Path(home))
        run = bench.resolve(build({"corpus": {"dataset": "python-reference"}}))
        texts = chunk_texts(drain(bench.pipeline.chunks(run)), run.corpus.documents)
        queries = [query.text for query in run.corpus.queries[:LISTS]]
    tokens, draw = PairTokens(bundled_folder(), most_tokens), np.random.default_rng(0)
    passages = tokens.ids([texts[i] for i in draw.choice(len(texts), 5 * LISTS, replace=False)])
    return [
        [tokens.windows(question, passages[5 * row + place])[0] for place in range(5)]
        for row, question in enumerate(tokens.ids(queries))
    ]


def ours(model: LowRank, lists: list[list[Sequence]], gold: np.ndarray) -> None:
    leaves = model.leaves()
    shares = [lists[i : i + LISTS_AT_ONCE] for i in range(0, len(lists), LISTS_AT_ONCE)]

    def learn(share: list[list[Sequence]]) -> dict:
        import torch

        with torch.enable_grad():
            scores = model.scores(leaves, [each for some in share for each in some])
            return model.gradients(leaves, list_loss("listwise", scores, [gold] * len(share)) / len(lists))

    pool, workers = workers_alone()
    done = [gradients for _, gradients in on_all_cores(pool, workers, learn, enumerate(shares))]
    model.divided({name: sum(each[name].float() for each in done) for name in done[0]})


def of_peft(settings: RerankerTraining):
    """(a step, as a function of the lists) by peft over transformers' BERT, as its documentation trains it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import BertForSequenceClassification

    base = BertForSequenceClassification.from_pretrained(bundled_folder(), num_labels=1, dtype=torch.float32)
    count = base.config.num_hidden_layers
    lora = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=SCALE * settings.lora_rank,
        target_modules=["query", "key", "value", "dense"],
        layers_pattern="layer",
        layers_to_transform=list(range(count - settings.layers, count)),
        task_type="SEQ_CLS",
    )
    model = get_peft_model(base, lora).train()

    def step(lists: list[list[Sequence]], gold: np.ndarray) -> None:
        from core.models import hardware

        sequences = [each for some in lists for each in some]
        longest = max(len(ids) for ids, _ in sequences)
        ids, mask, types = (torch.zeros(len(sequences), longest, dtype=torch.long) for _ in range(3))
        for row, (tokens, at) in enumerate(sequences):
            ids[row, : len(tokens)] = torch.from_numpy(tokens)
            mask[row, : len(tokens)], types[row, at : len(tokens)] = 1, 1
        with torch.autocast("cpu", torch.bfloat16, enabled=hardware.fast_dtype() == "bfloat16"):
            scores = model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits[:, 0].float()
        model.zero_grad()
        (list_loss("listwise", scores, [gold] * len(lists)) / len(lists)).backward()

    return step


def main() -> dict:
    settings = RerankerTraining()
    lists, gold = pairs(settings.max_tokens), np.array([True, False, False, False, False])
    model, peft = LowRank(bundled_folder(), settings.lora_rank, settings.layers, 0), of_peft(settings)
    seconds: dict[str, list[float]] = {"ours": [], "peft": []}
    for repeat in range(REPEATS + 1):
        for name, step in (("ours", lambda: ours(model, lists, gold)), ("peft", lambda: peft(lists, gold))):
            began = time.perf_counter()
            step()
            if repeat:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(some) for name, some in seconds.items()}
    lengths = [len(ids) for some in lists for ids, _ in some]
    return {
        "pairs": len(lengths),
        "mean_tokens": float(np.mean(lengths)),
        "longest_tokens": max(lengths),
        "rank": settings.lora_rank,
        "layers": settings.layers,
        "seconds": medians,
        "times_as_fast": medians["peft"] / medians["ours"],
    }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main(), indent=1))
