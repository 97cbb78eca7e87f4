"""The steps of an encoder's training: the model, its optimiser, the loss, and what is written."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core import files
from core.models import hardware
from core.models.loading import WEIGHTS_HERE, check_weights, data_only, readable
from core.models.text import encodable
from core.training.steps import WEIGHT_DECAY, TrainingSteps

LORA_LAYERS = r"encoder\..*\.(query|key|value|dense)"
TOKEN_CHARACTERS = 40  # of a text that is cut, so many a token are looked at


class Loop(TrainingSteps):
    """The encoder as it learns."""

    learnt = "model.safetensors"  # where its weights are written
    remedy = "Lower learning_rate, raise temperature or warmup"

    def __init__(self, config, base: Path, batches, validation, work: Path, mark: str) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import BertModel
        from transformers.utils import logging

        logging.set_verbosity_error()  # it reports the pooling layer that is left out on purpose
        logging.disable_progress_bar()
        super().__init__(config, batches.steps, config.watch, work, mark, batch_size=batches.size)
        self._base, self._batches, self._validation = base, batches, validation
        torch.manual_seed(config.seed)
        self._device = hardware.device()
        # eager: backward through torch's fused attention takes twice as long on a CPU in bfloat16
        with readable(where=str(base)):
            self._model = BertModel.from_pretrained(
                data_only(base), add_pooling_layer=False, dtype=torch.float32, attn_implementation="eager", **WEIGHTS_HERE
            )
            check_weights(self._model, str(base))
        if config.method == "lora":
            from peft import LoraConfig, get_peft_model

            lora = LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, lora_dropout=0.0, target_modules=LORA_LAYERS)
            self._model = get_peft_model(self._model, lora)
        self._model.to(self._device)
        self._tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self._pad = self._model.config.pad_token_id or 0
        self._weights = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._weights.values(), lr=0.0, weight_decay=WEIGHT_DECAY)

    def _learn(self) -> tuple[float, Callable[[], None]]:
        import torch

        batch = self._batches.batch(self.step)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout, the same after a restart
        self._model.train()
        with self._autocast():
            questions = self._vectors(self._ids(batch.questions, self.config.question_tokens))
            passages = self._vectors(self._ids(batch.passages, self.config.passage_tokens))
        loss = info_nce(questions, passages, torch.from_numpy(batch.masked), self.config.temperature)
        return self._learnt_from(loss)

    def _measured(self) -> dict[str, float]:
        check = self._validation
        return check.measure(
            self._encode(check.questions, self.config.question_tokens), self._encode(check.texts, self.config.passage_tokens)
        )

    def _encode(self, texts: list[str], most_tokens: int) -> np.ndarray:
        """Vectors [len(texts), dim] float32 as the model is now."""
        import torch

        self._model.eval()
        ids = self._ids(texts, most_tokens)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        with torch.inference_mode(), self._autocast():
            parts = [
                self._vectors([ids[i] for i in order[first : first + 64]]).cpu().numpy() for first in range(0, len(order), 64)
            ]
        vectors = np.concatenate(parts)
        vectors[order] = vectors.copy()
        return vectors

    def _autocast(self):
        import torch

        return torch.autocast(self._device, torch.bfloat16, enabled=hardware.fast_dtype() == "bfloat16")

    def _ids(self, texts: list[str], most_tokens: int) -> list[list[int]]:
        self._tokenizer.enable_truncation(most_tokens)
        self._tokenizer.no_padding()
        heads = [encodable(text[: TOKEN_CHARACTERS * most_tokens]) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(heads)]

    def _vectors(self, ids: list[list[int]]):
        """Mean-pooled vectors of length 1 [len(ids), dim] float32."""
        import torch

        longest = max(map(len, ids))
        padded = torch.tensor([row + [self._pad] * (longest - len(row)) for row in ids], device=self._device)
        real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=self._device)
        hidden = self._model(input_ids=padded, attention_mask=real).last_hidden_state.float()  # [n, longest, dim]
        mean = (hidden * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1)

    def write(self, folder: Path) -> None:
        """The encoder as a sentence-transformers folder, LoRA merged into its weights, the adapter beside them."""
        from safetensors.torch import load_file, save_file

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        model = self._model
        if self.config.method == "lora":
            model.save_pretrained(folder / "adapter")
            (folder / "adapter" / "README.md").unlink(missing_ok=True)
            settings = files.read_json(folder / "adapter" / "adapter_config.json", of=dict)
            settings["base_model_name_or_path"] = self.config.base
            (folder / "adapter" / "adapter_config.json").write_text(json.dumps(settings, indent=1), "utf-8")
            model = model.merge_and_unload()
        weights = load_file(self._base / "model.safetensors")
        for name, tensor in model.state_dict().items():
            weights[name if name in weights else f"bert.{name}"] = tensor.detach().cpu().float().contiguous()
        with files.disk_reported("The encoder", folder, sum(tensor.nbytes for tensor in weights.values())):
            save_file(weights, folder / self.learnt, metadata={"format": "pt"})
        keep = ("*.json", "vocab.txt", "*/config.json", "model.safetensors")
        for file in [file for pattern in keep for file in self._base.glob(pattern)]:
            target = folder / file.relative_to(self._base)
            if file.name != "training.json" and not target.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
        del self._optimizer, self._model


def info_nce(questions, passages, masked, temperature: float):
    """Mean over questions of -log softmax(similarity / temperature) at their own passage.

    questions [B, dim], passages [P, dim] of length 1, passage i that of question i for i < B; masked [B, P] bool.
    """
    import torch

    scores = (questions @ passages.T / temperature).masked_fill(masked.to(questions.device), -math.inf)
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(questions), device=questions.device))
