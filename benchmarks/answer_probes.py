"""Contamination and chain of thought of the bundled model on XQuAD: `python -m benchmarks.answer_probes`.

What `contamination --ask 60` and `chain-of-thought --ask 20 --samples 3` tell with the recipe's defaults. Some 700 texts, half an hour on
two processors that do nothing else; with GROUNDWORK_HOME set they are kept there, and what is kept is not written again. Nothing is
timed here: an answer's seconds are those of when it was written.
"""

import json
import os
import tempfile
from pathlib import Path

from benchmarks._options import options
from core.config import TrialConfig, with_settings
from core.labs.answers import chain_of_thought, contamination
from core.labs.answers.chain_of_thought import ReasoningPlan
from core.progress import drain
from core.records import plain
from core.workbench import Workbench

ASKED = 60
PLAN = ReasoningPlan(20, 3)


def by_heart(bench: Workbench, config: TrialConfig) -> dict:
    made = drain(contamination.probe_contamination(bench, config, ASKED))
    gaps = {
        f"{gap.arm.condition}, {gap.measure}, {contamination.SUBSETS[gap.arm.subset].lower()}": {
            "n": gap.paired.n,
            "original": made.gaps.means[gap.arm, gap.measure].mean,
            "rephrased": made.gaps.means[gap.base, gap.measure].mean,
            "gap": [gap.paired.difference, gap.paired.low, gap.paired.high],
            "p": gap.paired.p,
            "p_holm": gap.p_holm,
        }
        for gap in made.gaps.differences.values()
    }
    texts = made.continuations
    return {
        "questions": len(made.items),
        "rephrased": made.rephrased,
        "without_rephrasing": made.fallbacks,
        "possibly_memorised": [made.memorised.mean, made.memorised.low, made.memorised.high],
        "continuation_own": texts.own.mean,
        "continuation_other": texts.other.mean,
        "continuation_difference": [texts.paired.difference, texts.paired.low, texts.paired.high],
        "continuation_p": texts.paired.p,
        "gaps": gaps,
    }


def reasoned(bench: Workbench, config: TrialConfig) -> dict:
    made = drain(chain_of_thought.compare_reasoning(bench, config, PLAN))
    differences = {
        f"{pair.arm} minus {pair.base}, {pair.measure}": {
            "difference": [pair.paired.difference, pair.paired.low, pair.paired.high],
            "p": pair.paired.p,
            "p_holm": pair.p_holm,
        }
        for pair in made.comparison.differences.values()
    }
    curves = {f"{way}, {name}": [at.mean for at in curve] for (way, name), curve in made.curves.items()}
    ways = {row["way"]: row for row in chain_of_thought.way_rows(made)}
    return {"questions": len(made.asked), "ways": ways, "differences": differences, "by_number_of_samples": curves}


def main(home: Path) -> dict:
    bench, config = Workbench(home), with_settings(TrialConfig(), {"corpus.dataset": "xquad-en"})
    return plain({"contamination": by_heart(bench, config), "chain_of_thought": reasoned(bench, config)})


if __name__ == "__main__":
    options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(main(Path(os.environ.get("GROUNDWORK_HOME") or folder))))
