"""Answers to a question set: how fast they are written and judged, and how many a change of the recipe costs.

    python -m benchmarks.answers [--quick]

Questions of XQuAD drawn by the recipe's seed, answered 16 at once by the bundled model and kept as they come, take turns with the
bare batches of the generator on the same prompts. Then the passages are ranked otherwise, and what the model is asked is counted
beside the questions whose passages changed. Containment and entailment judge 1,000 answers of three sentences with five passages
each, twice in one folder; blame judges one answer of 10,000 words. The data come from the folder that GROUNDWORK_DATASETS names.
--quick: less of it.
"""

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks.answer_measures import cases
from benchmarks.promises import spread
from benchmarks.rag_ablation import Computed
from core import registry
from core.answering.protocol import Material
from core.config import TrialConfig, with_settings
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed, missing
from core.generation.model_texts import BATCH, DEADLINE_S
from core.judging.claims import SENTENCE
from core.judging.measure import AnswerCase, JudgeTools, scores
from core.labs.answers import answering
from core.progress import drain
from core.workbench import Workbench

WORDS = 10_000


def main(quick: bool = False) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    with tempfile.TemporaryDirectory() as home:
        workbench = Workbench(Path(home))
        # by words, so that nothing is embedded; short prompts and answers leave the share of what is not the engine's the greatest
        settings = {
            "corpus.dataset": "xquad-en",
            "fusion.part": "sparse_only",
            "context.passages": 1,
            "generation.max_tokens": 32,
        }
        # beside other work two threads of the engine wait for each other most of the time, which says nothing of the job
        threads = 1 if os.getloadavg()[0] > (os.cpu_count() or 1) else 0
        config = with_settings(TrialConfig(), settings | {"generation.threads": threads})
        answers = BATCH * (2 if quick else 6)
        result = written(workbench, config, answers) | {"changed": changed(workbench, config, answers)}
    judged = list(cases())[: 20 if quick else 1000]
    with tempfile.TemporaryDirectory() as folder:
        result["judged"] = judging([each._replace(answer=three(each)) for each in judged], Path(folder))
        result["blame_of_10000_words"] = blaming(judged, Path(folder))
    return result | {"threads": threads or os.cpu_count(), "load": list(os.getloadavg()[:2])}


def written(workbench: Workbench, config: TrialConfig, answers: int) -> dict[str, Any]:
    """Tokens a second of the job that keeps answers, to the generator's own batches."""
    part = config.generation
    part.choice()  # converted once; not part of any time below
    evaluation = workbench.evaluate(config)
    rows = answering.drawn(evaluation.corpus.queries, config.seed, answers)
    asked = answering.askings(workbench, evaluation, rows)
    prompts = []
    for each in asked:
        hits = list(each.hits())
        prompts.append(Material(each.question, hits, part, config.context, 0.0).prompt(hits).messages)
    drain(part.generate_many(prompts[:2], None, DEADLINE_S, 2))  # loaded
    spent = {"job": [0, 0.0], "bare": [0, 0.0]}
    shares = []

    def job(first: int) -> int:
        some = asked[first : first + BATCH]
        drain(answering.write(workbench, evaluation.run, some))
        return sum(said.answer_tokens for said in answering.answers_to(workbench, some))

    def bare(first: int) -> int:
        made = drain(part.generate_many(prompts[first : first + BATCH], [config.seed] * BATCH, DEADLINE_S, BATCH))
        return sum(one.answer_tokens for one in made)

    # batch by batch in turns: the machine may change within a minute
    for number, first in enumerate(range(0, len(asked), BATCH)):
        speeds = {}
        for name, work in (("job", job), ("bare", bare))[:: -1 if number % 2 else 1]:
            started = time.perf_counter()
            tokens = work(first)
            seconds = time.perf_counter() - started
            spent[name][0] += tokens
            spent[name][1] += seconds
            speeds[name] = tokens / seconds
        shares.append(speeds["job"] / speeds["bare"])
        print(f"    batch {number + 1}: {speeds['job']:.1f} of {speeds['bare']:.1f} tokens/s", file=sys.stderr, flush=True)
    rates = {name: tokens / seconds for name, (tokens, seconds) in spent.items()}
    return {
        "share": rates["job"] / rates["bare"],
        "tokens_per_s": rates,
        "answers": len(asked),
        "spread": {"share": spread(shares)},
    }


def changed(workbench: Workbench, config: TrialConfig, answers: int) -> dict[str, int]:
    """Another ranking of the same chunks: questions whose passages changed, and prompts that the model was asked."""
    other = with_settings(config, {"sparse.k1": 3.0, "sparse.b": 0.0})
    known = {each.key for each in answering.answer_set(workbench, workbench.evaluate(config), answers).askings}
    with Computed(type(config.generation)) as computed:
        made = drain(answering.answer_questions(workbench, other, answers))
    touched = sum(each.key not in known for each in made.askings)
    return {"questions": answers, "touched": touched, "generated": computed.asked, "beyond": computed.asked - touched}


def three(case: AnswerCase) -> str:
    """Three sentences of the first passage, each told from those of other questions by the gold answer before it."""
    texts = [match.group().strip() for match in SENTENCE.finditer(case.passages[0])]
    return " ".join(f"{case.references[0].rstrip('.')}: {text}" for text in texts[:3])


def judging(answers: list[AnswerCase], folder: Path) -> dict[str, Any]:
    """Seconds of both measures, and of a second time; again: pairs that were not kept then."""
    read: list[str] = []

    def keeping(part: Any, texts: list[str], query: bool = False) -> Any:
        read.extend(missing(part, texts, folder, query))
        return (yield from embed(part, texts, folder, query))

    tools = JudgeTools(MiniLM(), keeping, TrialConfig().generation)
    parts = [registry.find("measure", name)() for name in ("containment", "entailment")]
    drain(scores(parts[1], answers[:1], tools._replace(embed=partial(embed, folder=folder / "warm"))))
    taken: list[dict[str, float]] = []
    pairs: list[int] = []
    for _ in range(2):
        read.clear()
        began, worked = time.perf_counter(), time.process_time()
        for part in parts:
            drain(scores(part, answers, tools))
        taken.append({"s": time.perf_counter() - began, "processor_s": time.process_time() - worked})
        pairs.append(len(read))
    return {"answers": len(answers), **taken[0], "pairs": pairs[0], "again": pairs[1], "again_s": taken[1]["s"]}


def blaming(answers: list[AnswerCase], folder: Path) -> dict[str, float]:
    """Seconds of one answer that is too long to be one, once with its own short reference and once with one as long."""
    words = " ".join(each.passages[0] for each in answers[::5]).split()
    words = (words * (WORDS // len(words) + 1))[:WORDS]
    tools, blame = (
        JudgeTools(MiniLM(), partial(embed, folder=folder), TrialConfig().generation),
        registry.find("measure", "blame")(),
    )
    taken = {}
    for name, references in (("short_reference_s", answers[0].references), ("as_long_s", (" ".join(words[::-1]),))):
        began = time.perf_counter()
        drain(scores(blame, [answers[0]._replace(answer=" ".join(words), references=references)], tools))
        taken[name] = time.perf_counter() - began
    return taken


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
