"""An adapter beside the weights of a loaded torch model: put on, scaled, taken off again, never two of them.

The base's weights are never written to: taken off, its modules stand where they stood, so its logits are the very same.
Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685.
"""

from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.models.adapters import SETTINGS, WEIGHTS, adapter_hash, checked_adapter
from core.models.loading import importing, readable

TODO = "Copy the folder back from a backup, or train it again."


class Wearing:
    """What a model wears. Used only by who holds the model's lock."""

    def __init__(self, model: Any, base: str) -> None:
        """base: identity of the model's files."""
        self._model, self._base = model, base
        self._tuner: Any = None
        self._worn = ("", "", 0.0)  # name, identity, scale

    def change(self, name: str, scale: float) -> bool:
        """Puts this adapter on in place of the one before; name "" or scale 0: none. Whether anything changed."""
        wanted = ("", "", 0.0)
        if name and scale:
            checked_adapter(name, self._base)
            wanted = (name, adapter_hash(name), scale)
        if wanted == self._worn:
            return False
        if wanted[:2] != self._worn[:2]:
            self._take_off()
            if name and scale:
                self._put_on(name)
        if self._tuner is not None:
            self._scale(scale)
        self._worn = wanted
        return True

    def merge(self, name: str, scale: float) -> None:
        """Adds the adapter to the weights for good: of a model that nobody else uses."""
        self.change(name, scale)
        if self._tuner is not None:
            self._tuner.merge_and_unload()
            self._tuner = None

    def _put_on(self, name: str) -> None:
        import torch

        with importing:
            from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
            from peft.utils import get_peft_model_state_dict
        from safetensors.torch import load_file

        folder = checked_adapter(name, self._base)
        with readable(f"The adapter '{name}' cannot be read", str(folder), TODO):
            weights = load_file(folder / WEIGHTS)
            config = LoraConfig.from_pretrained(folder)
        config.inference_mode = True
        self._refuse_stack()
        with readable(f"The adapter '{name}' does not fit the model", str(folder / SETTINGS), TODO):
            self._tuner = get_peft_model(self._model, config)
        try:
            expected = {key: value.shape for key, value in get_peft_model_state_dict(self._tuner).items()}
            self._compare(name, folder, expected, weights)
            set_peft_model_state_dict(self._tuner, weights)
            self._model.eval()
            with torch.no_grad():
                if any(not weight.isfinite().all() for weight in weights.values()):
                    raise WorkbenchError(f"The adapter '{name}' holds what is no number.", where=str(folder / WEIGHTS), todo=TODO)
        except BaseException:
            self._take_off()
            raise

    def _compare(self, name: str, folder: Path, expected: dict[str, Any], weights: dict[str, Any]) -> None:
        missing, unknown = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
        wrong = sorted(key for key in expected.keys() & weights.keys() if weights[key].shape != expected[key])
        for what, keys in (("lacks", missing), ("has beside what its settings say", unknown), ("has of another shape", wrong)):
            if keys:
                words = f"The adapter '{name}' {what} {len(keys)} tensors, the first is {keys[0]}."
                raise WorkbenchError(words, where=str(folder / WEIGHTS), todo=TODO)

    def _scale(self, scale: float) -> None:
        from peft.tuners.lora import LoraLayer

        for module in self._model.modules():
            if isinstance(module, LoraLayer):
                module.set_scale("default", scale)

    def _take_off(self) -> None:
        if self._tuner is not None:
            self._tuner.unload()
            self._tuner, self._worn = None, ("", "", 0.0)
            self._refuse_stack()

    def _refuse_stack(self) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        if any(isinstance(module, BaseTunerLayer) for module in self._model.modules()):
            todo = "Start the app anew: the model is then loaded without any."
            raise WorkbenchError("The loaded model still wears an adapter.", where="generation.adapter", todo=todo)
