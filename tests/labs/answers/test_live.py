"""Answers while they come in: intervals of what is answered so far, gains on the same questions, and where the one did
not become the other."""

import json

import numpy as np
import pytest

from core import registry
from core.__main__ import parse
from core.judging.measure import AnswerScore
from core.labs.answers import answering
from core.labs.answers import live as lab
from core.labs.scores import answer_file
from core.progress import drain
from core.statistics.anytime import anytime_interval
from tests.labs.answers.test_answering import many, template  # noqa: F401

COUNT = 20


def at(bench, count: int = COUNT, **settings: object) -> answering.AnswerSet:
    return answering.answer_set(bench, bench.evaluate(many(**settings)), count)


def test_the_interval_is_of_what_is_answered_so_far_and_narrows(bench, reader):
    drain(answering.answer_questions(bench, many(), 8))
    [em, f1] = [each for each in lab.live(bench, at(bench)) if each.measure.part in ("em", "f1")]
    values, there = lab.judged(bench, at(bench), f1.measure)
    assert there.tolist() == [True] * 8 + [False] * 12 and f1.interval.n == 8
    assert f1.interval == anytime_interval(values[:8], 0.0, 1.0, 0.95, 30)
    drain(answering.answer_questions(bench, many(), COUNT))
    later = next(each for each in lab.live(bench, at(bench)) if each.measure.part == "f1").interval
    assert later.n == COUNT and later.high - later.low < f1.interval.high - f1.interval.low
    # one in the middle is missing: no other number takes the place of the headline
    made = at(bench)
    answers = (*made.answers[:5], None, *made.answers[6:])
    gapped = next(e for e in lab.live(bench, answering.AnswerSet(made.evaluation, made.rows, made.askings, answers)))
    values = lab.judged(bench, made, gapped.measure).values
    assert gapped.interval.n == 19 and gapped.interval.mean == pytest.approx(np.delete(values, 5).mean())
    whole = lab.live(bench, made)[0].interval
    assert gapped.interval.low <= whole.low < whole.high <= gapped.interval.high, "however the missing one turns out"
    assert em.measure.part == gapped.measure.part


def test_gains_are_paired_on_what_both_answered(bench, reader):
    current = drain(answering.answer_questions(bench, many(), COUNT))
    drain(answering.answer_questions(bench, many(**{"context.passages": 1}), 9))
    baseline = at(bench, **{"context.passages": 1})
    made = lab.gains(bench, current, baseline, "ndcg_linear")
    assert [gain.of_answers for gain in made] == [False, *[True] * len(lab.shown_measures())]
    # other measures cannot tell of all answers
    assert {gain.difference.n for gain in made if gain.label in ("ndcg_linear", "Exact match", "Token F1")} == {9}
    assert made[0].difference.mean == 0
    f1 = registry.find("measure", "f1")()
    after, before = (lab.judged(bench, each, f1).values[:9] for each in (current, baseline))
    told = next(gain for gain in made if gain.label == f1.label).difference
    assert told == anytime_interval(after - before, -1.0, 1.0, 0.95, 30)


def test_where_the_one_did_not_become_the_other(bench, reader, monkeypatch):
    current = drain(answering.answer_questions(bench, many(), COUNT))
    baseline = at(bench)
    rows = np.array(current.rows)
    f1 = registry.find("measure", "f1")()
    retrieval = {"ndcg_linear": np.zeros(30)}, {"ndcg_linear": np.zeros(30)}
    retrieval[0]["ndcg_linear"][rows[:3]] = 1.0, 0.5, 0.0
    values = [np.zeros(COUNT), np.zeros(COUNT)]
    values[0][[1, 4]] = 0.7, 0.6  # the second gains in both, the fifth in the answer alone
    for each, found in zip((current, baseline), retrieval, strict=True):
        object.__setattr__(each, "evaluation", type("Told", (), {"values": found})())
    told = {id(current): values[0], id(baseline): values[1]}
    monkeypatch.setattr(lab, "judged", lambda bench, answers, measure: lab.MeasureValues(told[id(answers)], np.ones(COUNT, bool)))
    better, answer = lab.parted(bench, current, baseline, "ndcg_linear", f1)
    assert [each.row for each in better] == [rows[0]] and better[0].retrieval == (0.0, 1.0)
    assert [each.row for each in answer] == [rows[4]] and answer[0].answer == (0.0, 0.6)


def test_scores_are_asked_for_once_and_those_of_a_model_by_the_job(bench, reader, monkeypatch):
    made = drain(answering.answer_questions(bench, many(), 6))
    slow = registry.find("measure", "similarity")()
    calls = []
    scores = lab.scores
    monkeypatch.setattr(lab, "scores", lambda *given: calls.append(given) or scores(*given))
    f1 = registry.find("measure", "f1")()
    for _ in range(2):
        assert lab.judged(bench, made, f1).there.all()
    assert len(calls) == 1 and lab.is_quick(f1) and not lab.is_quick(slow)
    monkeypatch.setattr(type(slow), "headline", True)
    monkeypatch.setattr(type(slow), "score", lambda self, cases, tools: (yield from ()) or [AnswerScore(0.5) for _ in cases])
    assert slow.part in [each.part for each in lab.shown_measures()] and not lab.judged(bench, made, slow).there.any()
    drain(lab.judge_answers(bench, made))
    assert lab.judged(bench, made, slow).values.tolist() == [0.5] * 6 and len(calls) == 1


def test_known_answers_are_lines_that_judge_reads(bench, reader, tmp_path):
    drain(answering.answer_questions(bench, many(), 4))
    lines = lab.records(at(bench))
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    file = drain(answer_file.read(path))
    assert len(file.rows) == len(lines) == 4 and not file.notes
    held = answering.cases(at(bench), range(4))
    for row, case in zip(file.rows, held, strict=True):
        same = ("question", "answer", "passages", "references", *answer_file.OF_CASES)
        assert [getattr(row.case, name) for name in same] == [getattr(case, name) for name in same]


def test_the_command_prints_the_answers_a_line_each(bench, reader, capsys):
    words = ["answer-set", "--ask", "3", *bench.arguments(many())]
    for more, asked in ((["--stored"], 0), ([], 3), ([], 3), (["--stored"], 3)):
        call = parse([*words, *more])
        call.verb.show(drain(call.work(bench)))
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(lines) == asked == len(reader.prompts) and all(line["answer"] for line in lines)


@pytest.mark.slow
def test_what_is_answered_first_after_a_change_misleads_no_interval():
    """Of 40 questions the easy ones are answered already, as where a change of the recipe left their contexts alone."""
    rng, held, plain = np.random.default_rng(1), 0, 0
    for _ in range(200):
        values = (rng.random(60) < 0.5) * 1.0
        there = (values == 1) | (rng.random(60) < 0.2)
        found = lab.so_far(values[:40], there[:40], 0.0, 1.0, 0.95, 60)
        alone = anytime_interval(values[:40][there[:40]], 0.0, 1.0, 0.95, 60)
        held += found.low <= values.mean() <= found.high
        plain += alone.low <= values.mean() <= alone.high
    assert held >= 190 > plain


def test_a_score_is_of_the_overlap_by_which_a_passage_holds_the_evidence(bench, reader, monkeypatch):
    drain(answering.answer_questions(bench, many(), COUNT))
    asked, recall = [], registry.find("measure", "context_recall")()
    monkeypatch.setattr(
        lab, "cases", lambda *of: asked.append(of[0].evaluation.config.evaluation.overlap) or answering.cases(*of)
    )
    for share in (0.5, 0.5, 0.9):
        lab.judged(bench, at(bench, **{"evaluation.overlap": share}), recall)
    assert asked == [0.5, 0.9], "what is remembered of another overlap is another score"
