"""Query transforms by the bundled model: how fast their texts are written, what they gain on XQuAD, and rewritings beside people's.

    python -m benchmarks.query_transforms [--quick]

HyDE's texts for 200 questions, kept on disk as they come, take turns with the bare batches of the generator on the same
prompts, 32 at a time. Gains are paired differences on a draw of questions against the questions as they stand, with the recipe's
defaults but the depth of 10. Follow-ups are CANARD's development set, a question in so many. The data come from the folder
that GROUNDWORK_DATASETS names. --quick: less of everything, to try it out.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks.promises import against, spread
from core.config import TrialConfig, fingerprint, with_settings
from core.evaluation.metric import headlines
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import BATCH, DEADLINE_S, TextTools, at_hand
from core.labs.queries import effect as queries
from core.pipeline.stages import Resolved
from core.progress import drain
from core.queries.hyde import Hyde
from core.workbench import Workbench

TRANSFORMS = ("hyde", "rewrite", "multi_query", "decompose", "step_back")
PLAIN = {"generation.adapter": ""}  # `benchmarks.answerer` measures what its adapter adds
TURNS = 2
SLICE = 2 * BATCH  # questions


def drawn(workbench: Workbench, number: int) -> Resolved:
    """The recipe on XQuAD, asked a draw of its questions that is spread evenly over the articles."""
    run = workbench.resolve(with_settings(TrialConfig(), {"corpus.dataset": "xquad-en", "evaluation.k": 10, **PLAIN}))
    some = run.corpus.queries[:: len(run.corpus.queries) // number][:number]
    return run.asking(replace(run.corpus, queries=some), fingerprint(some))


def speed(run: Resolved, part: LlamaCpp, folder: Path, turns: int) -> dict:
    """Tokens a second of HyDE's texts, and of the generator's own batches of the same prompts. folder: of a workbench's cache,
    where those of the first turn stay for `gains`."""
    hyde, asked = Hyde(), run.corpus.queries
    bare_part = part.model_copy(update={"max_tokens": hyde.max_tokens, "stop": hyde.stop})
    prompts = [hyde.requests(query)[0].messages for query in asked]
    drain(bare_part.generate_many(prompts[:BATCH], None, DEADLINE_S, BATCH))  # loaded
    shares, speeds = [], {"hyde": [], "bare": []}
    for turn in range(turns):
        tools, spent = (
            TextTools(part, 0, folder / ("written" if turn == 0 else f"turn {turn}"), None),
            {"hyde": [0, 0.0], "bare": [0, 0.0]},
        )

        def by_hyde(some: range, tools: TextTools = tools) -> int:
            drain(hyde.texts([asked[i] for i in some], tools))
            return sum(text.tokens for text in at_hand(tools, [hyde.requests(asked[i])[0] for i in some]))

        def bare(some: range) -> int:
            made = drain(bare_part.generate_many([prompts[i] for i in some], [0] * len(some), DEADLINE_S, BATCH))
            return sum(one.answer_tokens for one in made)

        # slice by slice in turns: the machine may change within a minute
        for number, first in enumerate(range(0, len(asked), SLICE)):
            some = range(first, min(first + SLICE, len(asked)))
            for name, work in (("hyde", by_hyde), ("bare", bare))[:: -1 if number % 2 else 1]:
                started = time.perf_counter()
                spent[name][0] += work(some)
                spent[name][1] += time.perf_counter() - started
        for name, (tokens, seconds) in spent.items():
            speeds[name].append(tokens / seconds)
        shares.append(speeds["hyde"][-1] / speeds["bare"][-1])
        print(f"    turn {turn + 1}: {speeds['hyde'][-1]:.0f} of {speeds['bare'][-1]:.0f} tokens/s", file=sys.stderr, flush=True)
    return {"questions": len(asked), "batch": BATCH, "tokens_per_s": speeds, "shares": spread(shares)}


def gains(workbench: Workbench, run: Resolved) -> dict:
    """What each transform gains over the questions as they stand, and its cost."""
    table = {}
    for name in TRANSFORMS:
        one = run.of(with_settings(run.config, {"query.part": name}))
        made = drain(queries.asked(workbench, one))
        differences = drain(queries.gain(workbench, drain(workbench.evaluating(one))))
        table[name] = {
            "questions": len(made.queries),
            "fell_back": made.fell_back,
            "tokens_a_question": made.cost.tokens_a_question,
            "seconds_a_question": made.cost.seconds_a_question,
            "gain": {
                metric: {"difference": paired.difference, "low": paired.low, "high": paired.high, "p": paired.p}
                for metric, paired in differences.items()
                if metric in headlines()
            },
        }
        print(f"    {name}: {table[name]['gain']}", file=sys.stderr, flush=True)
    return table


def main(quick: bool = False) -> dict:
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    with tempfile.TemporaryDirectory() as home:
        workbench, part = Workbench(Path(home)), LlamaCpp(adapter="")
        part.choice()  # converted once; not part of any time below
        run = drawn(workbench, 32 if quick else 200)
        print("  speed", file=sys.stderr, flush=True)
        speeds = speed(run, part, workbench.pipeline.cache.folder, 1 if quick else TURNS)
        print("  gains", file=sys.stderr, flush=True)
        gained = gains(workbench, run)
        print("  rewrites", file=sys.stderr, flush=True)
        config = with_settings(TrialConfig(), {"query.part": "follow_up", **PLAIN})
        rewritten = drain(queries.rewrites(workbench, config, DATASETS / "canard" / "dev.json.gz", 32 if quick else 400))
    return {
        "required": {"hyde_share": against("query_transforms", "hyde_share", speeds["shares"]["median"])},
        "speed": speeds,
        "gains": gained,
        "rewrites": {name: value for name, value in rewritten.items() if name != "examples"},
        "spread": {"required.hyde_share": speeds["shares"]},
        "load": list(os.getloadavg()[:2]),
    }


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
