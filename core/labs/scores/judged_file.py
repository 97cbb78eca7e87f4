"""A file of answers, judged whole or in blocks, with each answer's scores written where they are wanted."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core import files
from core.config import TrialConfig
from core.labs.scores import answer_file, streamed
from core.labs.scores.answer_file import AnswerRow
from core.labs.scores.judging import (
    JudgedAnswers,
    MeasureScores,
    able,
    answer_record,
    held_against,
    measure_all,
    measures,
    told_together,
    usable,
)
from core.labs.scores.people import Means
from core.records import Progress, plain
from core.workbench import Workbench


def judge(
    workbench: Workbench,
    config: TrialConfig,
    path: Path,
    names: Sequence[str] = (),
    knobs: dict[str, Any] | None = None,
    means: Means | None = None,
    cut: float | None = None,
    out: Path | None = None,
) -> Generator[Progress, None, tuple[JudgedAnswers, dict[str, str]]]:
    """A file's answers by the measures of these names; none: all that it allows and that ask no model. Also why measures are
    left out. out: where each answer's scores are written, a JSON line an answer. Of more answers than MOST_WHOLE only numbers stay."""
    every, left = measures(names, knobs), {}
    file = yield from answer_file.read(path, answer_file.MOST_WHOLE)
    with ExitStack() as open_file:
        told = _written(open_file, out)
        if file is None:
            file, none, cited = yield from streamed.surveyed(path, [] if names else every)
            if not names:
                every, left = able(every, none)
            measured = yield from streamed.measured(workbench, config, path, every, cited, told)
        else:
            cases = told_together([row.case for row in file.rows])
            if not names:
                every, left = usable(every, cases)
            measured = yield from measure_all(workbench, config, every, cases)
            told(file.rows, measured)
    return (yield from held_against(file, measured, means, cut, config.seed)), left


def _written(opened: ExitStack, out: Path | None) -> Callable[[Sequence[AnswerRow], list[MeasureScores]], None]:
    """What writes answers with their scores to the file, as long as it is open."""
    if out is None:
        return lambda rows, measured: None
    made = opened.enter_context(files.made_whole(out, "The answers' scores"))
    lines = opened.enter_context(made.open("w", encoding="utf-8", errors="surrogatepass"))

    def write(rows: Sequence[AnswerRow], measured: list[MeasureScores]) -> None:
        for number, row in enumerate(rows):
            lines.write(json.dumps(plain(answer_record(number, row, measured)), ensure_ascii=False) + "\n")

    return write
