"""What the words are worth that the answerer writes for retrieval: each query transform against the question as it stands, and
follow-ups beside people's rewritings, of conversations that it did not learn from."""

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._public_sets import COLLECTIONS, asked, opened
from benchmarks.query_transforms import gains
from core.config import TrialConfig, with_settings
from core.labs.queries.effect import rewrites
from core.progress import drain
from core.training.adapters.answerer import AnswererTraining
from core.training.adapters.examples import part_of
from core.training.adapters.query_words import FOLLOW_UPS


def transforms(bench: Any, collection: str, most: int) -> dict[str, Any]:
    """Arm -> transform -> what it gains at 10 and costs, the recipe's defaults otherwise. bench: of the answerer."""
    run = asked(bench.workbench, COLLECTIONS[collection], {"evaluation.k": 10}, bench.at_most(most))
    worn = {name: run.of(with_settings(run.config, each)) for name, each in bench.arms.items()}
    return {"questions": len(run.corpus.queries)} | {name: gains(bench.workbench, each) for name, each in worn.items()}


def follow_ups(bench: Any, most: int) -> dict[str, Any]:
    """Arm -> token F1 with people's rewritings, copying beside it; each rewriting taken, and those that keep the question's words."""
    held_out = [row for row in opened(FOLLOW_UPS) if part_of(AnswererTraining().seed, row["QuAC_dialog_id"]) == "test"]
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held-out.json"
        path.write_text(json.dumps(held_out), "utf-8")
        for name, settings in bench.arms.items():
            for rule, keeps in ((name, {}), (f"{name}, any", {"query.keeps": 0.0})):
                config = with_settings(TrialConfig(), {"query.part": "follow_up", **settings, **keeps})
                told = drain(rewrites(bench.workbench, config, path, bench.at_most(most)))
                made[rule] = {key: value for key, value in told.items() if key != "examples"}
    return {"questions": told["questions"], **made}
