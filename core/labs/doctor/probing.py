"""What each trial of a native library does, in a process of its own; `core.models.probes` starts it and judges."""

import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

from core.errors import WorkbenchError
from core.models import probes


def _token() -> str:
    from core.generation.llama_engine import LlamaCpp
    from core.progress import drain

    part = LlamaCpp(own_process="no", adapter="", weights="as_bundled", max_tokens=4, context_tokens=256, gpu_layers=999)
    made = drain(part.generate([{"role": "user", "content": "Name a colour."}], deadline_s=60))
    return f"{made.answer_tokens} tokens, the first after {made.first_token_ms:.0f} ms"


def _amx() -> str:
    """Reads a text with and without the kernels: a compiler may have broken them without ending the process."""
    from pydoc_data.topics import topics

    import numpy as np

    from core.generation.gguf_files import LARGEST_DIVERGENCE, PLACES
    from core.generation.llama_model import PIECE, LlamaModel
    from core.generation.odds import divergence, log_softmax
    from core.models import amx, llama_packages

    def read() -> np.ndarray:
        model = LlamaModel(llama_packages.bundled(), 512, 2, 0)
        tokens, rows = model.tokenize(topics["with"])[: PIECE + PLACES], []
        for at, end in [(0, PIECE), *((at, at + 1) for at in range(PIECE, len(tokens)))]:
            model.evaluate(tokens[at:end], at)
            rows.append(model.logits())
        return log_softmax(np.array(rows, np.float64))  # [places, vocabulary]

    without = read()
    amx.trial.set()
    told = f"predictions lie {(apart := divergence(without, read())):.3g} nats from those without the kernels"
    if not apart <= LARGEST_DIVERGENCE:  # nor where it is no number
        raise RuntimeError(told)
    return told


def _embedding() -> str:
    import numpy as np

    from core.embedding.minilm import MiniLM

    encoder = MiniLM().load()
    vectors = np.asarray(next(value for value in encoder.encode(["a small text"]) if value is not None)[1])
    return f"a vector of {vectors.shape[-1]} numbers of length {np.linalg.norm(vectors):.2f}"


def _vectors() -> Any:
    import numpy as np

    rows = np.random.default_rng(0).standard_normal((2000, 64), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _faiss() -> str:
    from core.index.faiss_hnsw import FaissHNSW
    from core.index.faiss_ivf_pq import FaissIVFPQ

    return _searched(FaissHNSW(), FaissIVFPQ())


def _hnswlib() -> str:
    from core.index.hnswlib_graph import Hnswlib

    return _searched(Hnswlib())


def _searched(*parts: Any) -> str:
    rows = _vectors()
    for part in parts:
        candidates = part.build(rows, None).search(rows[:20], 5)
        if (candidates.chunk < 0).all():
            raise RuntimeError(f"{part.part} finds nothing")
    return f"{' and '.join(part.part for part in parts)} of {len(rows):,} vectors built and searched"


def _chromadb() -> str:
    from core.index.chroma import Chroma

    return _searched(Chroma())


def _lancedb() -> str:
    from core.index.lancedb_table import LanceDB

    return _searched(LanceDB())


def _pdf() -> str:
    from core.report.figures import export

    made = export({"data": [{"type": "scatter", "x": [1, 2], "y": [1, 2]}], "layout": {}}, "pdf")
    return f"a page of {len(made) / 1000:.0f} kB"


RUNS: dict[str, Callable[[], str]] = {
    "llama.cpp": _token,
    "AMX": _amx,
    "torch": _embedding,
    "faiss": _faiss,
    "hnswlib": _hnswlib,
    "chromadb": _chromadb,
    "lancedb": _lancedb,
    "PDF": _pdf,
}


def main(name: str) -> None:
    """In the child."""
    probes.assume_all_work()
    with tempfile.TemporaryDirectory(prefix="groundwork-probe-") as home:
        os.environ["GROUNDWORK_HOME"] = home
        try:
            told = {"ok": True, "said": RUNS[name]()}
        except WorkbenchError as error:
            told = {"ok": False, "said": str(error)}
        except Exception as error:
            told = {"ok": False, "said": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]:.300}"}
    print(f"\n{json.dumps(told)}", flush=True)
