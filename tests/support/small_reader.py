"""A reader whose weights are drawn by seed: what it marks means nothing, and every way that a reader goes can be tried on it."""

import json
from pathlib import Path

from core import files
from core.answering.reader import RECORD
from core.models.hub import bundled_folder, heads_home


def small_reader(name: str = "small", **record) -> Path:
    """Its folder in the data folder: the bundled encoder's shape in small, with its tokenizer. record: of its training, besides."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(str(bundled_folder()))
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForQuestionAnswering(BertConfig(vocab_size=len(tokenizer), initializer_range=0.5, **shape))
    folder = heads_home() / name
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    told = {"task": "spans", "labels": [], "config": {"max_tokens": 64, "out_of_scope": ""}}
    (folder / RECORD).write_text(json.dumps(record | told))
    files.seal_folder(folder)
    return folder
