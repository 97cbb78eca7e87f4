"""A file of more answers than are held in memory: read twice, judged block by block, and held against its labels all the same.

Of each answer stays what intervals need: its label, its group, what people marked, and of each measure a number, or why there is
none. Its text, its passages and its claims go with the block. No score is kept either; what a model says of a pair of texts is.
"""

import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.cited import cites
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, JudgeTools, WrongWords, forget, scores
from core.labs.scores.answer_file import AnswerFile, AnswerLines, AnswerRow
from core.labs.scores.judging import MeasureScores, told_to_cite
from core.pipeline.scores import MOST, MOST_TEXT, characters, judge_tools
from core.progress import told_within
from core.records import Progress
from core.workbench import Workbench


class ManyRows(Sequence[AnswerRow]):
    """What people say of many answers. Of an answer's text its length stays, of its group a number."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines, self._labels, self._groups, self._domains = array("q"), array("d"), array("q"), array("q")
        self._spans: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}  # place -> length of the answer, what is marked
        self._numbers: dict[bytes, int] = {}  # of groups, by their hashes
        self._names: dict[str, int] = {}  # of domains

    def add(self, row: AnswerRow, line: int) -> None:
        if row.spans is not None:
            self._spans[len(self)] = len(row.case.answer), row.spans
        key = blake2b(row.group.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        self._groups.append(self._numbers.setdefault(key, len(self._numbers)))
        self._domains.append(self._names.setdefault(row.domain, len(self._names)))
        self._labels.append(math.nan if row.label is None else row.label)
        self._lines.append(line)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, place: int) -> AnswerRow:
        return next(self._told(range(place, place + 1)))

    def __iter__(self) -> Iterator[AnswerRow]:
        return self._told(range(len(self)))

    def _told(self, places: range) -> Iterator[AnswerRow]:
        names = list(self._names)
        for place in places:
            length, spans = self._spans.get(place, (0, None))
            label = None if math.isnan(self._labels[place]) else self._labels[place]
            where, case = f"{self._name}:{self._lines[place]}", AnswerCase("", _blank(length))
            yield AnswerRow(where, case, label, spans, str(self._groups[place]), names[self._domains[place]])


@cache
def _blank(length: int) -> str:
    return " " * length


class ManyScores(Sequence[AnswerScore]):
    """A measure's scores of many answers: numbers, why there is none, and the wrong words where people marked some."""

    def __init__(self) -> None:
        self._values, self._reasons, self._whys = array("d"), array("q"), {"": 0}
        self._words: dict[int, tuple[WrongWords, ...]] = {}

    def add(self, score: AnswerScore, looked: bool) -> None:
        if looked and score.words:
            self._words[len(self)] = score.words
        self._reasons.append(self._whys.setdefault(score.reason, len(self._whys)))
        self._values.append(score.value)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: int) -> AnswerScore:
        return next(self._told(range(place, place + 1)))

    def __iter__(self) -> Iterator[AnswerScore]:
        return self._told(range(len(self)))

    def _told(self, places: range) -> Iterator[AnswerScore]:
        whys = list(self._whys)
        for place in places:
            yield AnswerScore(self._values[place], whys[self._reasons[place]], words=self._words.get(place, ()))


class Survey(NamedTuple):
    file: AnswerFile
    left: dict[str, str]  # measure -> why it can score none
    cited: bool  # whether any answer cites a passage


def surveyed(path: Path, every: Sequence[AnswerMeasure]) -> Generator[Progress, None, Survey]:
    """The file without its texts, and which of the measures can score none of its answers."""
    answers, rows, cited = AnswerLines(path), ManyRows(path.name), False
    without = {measure.part: (measure, Counter()) for measure in every}
    for position, number, row in answers:
        if answers.lines % 1000 == 1:
            yield Progress(position, answers.size, f"Reading {path.name}")
        if row is None:
            continue
        rows.add(row, number)
        cited = cited or cites(row.case)
        for name, (measure, whys) in list(without.items()):
            if why := measure.unmeasurable(row.case):
                whys[why] += 1
            else:
                del without[name]
    left = {name: whys.most_common(1)[0][0] for name, (_, whys) in without.items()}
    return Survey(AnswerFile(path.name, rows, answers.lines, answers.notes.lines()), left, cited)


class UnderWay:
    """A measure as it goes through a file. failed: why it has no score at all."""

    def __init__(self, measure: AnswerMeasure) -> None:
        self.measure, self.scores, self.seconds, self.failed = measure, ManyScores(), 0.0, ""

    def block(self, rows: Sequence[AnswerRow], tools: JudgeTools, step: Progress) -> Generator[Progress, None, list[AnswerScore]]:
        began = time.monotonic()
        yield step
        made = yield from told_within(scores(self.measure, [row.case for row in rows], tools), step)
        self.seconds += time.monotonic() - began
        self.add(rows, made)
        return made

    def add(self, rows: Sequence[AnswerRow], made: Sequence[AnswerScore]) -> None:
        for row, score in zip(rows, made, strict=True):
            self.scores.add(score, row.spans is not None)


def measured(
    workbench: Workbench,
    config: TrialConfig,
    path: Path,
    every: Sequence[AnswerMeasure],
    cited: bool,
    told: Callable[[Sequence[AnswerRow], list[MeasureScores]], None],
) -> Generator[Progress, None, list[MeasureScores]]:
    """The scores by each measure; one that fails has none, and leaves the others as they are. cited: whether any answer
    cites a passage; told: is given each block whole."""
    answers, tools, done = AnswerLines(path), judge_tools(workbench.pipeline, config), 0
    running = [UnderWay(measure) for measure in every]
    for measure in every:
        if measure.absent():
            yield Progress(0, 0, f"Fetching the model of {measure.label}")
            measure.fetch()
    for position, read in _blocks(answers):
        rows = [row._replace(case=told_to_cite(row.case, cited)) for row in read]
        block = []
        for each in running:
            step = Progress(position, answers.size, f"{each.measure.label}, from answer {done + 1:,} on")
            try:
                made = [] if each.failed else (yield from each.block(rows, tools, step))
            except WorkbenchError as error:
                if len(running) == 1:
                    raise
                none, before = AnswerScore(math.nan, f"failed: {error.what}"), len(each.scores)
                each.failed, each.scores, made = str(error), ManyScores(), []
                for _ in range(before):
                    each.scores.add(none, False)
            if each.failed:
                made = [AnswerScore(math.nan, f"failed: {each.failed}")] * len(rows)
                each.add(rows, made)
            block.append(MeasureScores(each.measure, made))
        told(rows, block)
        forget()
        done += len(rows)
    return [MeasureScores(each.measure, each.scores, each.seconds, each.failed) for each in running]


def _blocks(answers: AnswerLines) -> Iterator[tuple[int, list[AnswerRow]]]:
    """(bytes read so far, answers that are judged together)."""
    rows, size, position = [], 0, 0
    for position, _, row in answers:
        if row is None:
            continue
        more = characters(row.case)
        if rows and (len(rows) == MOST or size + more > MOST_TEXT):
            yield position, rows
            rows, size = [], 0
        rows.append(row)
        size += more
    if rows:
        yield position, rows
