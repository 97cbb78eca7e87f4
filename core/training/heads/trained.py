"""A model with its head as training left it: what it says of examples, and the same by ONNX Runtime."""

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import files
from core.errors import WorkbenchError
from core.models.hub import heads_home
from core.models.loading import check_sealed, readable
from core.records import Progress
from core.training.heads.loop import collated, head_of, predictions_of, windows
from core.training.heads.tasks import TASKS, Task

ONNX = "model.onnx"
TRIED = 100  # texts of the test by which both are compared
REPEATS = 5


class HeadModel:
    """Of the folder of its name."""

    def __init__(self, name: str) -> None:
        self.folder = heads_home() / Path(name).name
        if not (self.folder / "training.json").exists():
            names = sorted(file.parent.name for file in heads_home().glob("[!.]*/training.json"))
            todo = f"Models here: {', '.join(names) or 'none yet'}."
            raise WorkbenchError(f"There is no model '{name}'.", where=str(heads_home()), todo=todo)
        self.record = files.read_json(self.folder / "training.json", "The record of the training", of=dict)
        check_sealed(self.folder, "The model")
        self.task: Task = TASKS[self.record["task"]](self.record["labels"], self.record["config"]["out_of_scope"])
        self.most_tokens = self.record["config"]["max_tokens"]
        self.model, self.tokenizer = head_of(self.folder, None, self.task.head)

    def predict(self, examples: Sequence[Any]) -> list[Any]:
        return predictions_of(self.task, self.model, self.tokenizer, examples, self.most_tokens)

    def export_onnx(self, examples: Sequence[Any]) -> Generator[Progress, None, dict[str, Any]]:
        """Writes the model for ONNX Runtime beside itself; says how far its logits are from torch's and how much faster it is, one
        text at a time, medians of interleaved repeats."""
        import torch

        yield Progress(0, 2, "Writing the model for ONNX Runtime")
        path, first = self.folder / ONNX, self._tensors(examples[0])
        # tensors of their own, of two rows: what is given twice, or has one row, is taken for a constant
        sample = {name: torch.ones(2, 16, dtype=torch.long).cumsum(0) for name in first}
        axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
        outputs = ["start_logits", "end_logits"] if self.task.kind == "spans" else ["logits"]
        self.model.eval()
        # whole, and sealed at once: a folder with a file that is not as it was sealed is no model any more
        with readable("The model cannot be written for ONNX Runtime", str(path)), files.made_whole(path, "The model") as made:
            torch.onnx.export(
                self.model,
                kwargs=sample,
                f=str(made),
                input_names=list(first),
                output_names=outputs,
                dynamic_shapes={name: axes for name in first},
                external_data=False,
                verbose=False,
            )
        files.seal_folder(self.folder)
        yield Progress(1, 2, "Comparing it with torch")
        compared = self._compared(path, examples[:TRIED], outputs)
        return {"file": str(path), "bytes": path.stat().st_size} | compared

    def _compared(self, path: Path, examples: Sequence[Any], outputs: list[str]) -> dict[str, Any]:
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        tensors = [self._tensors(example) for example in examples]
        arrays = [{name: tensor.numpy() for name, tensor in some.items()} for some in tensors]
        furthest, seconds = 0.0, np.empty((REPEATS, 2))
        for repeat in range(REPEATS):
            began = time.perf_counter()
            with torch.inference_mode():
                ours = [self.model(**some) for some in tensors]
            between = time.perf_counter()
            theirs = [session.run(outputs, some) for some in arrays]
            seconds[repeat] = between - began, time.perf_counter() - between
        for own, other in zip(ours, theirs, strict=True):
            furthest = max(furthest, *(float(np.abs(own[n].numpy() - v).max()) for n, v in zip(outputs, other, strict=True)))
        torch_ms, onnx_ms = 1000 * np.median(seconds, axis=0) / len(examples)
        return {"largest_logit_difference": furthest, "torch_ms": torch_ms, "onnx_ms": onnx_ms, "speed_up": torch_ms / onnx_ms}

    def _tensors(self, example: Any) -> dict[str, Any]:
        """Of its first window, as one row."""
        return collated([windows(self.task, self.tokenizer, [example], self.most_tokens)[0][0].inputs], self.tokenizer)
