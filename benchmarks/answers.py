"""Answers to a question set: their tokens a second through the job that keeps them, of the generator's own batches.

    python -m benchmarks.answers [--quick]

Questions of XQuAD drawn by the recipe's seed, answered 16 at once by the bundled model and kept as they come, take turns with the
bare batches of the generator on the same prompts. The data come from the folder that GROUNDWORK_DATASETS names. --quick: less of it.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.promises import spread
from core.answering.protocol import Material
from core.config import TrialConfig, with_settings
from core.labs import answering
from core.progress import drain
from core.queries.model_texts import BATCH, DEADLINE_S
from core.workbench import Workbench

DATASETS = Path(os.environ.get("GROUNDWORK_DATASETS", "../shared/datasets"))


def main(quick: bool = False) -> dict:
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS.resolve()))
    with tempfile.TemporaryDirectory() as home:
        workbench = Workbench(Path(home))
        # by words, so that nothing is embedded; short answers leave the share of what is not the engine's the greatest
        config = with_settings(
            TrialConfig(), {"corpus.dataset": "xquad-en", "fusion.part": "sparse_only", "generation.max_tokens": 32}
        )
        part = config.generation
        part.choice()  # converted once; not part of any time below
        evaluation = workbench.evaluate(config)
        rows = answering.drawn(evaluation.corpus.queries, config.seed, BATCH * (2 if quick else 6))
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
            return sum(answering.answer_of(workbench, each.key).answer_tokens for each in some)

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
    return {"share": rates["job"] / rates["bare"], "tokens_per_s": rates, "answers": len(asked), "spread": {"share": spread(shares)},
            "load": list(os.getloadavg()[:2])}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main("--quick" in sys.argv[1:])))
