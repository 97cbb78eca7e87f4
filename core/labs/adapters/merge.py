"""An adapter added to its model for good, or the sum of several: a folder for transformers and a GGUF file for llama.cpp, held against
the adapter."""

import json
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import files
from core.config import TrialConfig
from core.corpus.library import split
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.odds import log_softmax
from core.generation.torch_lm import Transformers
from core.labs.adapters.training import base_of
from core.models.adapters import WEIGHTS, checked_adapter, weights_of
from core.models.hardware import machine
from core.models.hub import adapters_home
from core.models.merged_gguf import write_gguf
from core.progress import Running
from core.records import Progress
from core.workbench import Workbench

CHECKED = 20  # prompts
ANSWER_TOKENS = 40
DEADLINE_S = 300.0  # of an answer


def merge_adapter(
    workbench: Workbench, config: TrialConfig, name: str, out: Path | None, scale: float = 1.0, checked: int = CHECKED
) -> Generator[Progress, None, dict[str, Any]]:
    """Writes both, and answers the first questions of the corpus' test half, or where that has none of all, by adapter, merged model and
    llama.cpp, greedily. name: as `generation.adapter` has it."""
    import torch

    part = base_of(config).model_copy(update={"adapter": name, "adapter_scale": scale, "dtype": "float32", "device": "cpu"})
    part = part.model_copy(update={"own_process": "no", "temperature": 0.0, "max_tokens": ANSWER_TOKENS, "reuse_prefix": False})
    source = part.source()
    adapters = [checked_adapter(each, part.opens()[0][0]) for each in weights_of(name)]
    title = "+".join(adapter.name for adapter in adapters)
    folder = (out or adapters_home() / f"{title}-merged").expanduser()
    if folder.exists():
        raise WorkbenchError(
            "There is something of this name already.", where=str(folder), todo="Take another --out, or delete it."
        )
    corpus = yield from workbench.read_corpus(config)
    questions = [query.text for query in split(corpus, "test").queries or corpus.queries][:checked]
    if not questions:
        raise WorkbenchError(
            "The corpus has no questions, by whose answers the merged model is held against the adapter.",
            where=config.corpus.dataset,
            todo="Take a corpus with questions (corpus.dataset).",
        )
    yield Progress(0, 3, "Merging")
    model = part.opens()[1]()
    model.adapter.merge(name, scale)
    touched = set().union(*map(touched_by, adapters))
    weights = model.model.state_dict()
    size = sum(tensor.nbytes for tensor in weights.values())
    file = ""
    with files.made_whole(folder, "The merged model", size) as made:
        model.model.save_pretrained(made)
        model.tokenizer.save_pretrained(made)
        if source.is_file():
            yield Progress(1, 3, "Writing the GGUF file")

            def matrix(key: str) -> np.ndarray | None:
                return weights[key].to(torch.float32).numpy() if key in weights else None

            write_gguf(source, made / f"{title}.gguf", matrix)
            file = f"{title}.gguf"
        record = {"adapter": name, "scale": scale, "base": model.name, "base_sha256": model.sha256, "matrices": len(touched)}
        (made / "merged.json").write_text(json.dumps(record, indent=1), "utf-8")
    weights.clear()
    del model  # the engines below load their own
    prompts = [[{"role": "user", "content": question}] for question in questions]
    yield Progress(2, 3, "Comparing what they say")
    engines = {"adapter": part, "merged": part.model_copy(update={"model": str(folder), "adapter": ""})}
    if file:
        more = {
            "context_tokens": part.context_tokens,
            "weights": "as_bundled",
            "own_process": part.own_process,
            "reuse_prefix": False,
        }
        engines["llama_cpp"] = LlamaCpp(model=str(folder / file), temperature=0.0, max_tokens=ANSWER_TOKENS, **more)
    told = yield from _compared(engines, prompts)
    record |= {"prompts": len(prompts), "tokens_per_s": told["tokens_per_s"], "against_the_adapter": told["against_the_adapter"]}
    files.write_whole(folder / "merged.json", json.dumps(record, indent=1), "The record of the merged model")
    files.write_whole(folder / "README.md", card(record, machine()), "The card of the merged model")
    return {"folder": str(folder), "gguf": str(folder / file) if file else None, **record, "texts": told["texts"]}


def touched_by(adapter: Path) -> set[str]:
    """Names of the matrices of the base that the adapter changes."""
    from safetensors import safe_open

    with safe_open(adapter / WEIGHTS, "numpy") as tensors:
        return {key.removeprefix("base_model.model.").partition(".lora_")[0] + ".weight" for key in tensors.keys()}  # noqa: SIM118


def card(record: dict[str, Any], where: str) -> str:
    """The model card: what was merged, and how each engine compares with the adapter beside its base."""
    rows = [f"| adapter beside the base, torch | {record['tokens_per_s']['adapter']:.1f} | | | |"]
    for name, row in record["against_the_adapter"].items():
        title = {"merged": "this folder, torch", "llama_cpp": "the GGUF file, llama.cpp"}[name]
        told = f"{record['tokens_per_s'][name]:.1f} | {row['speed_up']:.2f} | {row['same_text']} | {row['largest_logprob_difference']:.3g}"
        rows.append(f"| {title} | {told} |")
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "tags: [lora, merged]",
            "---",
            f"# {record['base']} with {record['adapter']}",
            "",
            f"The adapter is added to {record['matrices']} matrices of the base for good, at scale {record['scale']:g}, in float32. "
            f"Base: {record['base_sha256']}.",
            "",
            f"{record['prompts']} questions answered greedily, one at a time, the engines in turns ({where}):",
            "",
            "| Engine | Tokens a second | Times as fast | Same texts | Largest difference of a log-probability |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            "Tokens a second count the prompt's time too; times as fast is the median of the questions' ratios.",
            "",
        ]
    )


def _compared(
    engines: dict[str, Transformers | LlamaCpp], prompts: Sequence[list[dict[str, str]]]
) -> Generator[Progress, None, dict[str, Any]]:
    """Greedy texts, logits of the first token, and seconds a token, against the adapter's."""
    models = {name: part.opens()[1]() for name, part in engines.items()}  # all at once: they take turns
    texts: dict[str, list[str]] = {name: [] for name in engines}
    logits: dict[str, list[np.ndarray]] = {name: [] for name in engines}
    paces: dict[str, list[float]] = {name: [] for name in engines}
    for number, prompt in enumerate(prompts):
        for name, part in engines.items():
            yield Progress(number, len(prompts), f"Comparing what they say: {name}")
            model = models[name]
            logits[name].append(np.array(model.next_logits(part, model.prompt(prompt), ()), np.float64))
            began = time.perf_counter()
            for _ in (running := Running(model.answer(part, prompt, 0, began, began + DEADLINE_S))):
                pass
            texts[name].append(running.result.text)
            paces[name].append((time.perf_counter() - began) / max(1, running.result.answer_tokens))
    rows = {}
    for name in list(engines)[1:]:
        gaps = [log_softmax(a) - log_softmax(b) for a, b in zip(logits[name], logits["adapter"], strict=True)]
        likely = [log_softmax(b) > np.log(1e-4) for b in logits["adapter"]]
        rows[name] = {
            "same_text": sum(a == b for a, b in zip(texts[name], texts["adapter"], strict=True)),
            "same_first_token": sum(int(a.argmax() == b.argmax()) for a, b in zip(logits[name], logits["adapter"], strict=True)),
            "largest_logprob_difference": max(float(np.abs(gap[some]).max()) for gap, some in zip(gaps, likely, strict=True)),
            "speed_up": float(np.median(np.array(paces["adapter"]) / np.array(paces[name]))),
        }
    return {
        "tokens_per_s": {name: 1 / float(np.median(each)) for name, each in paces.items()},
        "against_the_adapter": rows,
        "texts": [dict(zip(texts, each, strict=True)) for each in zip(*texts.values(), strict=True)],
    }
