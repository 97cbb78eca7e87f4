"""A corpus of realistic size: MedQuAD's 16,407 answers read, chunked, embedded and searchable; memory; a 1% edit.

Everything runs through the command line, in a fresh data folder, so that the peak memory is that of a user's own run.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

from benchmarks import DATASETS, ROOT
from benchmarks._options import options
from core.config import TrialConfig, with_settings
from core.pipeline.preparing import EncoderTools
from core.progress import drain
from core.records import Document
from core.workbench import Workbench


def command(home: str, *arguments: str) -> tuple[dict, float, float]:
    """(result, seconds, peak MB of the largest child so far) of one command."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "GROUNDWORK_HOME": home},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return json.loads(done.stdout), time.perf_counter() - began, peak


def edited_share(home: str, config: TrialConfig, share: float) -> dict:
    """Words added in the middle of a share of the documents: how many chunks then have to be embedded anew."""
    from core.chunking.chunk import chunk_documents, chunk_texts
    from core.embedding.vectors import missing

    workbench = Workbench(home)
    documents = list(workbench.corpus(config).documents)
    draw = random.Random(0)
    for place in draw.sample(range(len(documents)), round(share * len(documents))):
        text = documents[place].text
        middle = text.find(" ", len(text) // 2)
        documents[place] = Document(documents[place].id, f"{text[:middle]} as revised in the new edition{text[middle:]}")
    tools = EncoderTools(config.embedding, workbench.pipeline.vectors_folder)
    chunks = drain(chunk_documents(tuple(documents), config.chunking, tools))
    anew = len(missing(config.embedding, chunk_texts(chunks, documents), workbench.pipeline.vectors_folder))
    return {"documents_edited": share, "chunks": len(chunks), "chunks_embedded_anew": anew, "share": anew / len(chunks)}


def main() -> dict:
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    recipe = ["--dataset", "medquad", "--set", "chunking.part=recursive"]
    config = with_settings(TrialConfig(), {"corpus.dataset": "medquad"})
    with tempfile.TemporaryDirectory() as home:
        prepared, seconds, peak = command(home, "prepare", *recipe)
        _, seconds_again, _ = command(home, "prepare", *recipe)
        hits, search_s, _ = command(home, "search", "What are the symptoms of glaucoma?", *recipe)
        trial, run_s, peak_run = command(home, "run", *recipe)
        edit = edited_share(home, config, 0.01)
        return {
            "documents": prepared["documents"],
            "questions": prepared["questions"],
            "chunks": prepared["chunks"],
            "prepare_s": seconds,
            "prepare_peak_mb": peak,
            "prepare_again_s": seconds_again,
            "search_from_cold_s": search_s,
            "hits": len(hits),
            "run_s": run_s,
            "peak_mb": peak_run,
            "median_latency_ms": trial["costs"]["latency_ms"],
            "edit": edit,
        }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main()))
