"""Faithfulness models trained here."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core.config import TrialConfig, valid
from core.errors import WorkbenchError
from core.files import path_of
from core.generation.model_texts import TextTools
from core.models.hub import faithfulness_home
from core.records import Progress
from core.workbench import Workbench


def train_faithfulness(
    workbench: Workbench, name: str, data: Path | None, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains a faithfulness model on the data sets of the folder; from then on it judges under that name."""
    from core.judging.judgement_models import EMBEDDED
    from core.training.faithfulness.mistakes import own_answers
    from core.training.faithfulness.settings import FaithfulnessTraining
    from core.training.faithfulness.training import NONE, TEXTS, train
    from core.training.log import new_folder

    training = valid(FaithfulnessTraining, settings)
    made = new_folder(faithfulness_home(), name, "a faithfulness model", ships=EMBEDDED)
    folder = data_folder(data)
    library, corpora = workbench.library, []
    present = {status.name for status in library.available() if status.present}
    for corpus in TEXTS:
        if corpus in present and training.texts and training.made:
            corpora.append((yield from library.open(corpus)))
    own = NONE
    if training.own:
        tools = TextTools(TrialConfig().generation, training.seed, workbench.home, None)
        own = yield from own_answers(folder, training.questions, tools)
    return (yield from train(training, folder, corpora, made, own))


def data_folder(data: Path | None) -> Path:
    """That of the data sets: the one that is named, or that of GROUNDWORK_DATASETS."""
    named = data or os.environ.get("GROUNDWORK_DATASETS")
    if not named:
        todo = "Name it with --data, or in the environment variable GROUNDWORK_DATASETS."
        raise WorkbenchError("The folder with the data sets is not given.", where="data", todo=todo)
    return path_of(named, "data")


def fit_answers(data: Path | None) -> Generator[Progress, None, dict[str, Any]]:
    """What of the embedded model's combination is of whole answers, fitted anew on the second part and on answers made from its texts,
    beside what its folder holds; both told of answers made from texts of the third. And which measure to trust for each kind of text."""
    from core.judging.combined import read_combination
    from core.judging.judgement_models import EMBEDDED, OwnModel, model_folder
    from core.models.hub import bundled_folder
    from core.training.faithfulness.answered import made_answers
    from core.training.faithfulness.combination import ANSWERS, SETS, of_answers, seen, told_by_claims, trusted
    from core.training.faithfulness.sources import read
    from core.training.faithfulness.training import SHIPPED_SEED, made_claims, split_of

    answers, _ = read(data_folder(data))
    second, third = ([each for each in answers if split_of(each, SHIPPED_SEED) == part] for part in ("fitted", "test"))
    folder = model_folder(EMBEDDED)
    model, shipped = OwnModel(folder), read_combination(folder)
    told = [each for each in second if each.source.split()[0] in SETS] + made_claims(second, bundled_folder())
    judged = yield from seen(model, told + made_answers(second, bundled_folder()))
    judged, made = judged[: len(told)], judged[len(told) :]
    record = of_answers([each for each in judged if each.answer.source in ANSWERS], made, shipped)
    last = yield from seen(model, made_answers(third, bundled_folder()))
    fitted = shipped._replace(**record)
    return {
        "shipped": {"threshold": shipped.threshold, "by_claims": shipped.by_claims},
        "fitted": record,
        "trusted": trusted(judged, fitted),
        "rows": told_by_claims(last, {"shipped": shipped, "fitted": fitted}),
    }
