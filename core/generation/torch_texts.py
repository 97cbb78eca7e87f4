"""How likely a plain text is to a model, without a prompt or a chat template: what perplexity is made of."""

import time
from collections.abc import Generator
from typing import Any

from core.generation.torch_model import TorchModel


def text_nats(
    model: TorchModel, knobs: Any, texts: list[str], most_tokens: int, deadline: float
) -> Generator[int, None, list[tuple[float, int]]]:
    """Of each text's first tokens: the sum of -ln p(token | those before), and how many; the first token has none before it."""
    import torch

    from core.errors import WorkbenchError

    model.ready(knobs)
    sums = []
    for done, text in enumerate(texts):
        if time.perf_counter() > deadline:
            raise WorkbenchError("The texts were not read before the deadline.", todo="Ask for fewer, or for fewer tokens.")
        ids = torch.tensor([model.tokenize(text)[:most_tokens]], device=model.device)
        if ids.shape[1] < 2:
            sums.append((0.0, 0))
            continue
        with torch.inference_mode():
            logits = model.model(input_ids=ids, use_cache=False).logits[0, :-1]
            nats = torch.nn.functional.cross_entropy(logits.float(), ids[0, 1:], reduction="sum")
        sums.append((float(nats), ids.shape[1] - 1))
        yield done + 1
    return sums
