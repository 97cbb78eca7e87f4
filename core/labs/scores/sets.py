"""Sets of answers whose scores a page shows: a recipe's to its questions, those stored of a system, those of a file."""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Generator, Hashable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.annotation.drawing import Candidate
from core.annotation.stored_answers import candidates
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.deciding import Decided
from core.judging.measure import AnswerCase, AnswerMeasure
from core.labs.answers.answering import AnswerSet, answer_questions, answer_set, cases
from core.labs.answers.live import is_quick
from core.labs.scores import answer_file
from core.labs.scores.answer_file import AnswerFile, AnswerRow
from core.labs.scores.judging import (
    JudgedAnswers,
    MeasureScores,
    held_against,
    in_order,
    measure_all,
    measures,
    record,
    told_together,
    usable,
    without_labels,
)
from core.labs.scores.people import Means
from core.pipeline.scores import at_hand, judge_tools
from core.progress import counted, drain
from core.records import Progress, Query
from core.statistics.paired import Paired, paired_difference
from core.workbench import Workbench


class ScoredSet(NamedTuple):
    """Answers with their scores as far as they are at hand."""

    name: str
    rows: list[AnswerRow]
    measured: list[MeasureScores]
    waiting: list[AnswerMeasure]  # whose scores take a job
    left: dict[str, str]  # measure -> why it scores none of these answers

    def of(self, name: str) -> MeasureScores | None:
        return next((each for each in self.measured if each.measure.part == name), None)


def deciding(by: str) -> dict[str, Any]:
    """Knobs of the measures that ask whether texts bear out a statement: by what."""
    return {f"{measure.part}.by": by for measure in measures() if isinstance(measure, Decided)}


def received(workbench: Workbench, data: bytes) -> tuple[Path, AnswerFile]:
    """A file that a browser sent, kept where a job and the command line find it too, and read once."""
    path, most = answer_file.receive(workbench.home, data), answer_file.MOST_WHOLE
    file = workbench.pipeline.remember("answer_file", path.parent.name, lambda: drain(answer_file.read(path, most)))
    if file is None:
        todo = "`python -m core scores file FILE --answers SCORES.jsonl` judges as many as you like."
        raise WorkbenchError(f"The file has more than {most:,} answers, which no page shows.", where=path.name, todo=todo)
    return path, file


def answers_file(workbench: Workbench, rows: Sequence[AnswerRow]) -> Path:
    """The answers as a file that the command line reads."""
    lines = [json.dumps(answer_file.line_of(row.case, row.id)) for row in rows]
    return answer_file.receive(workbench.home, "\n".join(lines).encode())


def pairs_file(workbench: Workbench, a: ScoredSet, b: ScoredSet) -> tuple[Path, int]:
    """The two sets' answers to the same questions, as `scores judge-bias` reads them, and how many pairs these are. None is empty."""
    asked, other = same_questions(a.rows, b.rows)
    theirs = dict(zip(other, b.rows, strict=True))
    lines = [
        {"question": row.case.question, "passages": row.case.passages, "a": row.case.answer, "b": theirs[key].case.answer}
        for key, row in zip(asked, a.rows, strict=True)
        if key in theirs and row.case.answer.strip() and theirs[key].case.answer.strip()
    ]
    return answer_file.receive(workbench.home, "\n".join(map(json.dumps, lines)).encode()), len(lines)


def against_people(
    workbench: Workbench, file: AnswerFile, answers: ScoredSet, means: Means | None, cut: float | None
) -> JudgedAnswers:
    """The scores beside the file's labels; computed once."""
    values = b"".join(each.values.tobytes() for each in answers.measured)
    told = repr((means, cut, [each.measure for each in answers.measured], file.rows))
    key = sha256(told.encode("utf-8", "surrogatepass") + values).hexdigest()
    return workbench.pipeline.remember("held_against", key, lambda: drain(held_against(file, answers.measured, means, cut)))


def of_recipe(answers: AnswerSet) -> list[AnswerRow]:
    """The answers that are known. Questions with evidence in the same document belong together."""
    said = [place for place, answer in enumerate(answers.answers) if answer is not None]
    return [
        AnswerRow(query.id, case, group=_document(query), domain=query.group, id=query.id)
        for query, case in zip([answers.queries[place] for place in said], cases(answers, said), strict=True)
    ]


def _document(query: Query) -> str:
    return next((gold.document_id for gold in query.relevant), query.id)


def stored(workbench: Workbench, dataset: str = "") -> dict[str, list[AnswerRow]]:
    """The stored answers by system: the latest to each question."""
    systems: dict[str, list[AnswerRow]] = {}
    for answer in candidates(workbench):
        if dataset in ("", answer.dataset):
            row = AnswerRow(answer.source, stored_case(answer), group=answer.question, id=answer.source)
            systems.setdefault(answer.system, []).append(row)
    return systems


def stored_case(answer: Candidate) -> AnswerCase:
    """A stored answer as measures take it."""
    passages = tuple(passage.text for passage in answer.passages)
    return AnswerCase(answer.question, answer.text, passages, answer.gold, citations=answer.citations)


def scored(
    workbench: Workbench, config: TrialConfig, name: str, rows: list[AnswerRow], knobs: dict[str, Any] | None = None
) -> Generator[Progress, None, ScoredSet]:
    """Scores that are kept, and those from words alone; what takes longer waits for a job."""
    every, answers = measures((), knobs), told_together([row.case for row in rows])
    fitting, left = usable(every, answers)
    tools, waiting, ready = judge_tools(workbench.pipeline, config), [], []
    for measure in [*fitting, *(each for each in every if each.asks_model)]:
        whole = is_quick(measure) or all(score is not None for score in at_hand(measure, answers, tools))
        (ready if whole else waiting).append(measure)
        left.pop(measure.part, None)
    measured = yield from measure_all(workbench, config, in_order(ready), answers)
    return ScoredSet(name, rows, measured, waiting, left)


def scores_at_hand(
    workbench: Workbench, config: TrialConfig, count: int, system: str = "", knobs: dict[str, Any] | None = None
) -> Generator[Progress, None, ScoredSet]:
    """The answers that are recorded of the recipe to its first questions, or of a system, with the scores that are kept."""
    if system:
        return (yield from scored(workbench, config, system, system_rows(workbench, config, system), knobs))
    evaluation = yield from workbench.evaluating(config)
    rows = of_recipe(answer_set(workbench, evaluation, count))
    return (yield from scored(workbench, config, evaluation.corpus.name, rows, knobs))


def system_rows(workbench: Workbench, config: TrialConfig, system: str) -> list[AnswerRow]:
    """The stored answers of a system to questions of the recipe's corpus."""
    every = stored(workbench, config.corpus.dataset)
    if system not in every:
        todo = f"Systems: {', '.join(every) or 'none; *Ask* stores answers'}."
        raise WorkbenchError(f"There are no stored answers of '{system}'.", where="--system", todo=todo)
    return every[system]


def paired(a: ScoredSet, b: ScoredSet, name: str, seed: int = 0) -> Paired | None:
    """a - b by this measure over the questions that both answer; None where one lacks it."""
    mine, other = a.of(name), b.of(name)
    if mine is None or other is None:
        return None
    asked, others = same_questions(a.rows, b.rows)
    theirs = dict(zip(others, other.values, strict=True))
    values = [theirs.get(key, np.nan) for key in asked]
    return paired_difference(mine.values, np.array(values, np.float64), seed=seed)[0]


def same_questions(a: Sequence[AnswerRow], b: Sequence[AnswerRow]) -> list[list[Hashable]]:
    """What tells the same question in two sets, of each row of either: its id, where those in both have the same words, else its words
    and how often they stood before. WorkbenchError: the sets have the same words unequally often: nothing tells which belong together."""
    by_id = [{row.id: row.case.question for row in rows if row.id} for rows in (a, b)]
    both = by_id[0].keys() & by_id[1].keys()
    whole = len(by_id[0]) == len(a) and len(by_id[1]) == len(b)
    if both and whole and all(by_id[0][each] == by_id[1][each] for each in both):
        return [[row.id for row in rows] for rows in (a, b)]
    keys = [_numbered([row.case.question for row in rows]) for rows in (a, b)]
    times = [Counter(words for words, _ in own) for own in keys]
    if unlike := [words for words in times[0] if times[1][words] not in (0, times[0][words])]:
        first, second = (own[unlike[0]] for own in times)
        raise WorkbenchError(
            f"One set has {counted(first, 'answer')} to the question '{unlike[0]:.80}', the other {second:,}: nothing tells which belong "
            "together.",
            todo='Give the answers an "id", the same for the same question in both sets.',
        )
    return keys


def _numbered(words: Sequence[str]) -> list[tuple[str, int]]:
    """With how often each stood before."""
    before: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
    return [(each, next(before[each])) for each in words]


def score_answers(
    workbench: Workbench,
    config: TrialConfig,
    count: int,
    system: str = "",
    names: Sequence[str] = (),
    knobs: dict[str, Any] | None = None,
) -> Generator[Progress, None, dict[str, Any]]:
    """The recipe's answers to its first questions, made where they are not known, or the stored answers of a system, by these
    measures, or by all that ask no model."""
    if system:
        name, rows = system, system_rows(workbench, config, system)
    else:
        answers = yield from answer_questions(workbench, config, count)
        name, rows = answers.evaluation.corpus.name, of_recipe(answers)
    chosen, left, answered = measures(names, knobs), {}, told_together([row.case for row in rows])
    if not names:
        chosen, left = usable(chosen, answered)
    measured = yield from measure_all(workbench, config, chosen, answered)
    return record(without_labels(AnswerFile(name, rows, len(rows), ()), measured), left)
