"""Faithfulness models trained here."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core.config import valid
from core.errors import WorkbenchError
from core.models.hub import faithfulness_home
from core.records import Progress
from core.workbench import Workbench


def train_faithfulness(
    workbench: Workbench, name: str, data: Path | None, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains a faithfulness model on the data sets of the folder; from then on it judges under that name."""
    from core.training.faithfulness.settings import FaithfulnessTraining
    from core.training.faithfulness.training import TEXTS, train

    training = valid(FaithfulnessTraining, settings)
    folder = data_folder(data)
    library, corpora = workbench.library, []
    present = {status.name for status in library.available() if status.present}
    for corpus in TEXTS:
        if corpus in present and training.texts and training.made:
            corpora.append((yield from library.open(corpus)))
    return (yield from train(training, folder, corpora, faithfulness_home() / name))


def data_folder(data: Path | None) -> Path:
    """That of the data sets: the one that is named, or that of GROUNDWORK_DATASETS."""
    named = data or os.environ.get("GROUNDWORK_DATASETS")
    if not named:
        todo = "Name it with --data, or in the environment variable GROUNDWORK_DATASETS."
        raise WorkbenchError("It is not said which folder has the data sets.", where="data", todo=todo)
    return Path(named).expanduser()


def fit_answers(data: Path | None) -> Generator[Progress, None, dict[str, Any]]:
    """What the embedded model's combination allows for an answer's number of claims, fitted anew on answers made from texts of the
    second part, beside what its folder holds; both told of answers made from texts of the third."""
    from core.judging.combined import read_combination
    from core.judging.judgement_models import EMBEDDED, OwnModel, model_folder
    from core.models.hub import bundled_folder
    from core.training.faithfulness.answered import made_answers
    from core.training.faithfulness.combination import fitted_by_claims, seen, told_by_claims
    from core.training.faithfulness.sources import read
    from core.training.faithfulness.training import SHIPPED_SEED, split_of

    answers, _ = read(data_folder(data))
    folder, judged = model_folder(EMBEDDED), {}
    for part in ("fitted", "test"):
        made = made_answers([one for one in answers if split_of(one, SHIPPED_SEED) == part], bundled_folder())
        judged[part] = yield from seen(OwnModel(folder), made)
    shipped = read_combination(folder)
    record = fitted_by_claims(judged["fitted"], shipped)
    fitted = shipped._replace(**record)
    return {
        "shipped": {"threshold": shipped.threshold, "by_claims": shipped.by_claims},
        "fitted": record,
        "rows": told_by_claims(judged["test"], {"shipped": shipped, "fitted": fitted}),
    }
