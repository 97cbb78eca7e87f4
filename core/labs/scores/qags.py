"""All faithfulness measures on a file of QAGS: against the majority of people, and on CNN/DailyMail beside what was published.

Wang, Cho and Lewis 2020, "Asking and answering questions to evaluate the factual consistency of summaries", section 4: a
summary's human score is the mean over its sentences of the majority's verdict. A measure's is its mean over the same sentences,
each scored as an answer of its own. The set is for tests only: no threshold is taken from it but on a stated half.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from core.annotation.formats import qags
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.containment import containments
from core.judging.measure import AnswerCase, AnswerScore
from core.judging.measures.containment import Containment
from core.labs.scores import people
from core.labs.scores.answer_file import AnswerRow
from core.labs.scores.judging import measure_all, measures, usable
from core.records import Progress
from core.statistics.correlation import pearson_difference
from core.statistics.threshold import half
from core.workbench import Workbench

# Pearson's correlation with the human score, of summaries: Wang et al. 2020, table 2. They are of one file, known by what it holds
CNN_DAILYMAIL = "fcaf5cfe4e1c11f70c1730722f81215c068963fac115f14c1b6d2ea502241473"
PUBLISHED = {"ROUGE-L against the reference summary": 0.237, "BERTScore against it": 0.276, "QAGS": 0.545}
FLOOR = "3-gram containment"  # what a measure has to beat: as the page Agreement has it, a fragment of fewer words shares nothing


def table(
    workbench: Workbench, config: TrialConfig, path: Path, names: Sequence[str] = ()
) -> Generator[Progress, None, dict[str, Any]]:
    """A row a measure; names: of measures, else all of faithfulness that ask no model."""
    yield Progress(0, 1, f"Reading {path.name}")
    rows, sentences = summaries(path)
    cases = [case for each in sentences for case in each]
    every = [measure for measure in measures(names) if names or measure.topic == "faithfulness"]
    chosen, left = (every, {}) if names else usable(every, cases)
    measured = yield from measure_all(workbench, config, chosen, cases)
    bounds = np.cumsum([0, *map(len, sentences)])
    told = people.labels(rows, "faithful", 1.0)
    unseen = ~half(told.positive, config.seed, told.groups)
    means = {each.measure.part: _means(each.values, bounds) for each in measured}
    floor = [value for each in sentences for value in containments([case.answer for case in each], each[0].passages)]
    means[FLOOR] = _means(np.array(floor), bounds)
    lines = []
    for done, name in enumerate(means):
        yield Progress(done, len(means), f"{name} against people")
        each = next((each for each in measured if each.measure.part == name), None)
        measure, values = each.measure if each else Containment(), means[name]
        scores = [AnswerScore(float(value)) for value in values]
        line = {"measure": name, "better": "higher" if measure.direction > 0 else "lower", "of": len(cases)}
        line["sentences"] = int((~np.isnan(each.values)).sum()) if each else len(cases)
        line |= {"failed": each.failed if each else ""}
        line |= people.record(people.against(measure, scores, rows, told, seed=config.seed)) or {}
        if name != FLOOR:
            pairs = (measure.direction * values, means[FLOOR], told.faithful)
            line["above_containment"] = people.interval(pearson_difference(*pairs, seed=config.seed))
            line["above_containment_unseen"] = people.interval(pearson_difference(*(v[unseen] for v in pairs), seed=config.seed))
        lines.append(line)
    return {
        "file": path.name,
        "summaries": len(rows),
        "sentences": len(cases),
        "human": "mean over a summary's sentences of the majority's verdict; faithful where all are supported",
        "measures": lines,
        "published": [{"measure": name, "pearson": value} for name, value in PUBLISHED.items() if are_published(rows)],
        "not_measured": [{"measure": name, "why": why} for name, why in left.items()],
    }


def summaries(path: Path) -> tuple[list[AnswerRow], list[list[AnswerCase]]]:
    """Each summary with the share of its sentences that most people call supported, and its sentences as cases."""
    study, labels, problems = qags.read(path)
    if not study.items:
        what = problems[0].what if problems else "It is empty."
        raise WorkbenchError(f"The file holds no summaries of QAGS: {what}", where=str(path), todo=qags.FORM)
    votes: dict[tuple[str, int], list[str]] = defaultdict(list)
    for label in labels:
        for place, verdict in enumerate(label.sentences[0]):
            if verdict is not None:
                votes[label.item, place].append(verdict)
    rows, sentences = [], []
    for item in study.items:
        [response] = item.responses
        passages = tuple(passage.text for passage in response.passages)
        share = np.mean([_majority(votes[item.id, place]) for place in range(len(response.sentences))])
        rows.append(AnswerRow(response.source, AnswerCase("", response.text, passages), float(share), group=passages[0]))
        sentences.append([AnswerCase("", response.text[a:b], passages) for a, b in response.sentences])
    return rows, sentences


def are_published(rows: Sequence[AnswerRow]) -> bool:
    """Whether these are the CNN/DailyMail summaries, as people judged them, that the published figures are of."""
    said = "\n".join(f"{row.label:.3f} {row.case.answer}" for row in rows)
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest() == CNN_DAILYMAIL


def _majority(verdicts: list[str]) -> float:
    return float(Counter(verdicts)["yes"] > len(verdicts) / 2)


def _means(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Of each summary, over its sentences that are measured; NaN where none is."""
    parts = [values[a:b][~np.isnan(values[a:b])] for a, b in pairwise(bounds)]
    return np.array([part.mean() if len(part) else np.nan for part in parts])
