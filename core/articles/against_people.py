"""The gate against people: what it lets out that they call unfaithful, and what it sends back that they call faithful.

On a file of QAGS (Wang, Cho and Lewis 2020), whose summaries stand as drafts: a sentence a claim, the article its evidence. People call a
summary faithful where most of them call each of its sentences supported.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from core.articles.rating import decided, not_borne_out, rated, support
from core.config import TrialConfig, code_version, fingerprint
from core.errors import WorkbenchError
from core.files import file_checksum
from core.judging.gate import ACCEPT, LEAST_MEAN
from core.labs.scores import people, qags
from core.records import Progress, plain
from core.statistics.bootstrap import mean_interval
from core.statistics.correlation import mean_absolute_error, pearson
from core.statistics.proportion import wilson
from core.statistics.roc import roc
from core.store.batches import batches
from core.workbench import Workbench

KIND = "article_gates"
ACCURACY = "technical_accuracy"
THRESHOLDS = np.arange(1.0, 5.01, 0.25)  # of technical accuracy


def gate_against_people(workbench: Workbench, config: TrialConfig, path: Path) -> Generator[Progress, None, dict[str, Any]]:
    """Measured once for a file, and recorded."""
    rows, sentences = qags.summaries(path)
    key = fingerprint(path.name, file_checksum(path), config, code_version(gate_against_people))
    if record := batches(workbench.home).read(KIND, [key]).get(key):
        return record["value"]
    flat = [case for each in sentences for case in each]
    values = yield from support(workbench, config, "", [case.answer for case in flat], [case.passages for case in flat])
    told = people.labels(rows, "faithful", 1.0)
    if told is None or len(set(told.positive.tolist())) < 2:
        raise WorkbenchError("People call all of it faithful, or none: a gate cannot be measured on it.", where=str(path))
    ratings, start = [], 0
    for each in sentences:
        texts = [case.answer for case in each]
        ratings.append(rated(texts, values[start : start + len(each)], [""] * len(each), 1.0))
        start += len(each)
    out = np.array([decided(each, 0).verdict == ACCEPT for each in ratings])
    accuracy = np.array([each.means[ACCURACY] for each in ratings])
    alarm = np.array([not_borne_out(each) > 0 for each in ratings])
    faithful, of_people = told.positive == 1, 1 + 4 * told.faithful
    curve = roc(accuracy, told.positive, told.groups)
    auc = curve.auc
    value = {
        "file": path.name,
        "drafts": len(rows),
        "faithful": int(faithful.sum()),
        "auc": plain(auc),
        "tells": auc.low is not None and auc.low > 0.5,
        "r": plain(pearson(accuracy, of_people, seed=config.seed, groups=told.groups)),
        "error": plain(mean_absolute_error(accuracy, of_people, seed=config.seed, groups=told.groups)),
        "bias": plain(mean_interval(accuracy - of_people, told.groups, seed=config.seed)),
        "let_out": _wrong(out, faithful),
        "without_alarm": _wrong(accuracy >= LEAST_MEAN, faithful),
        "curve": [{"least": float(least), **_wrong((accuracy >= least) & ~alarm, faithful)} for least in THRESHOLDS],
    }
    return batches(workbench.home).keep(KIND, {key: {"file": path.name, "value": value}})[key]["value"]


def _wrong(out: np.ndarray, faithful: np.ndarray) -> dict[str, Any]:
    """out, faithful [n] bool: unfaithful drafts let out, and faithful ones sent back, with Wilson's intervals."""
    return {
        "out": int(out.sum()),
        "false_pass": plain(wilson(int((out & ~faithful).sum()), int((~faithful).sum()))),
        "false_reject": plain(wilson(int((~out & faithful).sum()), int(faithful.sum()))),
    }


def newest(workbench: Workbench) -> dict[str, Any] | None:
    """The last measurement; None where there is none."""
    rows = workbench.store.query(f"SELECT key FROM {KIND} ORDER BY id DESC, key LIMIT 1")
    keys = [row["key"] for row in rows]
    return batches(workbench.home).read(KIND, keys)[keys[0]]["value"] if keys else None
