"""Articles: whether what they cite bears them out, kills, several at once, and the gate against people.

    python -m benchmarks.articles [--quick] [--only=citations,kills] [--articles=20]

Each section is recorded as soon as it is measured; --only measures these anew. citations: so many articles on questions of the Python
language reference by the bundled model; citation precision and recall by entailment (not by the measure that the gate uses), how many
sentences were quoted, how articles ended. kills: a process that writes an article is killed at 50 moments, and begun again each time.
at_once: four processes write four articles and all of them a fifth. gate: on QAGS' CNN/DailyMail summaries, from the folder that
GROUNDWORK_DATASETS names. --quick: a tenth of the articles and kills.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import DATASETS, ROOT
from benchmarks._options import options
from benchmarks._sections import measured
from benchmarks.promises import bounded
from core.articles import steps
from core.articles.against_people import gate_against_people
from core.articles.publishing import sources
from core.articles.writing import write_article
from core.config import TrialConfig
from core.judging.measure import AnswerCase
from core.labs.scores.judging import measure_all, measures
from core.progress import drain
from core.statistics.proportion import unit_intervals
from core.store.journal import Journal
from core.workbench import Workbench

CITED = ("citation_precision", "citation_recall")
KILLS, WRITERS = 50, 4


def topics(bench: Workbench, number: int) -> list[str]:
    """Questions that the corpus answers, the same each time."""
    asked = [query.text for query in bench.corpus(TrialConfig()).queries if query.answers]
    return random.Random(0).sample(asked, number)


def citations(number: int, home: Path) -> dict[str, Any]:
    bench, config, made = Workbench(home), TrialConfig(), []
    for topic in topics(bench, number):
        made.append(drain(write_article(bench, config, topic)))
    written = [each for each in made if each.draft]
    cases = [_as_answer(each) for each in written]
    scored = {each.measure.part: each.values for each in drain(measure_all(bench, config, measures(CITED), cases))}
    ways = Counter(sentence.way for each in written for sentence in each.draft)
    means = {name: unit_intervals(values)[0] for name, values in scored.items()}
    return {
        "articles": len(made),
        "states": dict(Counter(each.state for each in made)),
        "sentences": sum(ways.values()),
        "quoted": ways[steps.QUOTED] / max(1, sum(ways.values())),
        **{name: bounded(each) for name, each in means.items()},
    }


def _as_answer(made: steps.Article) -> AnswerCase:
    """The article with its marks, over the sentences that it cites."""
    cited = sources(made)
    text = " ".join(f"{sentence.text.rstrip('.')} [{cited.index(sentence.note) + 1}]." for sentence in made.draft)
    return AnswerCase(made.topic, text, tuple(made.notes[note - 1].text for note in cited), asked_to_cite=True)


def _writer(home: Path, topic: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "core", "articles", "write", topic, "--json"]
    env = {**os.environ, "GROUNDWORK_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _twice(home: Path) -> int:
    """Steps and texts of models that are recorded more than once."""
    keys: Counter[tuple[str, str]] = Counter()
    journal = Journal(home / "journal")
    for entry in journal.listing().values():
        if entry.kind in (steps.KIND, "model_texts"):
            keys.update((entry.kind, key) for key in journal.load(entry.path).payload["values"])
    return sum(count - 1 for count in keys.values())


def kills(number: int, home: Path) -> dict[str, Any]:
    bench, draw, done, ended = Workbench(home), random.Random(0), 0, 0
    drain(bench.prepare(TrialConfig()))
    for topic in topics(bench, number):
        while done < number:
            process = _writer(home, topic)
            try:
                process.wait(draw.uniform(2, 14))
                ended += 1
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                done += 1
    made = [drain(write_article(bench, TrialConfig(), each.topic)) for each in steps.articles(bench)]
    return {
        "kills": done,
        "ended_between": ended,
        "articles": len(made),
        "twice": _twice(home),
        "unfinished": sum(not each.gate for each in made),
    }


def at_once(number: int, home: Path) -> dict[str, Any]:
    bench = Workbench(home)
    drain(bench.prepare(TrialConfig()))
    *own, shared = topics(bench, WRITERS + 1)
    began = time.perf_counter()
    for asked in (own, [shared] * WRITERS):
        for process in [_writer(home, topic) for topic in asked]:
            process.wait()
    seconds = time.perf_counter() - began
    made = steps.articles(Workbench(home))
    holes = sum(each.state not in ("accepted", "waits for a person", "no evidence") for each in made)
    return {"articles": len(made), "lost": WRITERS + 1 - len(made) + holes, "writing_s": seconds}


def gate(number: int, home: Path) -> dict[str, Any]:
    return drain(gate_against_people(Workbench(home), TrialConfig(), DATASETS / "qags/mturk_cnndm.jsonl"))


SECTIONS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "citations": citations,
    "kills": kills,
    "at_once": at_once,
    "gate": gate,
}


def main(only: str, articles: int, quick: bool) -> dict[str, Any]:
    sizes = {"citations": int(articles), "kills": KILLS}
    sizes = {name: max(2, size // 10) if quick else size for name, size in sizes.items()}
    return measured("articles", {name: partial(section, sizes.get(name, 0)) for name, section in SECTIONS.items()}, only, quick)


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", only="", articles=20)))))
