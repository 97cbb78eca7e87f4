"""Judges at work: answers through the editor's gate with every decision kept, and what order and length are worth to a judge."""

import json
import math
import shlex
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from core import files, registry
from core.config import PartConfig, TrialConfig, fingerprint, valid
from core.corpus.reading import Notes, Source, clean, decode
from core.errors import WorkbenchError
from core.files import read_json
from core.judging import pairs as pairwise
from core.judging.gate import DIMENSIONS, REVISE, gate
from core.judging.measure import AnswerCase
from core.judging.measures.rubric import RubricRun, rated
from core.judging.pairs import AnswerPair
from core.labs.answers.answering import answer_phase
from core.labs.scores import answer_file
from core.pipeline.forecast import Forecast, Phase, Usd, total
from core.pipeline.scores import judge_tools
from core.progress import counted, counted_within
from core.records import Progress
from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import estimate
from core.workbench import Workbench

FORM = 'A line is an object with "question", "a" and "b" (two answers), and if there "passages" and "better" (a, b or tie).'


def review(
    workbench: Workbench, config: TrialConfig, path: Path, judges: Sequence[PartConfig], runs: int, temperature: float
) -> Generator[Progress, None, dict[str, Any]]:
    """The answers of a file rated by each judge, and the gate's decision on each, which is recorded."""
    file = yield from answer_file.read(path)
    cases = [row.case for row in file.rows]
    refused = [_unmeasurable(case) for case in cases]
    asked = [case for case, why in zip(cases, refused, strict=True) if not why]
    by_judge = []
    for judge in judges:
        work = rated(asked, judge_tools(workbench.pipeline, config)._replace(generator=judge), runs, temperature)
        made = iter((yield from counted_within(work, Progress(len(by_judge), len(judges), named(judge)))))
        by_judge.append([[RubricRun({}, why)] if why else next(made) for why in refused])
    decisions = []
    for row, *ratings in zip(file.rows, *by_judge, strict=True):
        payload = _decided(workbench, row.case, ratings, judges) | {"source": row.place}
        record = workbench.store.add("decision", payload)
        decisions.append(payload | {"id": record})
    return {
        "file": file.name,
        "notes": list(file.notes),
        "judges": [named(judge) for judge in judges],
        "verdicts": {
            name: sum(each["verdict"] == name for each in decisions) for name in ("accept", "revise", "reject", "undecided")
        },
        "agreement": agreement(by_judge, config.seed),
        "decisions": decisions,
    }


def decided(workbench: Workbench, cases: Sequence[AnswerCase]) -> list[list[dict[str, Any]]]:
    """The decisions on each of these answers that were recorded, the newest first. The same words over other passages are another answer;
    old decisions do not tell theirs."""
    by_answer: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in workbench.store.query("SELECT * FROM decisions ORDER BY id DESC"):
        row = row | {"ratings": json.loads(row["ratings"] or "[]")}
        by_answer.setdefault((row["question"], row["answer"]), []).append(row)
    return [
        [row for row in by_answer.get((case.question, case.answer), []) if row["passages"] in (None, fingerprint(case.passages))]
        for case in cases
    ]


def _unmeasurable(case: AnswerCase) -> str:
    return "" if case.answer.strip() else "empty answer"


def _decided(
    workbench: Workbench, case: AnswerCase, ratings: list[list[RubricRun]], judges: Sequence[PartConfig]
) -> dict[str, Any]:
    """The decision on one answer. A judge counts once, however many of its runs have a rating."""
    by_judge = [[run.fields for run in runs if run.fields] for runs in ratings]
    by_judge = [runs for runs in by_judge if runs]
    means = {name: fmean(fmean(run[name] for run in runs) for runs in by_judge) if by_judge else math.nan for name in DIMENSIONS}
    alarmed = [fmean(run["confident_hallucination"] for run in runs) >= 0.5 for runs in by_judge]
    hallucination = bool(alarmed) and fmean(alarmed) >= 0.5
    earlier = workbench.store.query(  # without a question, as of summaries, nothing tells that two answers are to the same
        "SELECT DISTINCT answer FROM decisions WHERE question = ? AND question <> '' AND verdict = ?", [case.question, REVISE]
    )
    revisions = sum(each["answer"] != case.answer for each in earlier)
    verdict = gate(means, hallucination, revisions)
    whys = sorted({run.why for runs in ratings for run in runs if run.why})
    return {
        "created": datetime.now(UTC).isoformat(),
        "question": case.question,
        "answer": case.answer,
        "passages": fingerprint(case.passages),
        "verdict": verdict.verdict,
        "reasons": [*verdict.reasons, *whys],
        "means": {name: None if math.isnan(value) else value for name, value in means.items()},
        "confident_hallucination": hallucination if alarmed else None,
        "revisions": revisions,
        "judges": [named(judge) for judge in judges],
        "ratings": [[run.fields or {"unmeasured": run.why} for run in runs] for runs in ratings],
    }


def agreement(by_judge: Sequence[list[list[RubricRun]]], seed: int = 0) -> dict[str, Any]:
    """Krippendorff's alpha of the judges' means, by dimension; {} of one judge."""
    if len(by_judge) < 2:
        return {}

    def mean(runs: list[RubricRun], name: str) -> float:
        values = [run.fields[name] for run in runs if run.fields]
        return fmean(values) if values else math.nan

    tables = {name: np.array([[mean(runs, name) for runs in judge] for judge in by_judge]).T for name in DIMENSIONS}
    return {name: estimate(alpha(table, "interval"), seed=seed)._asdict() for name, table in tables.items()}


def judge_bias(
    workbench: Workbench, config: TrialConfig, path: Path, judges: Sequence[PartConfig], runs: int, temperature: float
) -> Generator[Progress, None, dict[str, Any]]:
    """Two answers a line, judged in both orders by each judge: what order and length are worth to it, and what the panel says."""
    pairs, notes = yield from read_pairs(path)
    rows, places = [], []
    for judge in judges:
        tools = judge_tools(workbench.pipeline, config)._replace(generator=judge)
        work = pairwise.verdicts(pairs, tools, runs, temperature)
        made = yield from counted_within(work, Progress(len(rows), len(judges), named(judge)))
        places.append(made.places)
        told = pairwise.plain_bias(pairwise.bias(made.places, pairs, config.seed))
        rows.append({"judge": named(judge), **told, "unmeasured": made.unmeasured})
    winners = np.column_stack([pairwise.winners(each) for each in places])
    many = len(judges) > 1
    said = {1.0: "a", -1.0: "b", 0.0: "tie"}
    return {
        "file": path.name,
        "notes": list(notes),
        "pairs": len(pairs),
        "judges": rows,
        "agreement": estimate(alpha(winners, "nominal"), seed=config.seed)._asdict() if many else None,
        "panel": [said.get(value) for value in pairwise.panel(places).tolist()],
    }


def read_pairs(path: Path) -> Generator[Progress, None, tuple[list[AnswerPair], tuple[str, ...]]]:
    """The pairs of a file (.jsonl or .jsonl.gz). What is broken is noted with its line, the rest is kept."""
    source = Source(path, Notes())
    if path.is_dir() or len(source.sizes) != 1:
        raise WorkbenchError("This is no single file.", where=str(path), todo=f"Give a file of JSON lines. {FORM}")
    [name] = source.sizes
    pairs = []
    for number, line, position in source.lines(name):
        place = f"{path.name}:{number}"
        if number % 200 == 1:
            yield Progress(position, source.sizes[name], f"Reading {path.name}")
        if not line.strip():
            continue
        try:
            fields = read_json(decode(line, source.notes, place), of=dict, numbers="careless")
            question, answers = fields.get("question") or "", (fields["a"], fields["b"])
            passages = answer_file.texts_of(fields.get("passages"))
            if passages is None or not all(isinstance(text, str) for text in (question, *answers)):
                raise TypeError
            if not all(answer.strip() for answer in answers):
                source.notes.add("An answer is empty, left out", place)
                continue
            better = {"a": 1.0, "b": -1.0, "tie": 0.0}.get(fields.get("better"))
            pairs.append(AnswerPair(clean(question), *map(clean, answers), passages, better))
        except (WorkbenchError, KeyError, TypeError, AttributeError):
            source.notes.add("Line is no pair of answers, left out", place)
    if not pairs:
        raise WorkbenchError(f"The file has no pairs. {' '.join(source.notes.lines())}", where=str(path), todo=FORM)
    return pairs, source.notes.lines()


def judge_of(text: str) -> PartConfig:
    """An engine from "openai_compatible base_url=http://127.0.0.1:8000/v1 model=m"."""
    name, *settings = shlex.split(text) or [""]
    engine, words = registry.find("generator", name), dict(each.partition("=")[::2] for each in settings)
    if bad := next((each for each in settings if "=" not in each), ""):
        raise WorkbenchError(f"'{bad:.60}' has no =.", where=text, todo="For example openai_compatible model=m")
    texts = {knob for knob, field in engine.model_fields.items() if field.annotation is str}  # a model may be called 4
    return valid(engine, {knob: value if knob in texts else files.read_value(value) for knob, value in words.items()})


def panel_cost(workbench: Workbench, judges: Sequence[PartConfig], number: int, noun: str, runs: int) -> Forecast:
    """What so many things to judge take: each by each judge, in each run."""
    told = f"{counted(number, noun)} by {counted(len(judges), 'judge')}, {counted(runs, 'run')} each"
    each = [answer_phase(workbench, judge, number * runs, f"{counted(number, noun)} by {named(judge)}") for judge in judges]
    usd = [phase.usd for phase in each if phase.usd]
    whole = total(phase.seconds for phase in each) if number else None
    phase = Phase(told, whole, Usd(*map(sum, zip(*usd, strict=True))) if usd else None)
    return Forecast((phase,), units=number * len(judges) * runs, like=", ".join(map(named, judges)))


def named(judge: PartConfig) -> str:
    return f"{judge.part} {judge.model}"
