"""What each stage of retrieval is worth to the answers of 200 questions of XQuAD, and whether anything of it is computed twice.

    python -m benchmarks.rag_ablation [--quick] [--home=FOLDER]

The bundled model answers without passages, with naive, hybrid and reranked retrieval, each with and without HyDE: paragraphs as chunks,
64 tokens an answer, all else as by default. Then the same is asked again, and what is asked or encoded counts as computed twice. A
folder goes on with what is kept there, so that a run that was stopped loses nothing. XQuAD comes from the folder that
GROUNDWORK_DATASETS names. --quick: 4 questions.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import DATASETS
from benchmarks._options import options
from core.config import TrialConfig, with_settings
from core.embedding import vectors
from core.labs.answers import rag_ablation as lab
from core.progress import drain
from core.workbench import Workbench

SETTINGS = {"corpus.dataset": "xquad-en", "chunking.part": "whole_document", "generation.max_tokens": 64}


class Computed:
    """Prompts that the generator was given, and texts and pairs that were encoded, while this stands."""

    def __init__(self, generator: type) -> None:
        self.asked = self.encoded = 0
        self._generator, self._bare = generator, (generator.generate_many, vectors._encode)

    def __enter__(self) -> "Computed":
        def generate_many(part: Any, prompts: list, *more: Any, **named: Any) -> Any:
            self.asked += len(prompts)
            return self._bare[0](part, prompts, *more, **named)

        def encode(encoder: Any, absent: dict, *more: Any) -> Any:
            self.encoded += len(absent)
            return self._bare[1](encoder, absent, *more)

        self._generator.generate_many, vectors._encode = generate_many, encode
        return self

    def __exit__(self, *_: object) -> None:
        self._generator.generate_many, vectors._encode = self._bare


def main(quick: bool, home: str) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    config, questions = with_settings(TrialConfig(), SETTINGS), 4 if quick else lab.QUESTIONS
    with tempfile.TemporaryDirectory() as fresh:
        runs = []
        for _ in range(2):
            bench, began = Workbench(Path(home or fresh)), time.perf_counter()
            with Computed(type(config.generation)) as computed:
                made = drain(lab.ablate_rag(bench, config, questions))
                [recorded] = bench.store.query("SELECT count(DISTINCT key) AS answers FROM set_answers")
            runs.append({"s": time.perf_counter() - began, "asked": computed.asked, "encoded": computed.encoded})
    rows = {line.pop("variant"): line for line in lab.table(made)}
    first, again = runs
    findings = {"told apart from naive": lab.sentences(made, config.evaluation.confidence)}
    counts = {"answers": sum(spent["answers"] for spent in made.spent.values()), "prompts_with_an_answer": recorded["answers"]}
    return {
        "questions": made.questions,
        **counts,
        "began_with_kept": bool(home),
        "first": first,
        "again": again,
        "variants": rows,
        **findings,
    }


if __name__ == "__main__":
    arguments = options(__doc__, "--quick", home="")
    print(json.dumps(main(arguments.quick, arguments.home)))
