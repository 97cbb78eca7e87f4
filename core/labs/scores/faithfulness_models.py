"""Faithfulness models trained here."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core.config import valid
from core.errors import WorkbenchError
from core.files import path_of
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
    return path_of(named, "data")


def fit_answers(data: Path | None) -> Generator[Progress, None, dict[str, Any]]:
    """What of the embedded model's combination is of whole answers, fitted anew on the second part and on answers made from its texts,
    beside what its folder holds; both told of answers made from texts of the third."""
    from core.judging.combined import read_combination
    from core.judging.judgement_models import EMBEDDED, OwnModel, model_folder
    from core.models.hub import bundled_folder
    from core.training.faithfulness.answered import made_answers
    from core.training.faithfulness.combination import ANSWERS, of_answers, seen, told_by_claims
    from core.training.faithfulness.sources import read
    from core.training.faithfulness.training import SHIPPED_SEED, split_of

    answers, _ = read(data_folder(data))
    second, third = ([each for each in answers if split_of(each, SHIPPED_SEED) == part] for part in ("fitted", "test"))
    folder = model_folder(EMBEDDED)
    model, shipped = OwnModel(folder), read_combination(folder)
    people = [each for each in second if each.source in ANSWERS]
    judged = yield from seen(model, people + made_answers(second, bundled_folder()))
    record = of_answers(judged[: len(people)], judged[len(people) :], shipped)
    told = yield from seen(model, made_answers(third, bundled_folder()))
    fitted = shipped._replace(**record)
    return {
        "shipped": {"threshold": shipped.threshold, "by_claims": shipped.by_claims},
        "fitted": record,
        "rows": told_by_claims(told, {"shipped": shipped, "fitted": fitted}),
    }
