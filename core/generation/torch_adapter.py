"""Adapters beside the weights of a loaded torch model: put on, scaled, taken off again, and never one that was not asked for.

The base's weights are never written to: taken off, its modules stand where they stood, so its logits are the very same. That is
looked at each time, and a base that came back as another one is loaded anew, and told.
Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685; several at once:
`core.models.adapters.weights_of`.
"""

import zlib
from collections.abc import Callable
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.models.adapters import SETTINGS, WEIGHTS, adapter_hash, checked_adapter, folder_of, lora_settings, wearing
from core.models.loading import importing, readable

TODO = "Copy the folder back from a backup, or train it again."


class Wearing:
    """What a model wears. Used only by who holds the model's lock."""

    def __init__(self, model: Any, base: str, load_again: Callable[[], Any]) -> None:
        """base: identity of the model's files. load_again: loads and returns the model anew."""
        self._model, self._base, self._load_again = model, base, load_again
        self._bare: dict[str, int] = {}  # sums of the weights, from before the first adapter
        self._tuner: Any = None
        self._touched = False  # also by an adapter that did not fit
        self._worn: dict[str, tuple[str, float]] = {}  # name -> identity, how much of it counts

    def change(self, adapter: str, scale: float) -> bool:
        """Puts these on in the place of those before, as the knobs `adapter` and `adapter_scale` say. Whether anything changed."""
        wanted = {name: (adapter_hash(name), weight) for name, weight in wearing(adapter, scale, self._base).items()}
        if wanted == self._worn:
            return False
        if [(name, content) for name, (content, _) in wanted.items()] != [(n, content) for n, (content, _) in self._worn.items()]:
            self._take_off()
            try:
                for name in wanted:
                    self._put_on(name, len(wanted) > 1)
            except BaseException:
                self._take_off()
                raise
        self._scale([weight for _, weight in wanted.values()])
        self._worn = wanted
        return True

    def merge(self, adapter: str, scale: float) -> None:
        """Adds them to the weights for good: of a model that nobody else uses."""
        self.change(adapter, scale)
        if self._tuner is not None:
            self._tuner.merge_and_unload()
            self._tuner = None

    def _put_on(self, name: str, several: bool) -> None:
        with importing:
            from peft import get_peft_model

        config, weights = read(name, self._base)
        if several and config.use_dora:
            todo = "Take it alone, or merge it and train the others on that model."
            raise WorkbenchError(
                f"The adapter '{name}' is DoRA's, which has no sum with others.", where=str(folder_of(name)), todo=todo
            )
        place = _place(0 if self._tuner is None else len(self._tuner.peft_config))
        with readable(f"The adapter '{name}' does not fit the model", str(folder_of(name) / SETTINGS), TODO):
            if self._tuner is None:
                self._bare, self._touched = self._bare or sums(self._model), True
                self._tuner = get_peft_model(self._model, config, place)
            else:
                self._tuner.add_adapter(place, config)
        fill(self._tuner, place, name, weights)
        self._tuner.base_model.set_adapter([*self._tuner.peft_config], inference_mode=True)
        self._model.eval()

    def _scale(self, weights: list[float]) -> None:
        from peft.tuners.lora import LoraLayer

        for module in self._model.modules():
            if isinstance(module, LoraLayer):
                for place, weight in enumerate(weights):
                    module.set_scale(_place(place), weight)

    def _take_off(self) -> None:
        if not self._touched:
            return
        if self._tuner is not None:
            self._tuner.unload()
        self._tuner, self._worn = None, {}
        if sums(self._model) != self._bare:
            files.tell("The weights of a loaded model had changed while an adapter was on it, so it was loaded again.")
            self._model = None  # its memory is free before the new one takes its own
            self._model = self._load_again()
        self._touched = False


def read(name: str, base: str) -> tuple[Any, dict[str, Any]]:
    """peft's settings of an adapter of the model with this identity, and its weights by name."""
    with importing:
        from peft import LoraConfig
    from safetensors.torch import load_file

    folder = checked_adapter(name, base)
    with readable(f"The adapter '{name}' cannot be read", str(folder), TODO):
        weights = load_file(folder / WEIGHTS)
        settings = lora_settings(folder)
        config = LoraConfig(**settings, init_lora_weights=False, inference_mode=True, task_type="CAUSAL_LM")
    ranks = (config.r, *config.rank_pattern.values())
    if max(ranks) > max((weight.shape[0] for key, weight in weights.items() if "lora_A" in key), default=0):
        what = f"The adapter '{name}' says that it has rank {max(ranks):,}, and its weights have less."
        raise WorkbenchError(what, where=str(folder / SETTINGS), todo=TODO)
    if any(not weight.isfinite().all() for weight in weights.values()):
        raise WorkbenchError(f"The adapter '{name}' holds what is no number.", where=str(folder / WEIGHTS), todo=TODO)
    return config, weights


def fill(tuner: Any, place: str, name: str, weights: dict[str, Any]) -> None:
    """Copies the weights of the adapter `name` into those that peft calls `place`."""
    import torch

    with importing:
        from peft.utils import get_peft_model_state_dict
    # copied by hand: where the model is asked for its state or given one, bitsandbytes packs weights of four bits in another way
    held = get_peft_model_state_dict(tuner, dict(tuner.named_parameters()), place)
    missing, unknown = sorted(held.keys() - weights.keys()), sorted(weights.keys() - held.keys())
    wrong = sorted(key for key in held.keys() & weights.keys() if weights[key].shape != held[key].shape)
    for what, keys in (("lacks", missing), ("has beside what its settings say", unknown), ("has of another shape", wrong)):
        if keys:
            words = f"The adapter '{name}' {what} {len(keys)} tensors, the first is {keys[0]}."
            raise WorkbenchError(words, where=str(folder_of(name) / WEIGHTS), todo=TODO)
    with torch.no_grad():
        for key, weight in weights.items():
            held[key].copy_(weight)


def sums(model: Any) -> dict[str, int]:
    """Of all weights, by name: other numbers, names or layers give others. On a processor some 0.4 s for 135 million."""
    return {name: _sum(weight) for name, weight in model.named_parameters()}


def _sum(weight: Any) -> int:
    import torch

    held = weight.detach().reshape(-1).view(torch.uint8)
    return zlib.crc32(held.numpy()) if held.device.type == "cpu" else int(held.sum(dtype=torch.int64))


def _place(number: int) -> str:
    """peft's own name of an adapter; people's names may hold points, which it cannot take."""
    return f"worn{number}"
