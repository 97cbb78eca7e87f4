"""Several prompts side by side, each with one passage: what their next-token distributions say together, and what each makes
of a given answer (Lewis et al. 2020, arXiv:2005.11401, section 2.1)."""

import time
from collections.abc import Generator
from typing import Any, NamedTuple

from core.generation.local_model import Draft, in_time
from core.generation.protocol import Generated, ShownText
from core.generation.torch_model import TorchModel

Prompts = list[list[dict[str, str]]]


class Mixed(NamedTuple):
    """An answer written from the mixed distribution, and for each of its tokens what the passages had in it."""

    generated: Generated
    pieces: tuple[str, ...]
    logprobs: tuple[float, ...]  # of the mixed distribution
    shares: tuple[tuple[float, ...], ...]  # p(passage | token and those before), a number a passage


def mixed(
    model: TorchModel, knobs: Any, prompts: Prompts, log_prior: list[float], seed: int, started: float, deadline: float
) -> Generator[str, None, Mixed]:
    """RAG-Token (its equation 2): each token by p(y_i | x, y_<i) = sum over passages z of p(z | x) p(y_i | x, z, y_<i).

    A token's share of a passage is p(z | x) p(y_i | x, z, y_<i) over that sum. The sampling settings act on the mixed
    distribution; with one passage it is that of the plain prompt, read as a plain prompt is.
    """
    import torch

    model.ready(knobs)
    reads = [model.prompt(messages) for messages in prompts]
    room = min(knobs.max_tokens, *(model.room(knobs, len(read.tokens)) for read in reads))
    draft = Draft(reads[0], room, None, 0, ShownText(knobs.stop), model.decoder(), model.sampler(knobs, seed))
    prior, decode = torch.tensor(log_prior, dtype=torch.float64)[:, None], model.decoder()
    pieces, logprobs, shares, reused = [], [], [], 0
    if len(reads) == 1:
        reading = model.read(reads[0], None if knobs.reuse_prefix else 0)
        reused = next(reading)
    else:
        reading = model.read_all(reads)
    for _ in reading:
        yield ""
        if time.perf_counter() > deadline:
            break
    mask, logits = model.mask(reads), model.last
    while not draft.reason:
        if time.perf_counter() > deadline:
            yield draft.end("deadline")
            break
        joint = prior + logits.double().log_softmax(-1)  # [passages, vocabulary]
        whole = joint.logsumexp(0)
        token = draft.sampler(draft.ids, whole)
        before = len(draft.ids)
        yield draft.add(token, model, whole.numpy)
        if len(draft.ids) > before:  # it was not the end
            pieces.append(decode(token))
            logprobs.append(float(whole[token]))
            shares.append(tuple((joint[:, token] - whole[token]).exp().tolist()))
        if not draft.reason:
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            logits = model.after(torch.full((len(reads), 1), token), mask)
    free = knobs.model_copy(update={"json_schema": ""})  # which does not bind it
    generated = model.generated(free, draft, reused, started)._replace(
        prompt="\n\n".join(read.text for read in reads), prompt_tokens=sum(len(read.tokens) for read in reads)
    )
    return Mixed(generated, tuple(pieces), tuple(logprobs), tuple(shares))


def answer_logprobs(
    model: TorchModel, knobs: Any, prompts: Prompts, answers: list[str], deadline: float
) -> Generator[int, None, list[list[list[float]]]]:
    """For each answer and prompt the natural log-probability of each token, that of an end behind the last."""
    import torch

    model.ready(knobs)
    reads = [model.prompt(messages) for messages in prompts]
    mask, tables, held = model.mask(reads), [], 0
    first = None  # logits [prompts, vocabulary] of the first token
    for done, answer in enumerate(answers):
        tokens = model.tokenize(answer)
        for read in reads:
            model.room(knobs, len(read.tokens) + len(tokens))
        if not held:
            for _ in model.read_all(reads):
                yield done
                in_time(deadline)
            first = model.last
        logits = first[:, None]
        if tokens:
            ids = torch.tensor([tokens] * len(reads))
            more = model.after(ids, torch.nn.functional.pad(mask, (0, len(tokens)), value=1), keep=len(tokens))
            logits = torch.cat([logits, more.reshape(len(reads), len(tokens), -1)], 1)
        logs = logits.double().log_softmax(-1)  # [prompts, tokens + 1, vocabulary]
        ended, placed = logs[:, -1, sorted(model.ends)].logsumexp(-1), range(len(tokens))
        tables.append([[*row[placed, tokens].tolist(), float(end)] for row, end in zip(logs, ended, strict=True)])
        held = model.keep(mask.shape[1])
        yield done + 1
        in_time(deadline)
    return tables
