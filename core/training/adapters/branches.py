"""Sequences that begin alike as one row: their beginning is read once, and a branch behind it sees nothing of the others.

The attention of such a row is computed block by block, each with the part of the beginning that it sees, so without most of what a mask
over the whole row would hide. Several rows are computed as one batch, where a GPU would wait for its next small matrix otherwise.
"""

from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

NAME = "branches"  # under which transformers knows this attention
BLOCK = 256  # tokens from which attention is computed


class BranchBlock(NamedTuple):
    """Tokens `begin` to `end`, which see the first `before` tokens of their row and each other. added: to their scores,
    [rows, 1, tokens, before + tokens]."""

    begin: int
    end: int
    before: int
    added: Any


def blocks(branch: Any, start: int, dtype: Any) -> list[BranchBlock]:
    """branch: [rows, tokens] int64, of each token of a row the number of its branch, rising from `start` on; 0 is the beginning, which is
    one of the first `start` tokens; what is below 0 there fills a shorter one."""
    import torch

    places, width = [*range(0, start, BLOCK), start], branch.shape[1]
    changes = (branch[0].diff().nonzero().flatten() + 1).tolist() if len(branch) == 1 else []  # rows have them in other places
    for end in (*changes, width):
        if end - places[-1] >= BLOCK or end == width:
            places.append(end)
    made = []
    for begin, end in pairwise(places):
        own, before = branch[:, begin:end], min(begin, start)
        beginning = (branch[:, None, :before] == 0).expand(-1, end - begin, -1)
        sees = torch.cat((beginning, (own[:, :, None] == own[:, None]).tril()), 2)  # [rows, query, key]
        added = torch.zeros(sees.shape, dtype=dtype, device=own.device).masked_fill(~sees, -1e9)
        made.append(BranchBlock(begin, end, before, added[:, None]))
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
    if _reach_all(model, config.num_hidden_layers):
        return True
    model.set_attn_implementation("sdpa")
    return False


class _Counted(list):
    """Blocks, and how often they were read."""

    read = 0

    def __iter__(self):
        self.read += 1
        return super().__iter__()


def _reach_all(model: Any, layers: int) -> bool:
    """Whether branches come to the attention of so many layers: some architectures (Falcon, StableLM) do not hand them on."""
    import torch

    ids = torch.zeros(1, 2, dtype=torch.long, device=model.device)
    told = _Counted(blocks(torch.arange(2, device=model.device)[None], 1, model.dtype))
    with torch.no_grad(), suppress(Exception):  # each architecture raises what it likes
        model(
            input_ids=ids,
            attention_mask=ids.new_zeros(1, 1, 1, 1),
            position_ids=torch.arange(2, device=model.device)[None],
            use_cache=False,
            branches=told,
        )
    return told.read == layers


def _attention(module, query, key, value, attention_mask, branches=None, dropout=0.0, scaling=None, **told):
    """query: [rows, heads, tokens, dim]; returns [rows, tokens, heads, dim]."""
    import torch
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    if branches is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **told)
    heads = query.shape[:2]
    key, value = (repeat_kv(each, heads[1] // each.shape[1]).flatten(0, 1) for each in (key, value))
    query, scaling, made = query.flatten(0, 1), query.shape[-1] ** -0.5 if scaling is None else scaling, []
    for begin, end, before, added in branches:
        keys, values = (torch.cat((each[:, :before], each[:, begin:end]), 1) for each in (key, value))
        added = added.expand(-1, heads[1], -1, -1).flatten(0, 1)
        seen = torch.baddbmm(added, query[:, begin:end], keys.transpose(1, 2), alpha=scaling).softmax(-1)
        made.append(torch.nn.functional.dropout(seen, dropout) @ values if dropout else seen @ values)
    return torch.cat(made, 1).unflatten(0, heads).transpose(1, 2), None
