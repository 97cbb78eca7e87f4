"""How long 1,190 answers take by every measure that asks no generator: `python -m benchmarks.answer_measures`.

Questions of XQuAD; an answer is the sentence of the paragraph that holds its gold answer, cited, with that paragraph and four others as
passages. In each round every measure scores them all in turn, first with nothing kept, then with the encoder's vectors kept. Loading
the encoder is not counted. Medians of the rounds, wall clock; processor seconds beside them tell what another load took.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks.promises import spread
from core import registry
from core.config import TrialConfig
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.judging.claims import SENTENCE
from core.judging.measure import AnswerCase, AnswerMeasure, JudgeTools, scores
from core.progress import drain
from core.records import Token

ROUNDS = 3
TOPICS = ("reference", "faithfulness", "citations", "context")


def cases() -> Iterator[AnswerCase]:
    data = json.loads((DATASETS / "xquad/xquad.en.json").read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
    texts = [paragraph["context"] for paragraph in paragraphs]
    for place, paragraph in enumerate(paragraphs):
        passages = tuple(texts[(place + i) % len(texts)] for i in range(5))
        for asked in paragraph["qas"]:
            start = asked["answers"][0]["answer_start"]
            sentence = next(match.group() for match in SENTENCE.finditer(texts[place]) if match.end() > start)
            answer = sentence.strip().rstrip(".") + " [1]."
            tokens = tuple(Token(word + " ", -0.1) for word in answer.split())
            gold, covered = tuple(each["text"] for each in asked["answers"]), (frozenset({0}), *[frozenset()] * 4)
            yield AnswerCase(asked["question"], answer, passages, gold, True, 1, covered, tokens=tokens)


def measured(parts: list[AnswerMeasure], answers: list[AnswerCase], folder: Path) -> dict[str, tuple[float, float]]:
    """Seconds and processor seconds of each."""
    tools, taken = JudgeTools(MiniLM(), partial(embed, folder=folder), TrialConfig().generation), {}
    for part in parts:
        began, worked = time.perf_counter(), time.process_time()
        drain(scores(part, answers, tools))
        taken[part.part] = time.perf_counter() - began, time.process_time() - worked
    return taken


def main() -> dict:
    answers = list(cases())
    classes = registry.parts("measure").values()
    parts = [part() for part in classes if part.topic in TOPICS and not part.asks_model]
    first, again = [], []
    with tempfile.TemporaryDirectory() as folder:
        measured(parts, answers[:2], Path(folder) / "warm")
        for number in range(ROUNDS):
            first.append(measured(parts, answers, Path(folder) / str(number)))
            again.append(measured(parts, answers, Path(folder) / str(number)))
    reference = [part.part for part in parts if part.topic == "reference"]
    words = [part.part for part in parts if part.topic == "reference" and not part.encodes]

    def sums(rounds: list[dict], names: list[str], which: int) -> list[float]:
        return [sum(taken[name][which] for name in names) for taken in rounds]

    return {
        "answers": len(answers),
        "by_words_s": median(sums(first, words, 0)),
        "kept_s": median(sums(again, reference, 0)),
        "first_s": median(sums(first, reference, 0)),
        "first_processor_s": median(sums(first, reference, 1)),
        "measures": {part.part: {"first_s": median(taken[part.part][0] for taken in first)} for part in parts},
        "spread": {
            "by_words_s": spread(sums(first, words, 0)),
            "kept_s": spread(sums(again, reference, 0)),
            "first_s": spread(sums(first, reference, 0)),
        },
        "load": list(os.getloadavg()[:2]),
    }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main()))
