"""Everything that needs CUDA, in ten minutes at most: encoding, generation, training (LoRA, QLoRA), a model a size up, llama.cpp, a server.

    make gpu-check                                  # written to benchmarks/results/gpu_check.json, with the name of the GPU
    python -m benchmarks.gpu_check --cpu            # the same code on the CPU with less of everything: printed, not written
    python -m benchmarks.gpu_check --model FOLDER   # a causal model to train a size up; else one of random weights is made

It ends with 3, and measures nothing, where torch finds no CUDA. What lacks a package, or the time, is left out with the reason; what
fails stands in the result with its error, and the rest is measured (--cpu then ends with 1). The model and the texts are the bundled
ones. A server (vLLM, say) is asked where OPENAI_BASE_URL names one.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.__main__ import NOT_HERE
from benchmarks._options import options
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.openai_compatible import OpenAICompatible
from core.generation.torch_lm import Transformers
from core.labs.adapters.training import train_adapter
from core.models.hardware import device, fast_dtype
from core.models.llama_packages import offloads
from core.progress import drain
from core.workbench import Workbench

BUDGET_S = 540.0
ALIKE = 0.999  # least cosine of a vector on the GPU with that of the CPU in float32
LARGER = {
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 15,
    "num_key_value_heads": 5,
}
SMALLER = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
}
Messages = list[list[dict[str, str]]]


class Place(NamedTuple):
    """Where is computed, on what, and how much of it. model: a folder, "" for random weights."""

    device: str
    workbench: Workbench
    texts: list[str]
    prompts: Messages
    steps: int
    tokens: int
    model: str

    @property
    def small(self) -> bool:
        return self.device == "cpu"


class LeftOut(Exception):
    """What is not measured here, and why."""


def place(workbench: Workbench, where: str, model: str) -> Place:
    corpus, small = drain(workbench.read_corpus(TrialConfig())), where == "cpu"
    texts = {document.id: document.text for document in corpus.documents}
    prompts = [
        [{"role": "user", "content": f"{texts[query.gold[0].document_id][: 400 if small else 1500]}\n\n{query.text}"}]
        for query in corpus.queries
        if query.gold
    ]
    count = 4 if small else 64
    return Place(
        where,
        workbench,
        list(texts.values())[: 16 if small else None],
        prompts[:count],
        2 if small else 40,
        8 if small else 64,
        model,
    )


def encoding(at: Place) -> dict[str, Any]:
    """The bundled encoder: texts a second, and how near its vectors are to those of the CPU in float32."""
    from core.embedding.bert import Bert
    from core.embedding.minilm import TokenEncoder
    from core.models.hub import bundled_folder

    folder, found = bundled_folder(), {}

    def vectors(name: str, dtype: str, texts: list[str]) -> np.ndarray:
        made = Bert(folder, dtype, name)
        encoder = TokenEncoder("all-MiniLM-L6-v2", folder, dtype, 256, "mean", lambda: made)
        list(encoder.encode(texts[:8]))  # what is compiled and copied at first is no part of the speed
        out, began = np.empty((len(texts), encoder.dim), np.float32), time.perf_counter()
        for rows, part in encoder.encode(texts):
            out[rows] = part
        found[f"{name} {dtype}"] = {"texts_per_s": len(texts) / (time.perf_counter() - began)}
        return out

    compared = at.texts[:64]
    reference = vectors("cpu", "float32", compared)
    for dtype in dict.fromkeys(("float32", fast_dtype())):
        nearest = (vectors(at.device, dtype, at.texts)[: len(compared)] * reference).sum(1).min()
        found[f"{at.device} {dtype}"]["least_cosine"] = float(nearest)
    if (worst := min(row.get("least_cosine", 1.0) for row in found.values())) < ALIKE:
        raise WorkbenchError(f"A vector of {at.device} has a cosine of {worst:.4f} with that of the CPU, less than {ALIKE}.")
    return {"texts": len(at.texts), **found}


def generator(at: Place, **knobs: Any) -> Transformers:
    return Transformers(device=at.device, max_tokens=at.tokens, own_process="no", **knobs)


def answered(at: Place, part: Any, speaks: bool = True) -> dict[str, Any]:
    """Greedy answers 8 at once. tokens_per_s: written, prompts read within. speaks: whether each has to have a text."""
    drain(part.generate_many(at.prompts[:1]))
    with peak(at.device) as memory:
        began = time.perf_counter()
        answers = drain(part.generate_many(at.prompts))
        seconds = time.perf_counter() - began
    failed = [answer.finish_reason for answer in answers if answer.finish_reason.startswith("failed")]
    if speaks and failed:
        raise WorkbenchError(f"{len(failed)} of {len(answers)} answers: {failed[0]}.")
    return {"answers": len(answers), "tokens_per_s": sum(a.answer_tokens or 0 for a in answers) / seconds, **memory}


def generation(at: Place) -> dict[str, Any]:
    return {dtype: answered(at, generator(at, dtype=dtype)) for dtype in dict.fromkeys(("float32", fast_dtype()))}


def four_bits(at: Place) -> dict[str, Any]:
    with_bitsandbytes()
    return answered(at, generator(at, dtype="nf4"))


def with_bitsandbytes() -> None:
    if find_spec("bitsandbytes") is None:
        raise LeftOut("bitsandbytes is not installed: python -m pip install -r requirements-4bit.txt")


def trained(at: Place, name: str, speaks: bool = True, **knobs: Any) -> dict[str, Any]:
    """By the verb of the page and the command line: steps, the test, and the adapter's answers afterwards."""
    part = generator(at, **knobs)
    examples = {"train_examples": 8 * at.steps, "validation_examples": 4, "test_examples": 4, "distractors": 0, "samples": 0}
    settings = {**examples, "max_steps": at.steps, "evaluate_every": at.steps, "answer_tokens": 16}
    config = TrialConfig(generation=part)
    with peak(at.device) as memory:
        made = drain(train_adapter(at.workbench, config, name, settings))
    worn = answered(at._replace(prompts=at.prompts[:4]), part.model_copy(update={"adapter": name}), speaks)
    return {
        "steps": made.steps,
        "trainable": made.trainable,
        "tokens_per_s": made.tokens_per_s,
        "loss": made.loss,
        "seconds": made.seconds,
        "with_the_adapter": worn,
        **memory,
    }


def lora(at: Place) -> dict[str, Any]:
    return trained(at, "gpu-check-lora")


def qlora(at: Place) -> dict[str, Any]:
    with_bitsandbytes()
    return trained(at, "gpu-check-qlora", dtype="nf4")


def size_up(at: Place) -> dict[str, Any]:
    """A model some times the bundled one's size: its time and memory; of random weights nothing else."""
    dtype = "nf4" if find_spec("bitsandbytes") and not at.small else "auto"
    if at.model:
        return {"model": Path(at.model).name, **trained(at, "gpu-check-size-up", model=at.model, dtype=dtype)}
    with tempfile.TemporaryDirectory() as folder:
        parameters = random_model(Path(folder), SMALLER if at.small else LARGER)
        made = trained(at, "gpu-check-size-up", speaks=False, model=folder, dtype=dtype)
    return {"model": "random weights", "parameters": parameters, "dtype": dtype, **made}


def random_model(folder: Path, shape: dict[str, int]) -> int:
    """The bundled model's tokenizer and settings with random weights of another shape, in a folder; how many they are."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from core.models.gguf_weights import converted

    source = converted(Transformers().source())
    config = AutoConfig.from_pretrained(source, local_files_only=True)
    config.update({**shape, "head_dim": shape["hidden_size"] // shape["num_attention_heads"]})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(folder)
    return model.num_parameters()


def llama_cpp(at: Place) -> dict[str, Any]:
    from core.generation.llama_engine import LlamaCpp

    if not (at.small or offloads()):
        raise LeftOut("this build of llama.cpp has no GPU; README, A GPU, tells how it is built with CUDA")
    layers = 0 if at.small else 999
    return answered(at, LlamaCpp(gpu_layers=layers, max_tokens=at.tokens, own_process="no"))


def server(at: Place) -> dict[str, Any]:
    """One after another: what answers there, and in what number format, is the server's affair."""
    if not (address := os.environ.get("OPENAI_BASE_URL")):
        raise LeftOut("OPENAI_BASE_URL names no server; `vllm serve FOLDER` puts one up, http://127.0.0.1:8000/v1 is its address")
    part, tokens, began = OpenAICompatible(base_url=address, max_tokens=at.tokens), 0, time.perf_counter()
    for messages in at.prompts[:8]:
        answer = drain(part.generate(messages))
        if answer.finish_reason.startswith("failed"):
            raise WorkbenchError(f"The server did not answer: {answer.finish_reason}.", where=address)
        tokens += answer.answer_tokens or 0
    return {"answers": len(at.prompts[:8]), "tokens_per_s": tokens / (time.perf_counter() - began)}


SECTIONS: dict[str, Callable[[Place], dict[str, Any]]] = {
    "encoding": encoding,
    "generation": generation,
    "lora": lora,
    "four_bits": four_bits,
    "qlora": qlora,
    "size_up": size_up,
    "llama_cpp": llama_cpp,
    "server": server,
}


@contextmanager
def peak(where: str) -> Iterator[dict[str, float]]:
    """Fills in the most that was held of the GPU's memory; of the CPU's nothing."""
    memory: dict[str, float] = {}
    if where != "cuda":
        yield memory
        return
    import torch

    torch.cuda.reset_peak_memory_stats()
    yield memory
    memory["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 1e6


def checked(at: Place, sections: dict[str, Callable[[Place], dict[str, Any]]] = SECTIONS) -> dict[str, Any]:
    """Each section: what it measured with its seconds, or why it failed or was left out. One that fails ends no other."""
    began, found = time.monotonic(), {}
    for name, measure in sections.items():
        print(f"  {name} …", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            if started - began > BUDGET_S:
                raise LeftOut(f"the {BUDGET_S:g} s were used up")
            found[name] = measure(at)
        except LeftOut as why:
            found[name] = {"left_out": str(why)}
        except (WorkbenchError, RuntimeError, OSError) as problem:  # what CUDA refuses is a RuntimeError
            found[name] = {"failed": str(problem).splitlines()[0][:300]}
        found[name]["section_s"] = round(time.monotonic() - started, 1)
    return found


def gpu() -> dict[str, Any]:
    import torch

    about = torch.cuda.get_device_properties(0)
    return {
        "gpu": about.name,
        "gpu_memory_gb": round(about.total_memory / 1e9, 1),
        "capability": f"{about.major}.{about.minor}",
        "cuda": torch.version.cuda,
    }


def main(cpu: bool = False, model: str = "") -> int:
    if not cpu and device() != "cuda":
        todo = "Run it where there is an NVIDIA GPU and a CUDA build of torch; --cpu tries the same code here."
        print(f"No GPU: torch finds no CUDA on this machine, so nothing was measured. {todo}", file=sys.stderr)
        return NOT_HERE
    with tempfile.TemporaryDirectory() as home:
        os.environ["GROUNDWORK_HOME"] = home
        at = place(Workbench(Path(home)), "cpu" if cpu else "cuda", model)
        found = checked(at)
    print(json.dumps({"device": "cpu, less of everything" if cpu else gpu(), **found}, indent=1))
    if failed := [name for name, section in found.items() if "failed" in section]:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if cpu and failed else 0


if __name__ == "__main__":
    given = options(__doc__, "--cpu", model="")
    sys.exit(main(given.cpu, given.model))
