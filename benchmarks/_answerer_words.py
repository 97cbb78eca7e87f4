"""What the words are worth that the answerer writes for retrieval: each query transform against the question as it stands, and
follow-ups beside people's rewritings, of conversations that it did not learn from."""

import gzip
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
from core.workbench import Workbench


def transforms(workbench: Workbench, adapters: dict[str, str], collection: str, most: int) -> dict[str, Any]:
    """Adapter -> transform -> what it gains at 10 and costs, the recipe's defaults otherwise."""
    made: dict[str, Any] = {}
    for name, adapter in adapters.items():
        run = asked(workbench, COLLECTIONS[collection], {"generation.adapter": adapter, "evaluation.k": 10}, most)
        made[name] = gains(workbench, run)
    return {"questions": len(run.corpus.queries), **made}


def follow_ups(workbench: Workbench, adapters: dict[str, str], most: int) -> dict[str, Any]:
    """Adapter -> token F1 with people's rewritings, copying beside it; each rewriting taken, and those that keep the question's words."""
    held_out = [row for row in opened(FOLLOW_UPS) if part_of(AnswererTraining().seed, row["QuAC_dialog_id"]) == "test"]
    made: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held-out.json.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            json.dump(held_out, file)
        for name, adapter in adapters.items():
            for rule, keeps in ((name, {}), (f"{name}, any", {"query.keeps": 0.0})):
                config = with_settings(TrialConfig(), {"query.part": "follow_up", "generation.adapter": adapter, **keeps})
                told = drain(rewrites(workbench, config, path, most or None))
                made[rule] = {key: value for key, value in told.items() if key != "examples"}
    return {"questions": made[name]["questions"], **made}
