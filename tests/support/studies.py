"""Stored answers, and labels of some of a list."""

from core.annotation import worklist
from core.config import TrialConfig
from tests.support.annotated import judge


def add_answers(workbench, questions=6, models=("one.gguf", "two.gguf")):
    for model in models:
        config = TrialConfig().model_dump(mode="json")
        config["generation"] |= {"model": model}
        for n in range(questions):
            for seed in (0, 1):  # the second run is the latest
                workbench.store.add(
                    "answer",
                    {
                        "question": f"What is {n}?",
                        "text": f"{model} says {n}, run {seed}.",
                        "finish_reason": "stop",
                        "model": model,
                        "config": {**config, "seed": seed},
                        "hits": [{"document_id": "d", "title": "T", "start": 3, "end": 8, "text": "words", "rank": 1}],
                    },
                )
    workbench.store.add(
        "answer", {"question": "Lost?", "text": "x", "finish_reason": "failed: no model", "config": {}, "hits": []}
    )


def some(workbench, frozen, who, count, **changes):
    for _ in range(count):
        judge(workbench, frozen, who, worklist.Worklist(workbench, frozen, who).next_open(), **changes)
