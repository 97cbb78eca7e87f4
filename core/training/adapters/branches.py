"""Sequences that begin alike as one row: their beginning is read once, and a branch behind it sees nothing of the others.

The attention of such a row is computed block by block, each with the part of the beginning that it sees, so without most of what a mask
over the whole row would hide.
"""

from itertools import pairwise
from typing import Any, NamedTuple

NAME = "branches"  # under which transformers knows this attention
BLOCK = 256  # tokens from which attention is computed


class BranchBlock(NamedTuple):
    """Tokens `begin` to `end`, which see the first `before` tokens of the row and each other. added: to their scores,
    [tokens, before + tokens]."""

    begin: int
    end: int
    before: int
    added: Any


def blocks(branch: Any, start: int, dtype: Any) -> list[BranchBlock]:
    """branch: [tokens] int64, of each token of the row the number of its branch, rising; the first `start` tokens are the beginning."""
    import torch

    places, made = [*range(0, start, BLOCK), start], []
    for end in (*(branch.diff().nonzero().flatten() + 1).tolist(), len(branch)):
        if end - places[-1] >= BLOCK or end == len(branch):
            places.append(end)
    for begin, end in pairwise(places):
        own, before = branch[begin:end], min(begin, start)
        sees = torch.cat((own.new_ones(len(own), before, dtype=torch.bool), (own[:, None] == own).tril()), 1)  # [query, key]
        added = torch.zeros(sees.shape, dtype=dtype, device=own.device).masked_fill(~sees, -1e9)
        made.append(BranchBlock(begin, end, before, added))
    return made


def takes_branches(model: Any) -> bool:
    """Whether its attention takes `branches` as an argument of the model from now on; others it computes as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = model.config.get_text_config()
    # a layer that sees the last tokens alone takes no other mask
    if config._attn_implementation not in ("sdpa", NAME) or config.to_dict().get("sliding_window") is not None:
        return False
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    return True


def _attention(module, query, key, value, attention_mask, branches=None, dropout=0.0, scaling=None, **told):
    """query: [rows, heads, tokens, dim], with branches one row; returns [rows, tokens, heads, dim]."""
    import torch
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    if branches is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **told)
    key, value = (repeat_kv(each, query.shape[1] // each.shape[1])[0] for each in (key, value))
    scaling, made = query.shape[-1] ** -0.5 if scaling is None else scaling, []
    for begin, end, before, added in branches:
        keys, values = (torch.cat((each[:, :before], each[:, begin:end]), 1) for each in (key, value))
        added = added.expand(len(keys), -1, -1)
        seen = torch.baddbmm(added, query[0, :, begin:end], keys.transpose(1, 2), alpha=scaling).softmax(-1)
        made.append(torch.nn.functional.dropout(seen, dropout) @ values if dropout else seen @ values)
    return torch.cat(made, 1).transpose(0, 1)[None], None
