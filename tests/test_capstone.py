"""The capstone goes on where it was stopped, and says what is measured and no more. Its quick form is run by .ci/run."""

import json
import shlex
import signal
import subprocess
import sys
import time

import psutil
import pytest

from core.config import with_settings
from core.labs.answers.results import keep_rows
from core.labs.experiments import designs, experiment
from core.labs.papers import prose
from core.labs.papers.paper import Paper
from core.labs.trials.leaderboard import AT_TOP, WORSE
from core.memory.simulation import KIND
from core.store.batches import batches
from core.workbench import Workbench
from docs.capstone import findings, labs
from docs.capstone.__main__ import QUICK, WHOLE, document, steps, told
from docs.capstone.items import Finding, Unbeaten
from docs.capstone.running import Step, run
from docs.capstone.studies import HERE
from docs.commands import ROOT, Failed


class Played:
    """Commands that are only noted, and fail where they are told to."""

    def __init__(self, *failing: str) -> None:
        self.said, self.failing = [], failing

    def __call__(self, *words: str) -> dict:
        self.said.append(words[0])
        if words[0] in self.failing:
            raise Failed("the machine was switched off")
        return {"of": words[0], "missing": int(words[0] == "half")}


def step(name: str, **more) -> Step:
    return Step(name, 1, lambda outcomes: [name, *sorted(outcomes)], **more)


def test_what_is_recorded_is_not_done_again_and_what_failed_is(tmp_path):
    chain = [step("one"), step("two", needs=("one",)), step("three", needs=("two",)), step("four")]
    first, second, third = Played("two"), Played(), Played()
    assert run(chain, first, tmp_path, lambda words: None).keys() == {"one", "four"}
    assert first.said == ["one", "two", "four"], "what needs a step that failed is left out, and the others go on"
    assert run(chain, second, tmp_path, lambda words: None).keys() == {"one", "two", "three", "four"}
    assert second.said == ["two", "three", "four"], "four is asked with other outcomes before it, and so is another command"
    assert run(chain, third, tmp_path, lambda words: None)["two"] == {"of": "two", "missing": 0} and not third.said


def test_a_damaged_outcome_and_a_changed_study_are_done_again(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("id: a\n")
    steps_of_it = [Step("one", 1, lambda outcomes: ["study", str(study)])]
    for change in (lambda: None, lambda: study.write_text("id: b\n"), lambda: (tmp_path / "out" / "one.json").write_text("{")):
        change()
        core = Played()
        run(steps_of_it, core, tmp_path / "out", lambda words: None)
        assert core.said == ["study"]
    assert json.loads((tmp_path / "out" / "one.json").read_text())["command"] == ["study", str(study)]


def test_what_is_not_whole_is_not_recorded_and_goes_on(tmp_path):
    chain = [step("half", whole=lambda result: not result["missing"]), step("after", needs=("half",))]
    for _ in range(2):
        core = Played()
        assert run(chain, core, tmp_path, lambda words: None) == {} and core.said == ["half"]


def test_a_step_that_was_done_before_its_outcome_was_recorded_is_found(tmp_path):
    core = Played("freeze")
    made = run(
        [step("freeze", instead=("show",), whole=lambda result: result["of"] == "show")], core, tmp_path, lambda words: None
    )
    assert made["freeze"]["of"] == "show" and core.said == ["freeze", "show"]


def test_a_run_that_is_ended_ends_its_command_before(tmp_path):
    """A step that is left behind goes on measuring, and the next run would begin it beside itself."""
    command = tmp_path / "python"
    command.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/begun.tmp; mv {tmp_path}/begun.tmp {tmp_path}/begun\nexec sleep 600\n")
    command.chmod(0o755)
    program = f"import sys; from docs.commands import Commands, ended; sys.executable = {str(command)!r}; "
    program += f"ended(lambda: Commands({str(tmp_path)!r}, {str(tmp_path)!r})('run'))"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL) as driver:
        end = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < end:
            time.sleep(0.05)
        driver.terminate()
        assert driver.wait(60) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(int((tmp_path / "begun").read_text()))


@pytest.mark.parametrize("form", [QUICK, WHOLE], ids=["quick", "whole"])
def test_its_studies_are_valid_and_what_is_chosen_on_dev_is_reported_on_test(form):
    for plans in form.sections.values():
        for plan in plans:
            study = experiment.read(HERE / plan.file)
            assert study.id == plan.id and not designs.points(study).left_out
            assert study.metrics[0] == plan.metric
            halves = study.recipe.corpus.questions, study.choose_on, study.report_on
            own = "test" if plan.needs else "all"  # what a training has learnt from is not asked
            assert halves == ((own, own, "") if plan.each else ("dev", "dev", "test"))
            first, *others = designs.points(study).settings
            assert not plan.each or with_settings(study.recipe, first) == study.recipe, "what is reported first is the base"
            begins = {factor.setting: factor.values[0] for factor in study.factors} if plan.each else {}
            assert with_settings(study.recipe, begins) == study.recipe, "what is varied begins at the base"
            varied = [" ".join(name for name, value in each.items() if value != first.get(name)) for each in others]
            assert not plan.each or varied == [settings for settings, _ in plan.ways]


def test_the_steps_of_both_forms_have_names_of_their_own(tmp_path):
    for form, quick in ((QUICK, True), (WHOLE, False)):
        planned = steps(form, quick, tmp_path)
        names = [each.name for each in planned]
        assert len(names) == len(set(names))
        people = planned[names.index("people-dense")].words({})
        assert f"chunking.part={form.chunking}" in people and form.corpus in people
    assert (ROOT / "docs/capstone/people-quick.yaml").is_file()


@pytest.mark.parametrize("plan", [*WHOLE.labs, *QUICK.labs], ids=lambda plan: plan.name)
def test_tables_of_labs_are_selected_from_what_is_recorded(plan, tmp_path):
    keep_rows(
        workbench := Workbench(tmp_path), "dpo-experiment", [{"beta": beta, "pairs": 8} for beta in (0.2, 0.3)]
    )  # an earlier run
    keep_rows(workbench, "dpo-experiment", [{"beta": 0.1, "pairs": 64, "accuracy": 0.5261, "f1 low": None}])
    keep_rows(workbench, "serving-compare", [{"rate": 1.0, "arm": "batch 8", "good": 0.5, "p95_ms": 1500.0, "usd": None}])
    keep_rows(workbench, "train-reward", [{"measure": "accuracy", "value": 0.7}])
    [_, query] = shlex.split(plan.shown)
    made = workbench.sql(query)
    table = [dict(zip(made.columns, each, strict=True)) for each in made.rows]
    shown = {"beta": "0.1", "accuracy": 0.526, "F1 low": None} | {"in time, %": 50.0, "p95, s": 1.5} | {"measure": "accuracy"}
    assert all(shown[name] == value for each in table for name, value in each.items() if name in shown)
    assert len(table) == (plan.rows.startswith("lab_rows"))


def test_what_labs_found_becomes_findings(tmp_path):
    workbench, share = Workbench(tmp_path), {"difference": -0.02, "low": -0.05, "high": 0.01, "p": 0.2}
    trained = {"beta": 0.1, "pairs": 64, "best step": 32} | {f"f1 {name}": value for name, value in (share | {"n": 30}).items()}
    keep_rows(
        workbench, "dpo-experiment", [trained, trained | {"beta": 0.2, "best step": 0}]
    )  # where it learnt nothing nothing is found
    life = {"arm": "selective", "seed": 100, "questions": 489, "equivalence": {"tests": {"current": share, "stale": share}}}
    batches(workbench.home).add(KIND, {"one": life}, {})
    plans = {plan.name: plan for plan in WHOLE.labs if plan.found}
    outcomes = {}
    for name, plan in plans.items():
        made = workbench.sql(plan.found)
        outcomes[f"{name}-found"] = [dict(zip(made.columns, each, strict=True)) for each in made.rows]
    current, stale = labs.found(plans["memory-lives"], outcomes)
    assert (current.difference, current.low, current.high, current.p, current.n) == (-0.02, -0.05, 0.01, 0.2, 489)
    assert (stale.difference, stale.low, stale.high) == (0.02, -0.01, 0.05), "fewer stale facts are better"
    [learnt] = labs.found(plans["dpo"], outcomes)
    assert learnt.what == "DPO with beta 0.1 on 64 pairs against the model before it" and learnt.n == 30
    assert "$GROUNDWORK_DATASETS/qa_feedback" in learnt.command and not labs.found(plans["dpo"], {})


def row(place: int, group: str) -> dict:
    return {"trial": f"{place:026}", "name": f"Recipe {place}", "group": group}


def outcomes(plan, p: float, reported: tuple[int, int]) -> dict:
    board = [row(1, AT_TOP), row(2, AT_TOP), row(3, WORSE)]
    study = {"id": plan.id, "leaderboard": board, "reported": [f"{place:026}" for place in reported], "missing": 0, "failed": []}
    cells = [{**each, "cells": {"latency_ms": {"mean": 9.0 - n}}} for n, each in enumerate(board)]
    gain = {"difference": 0.02, "low": -0.01, "high": 0.05, "p": p, "n": 40, "mean_a": 0.5}
    return {plan.id: study, f"{plan.id}-test": gain, f"{plan.id}-table": {"rows": cells}}


@pytest.mark.parametrize(
    ("p", "reported", "says"),
    [
        (0.2, (8, 9), "which is not significant"),
        (0.0001, (8, 9), "p {hybrid-python-p}"),
        (0.03, (8, 9), "p = {hybrid-python-p}"),
        (1.0, (9, 9), "This is the base itself"),
    ],
)
def test_a_section_says_what_its_outcome_says_and_names_only_items_of_its_own(p, reported, says):
    [plan] = next(iter(QUICK.sections.values()))
    parts = told(QUICK, outcomes(plan, p, reported))
    [(_, [section])] = parts
    assert says in section.text
    assert "Recipe 2 searches fastest" in section.text, "the third is faster, and is significantly worse than the best"
    paper = Paper.model_validate(document(parts))  # which refuses a text that names what is no item
    assert [item.place for item in paper.items if item.kind == "text"] == ["before", "results", "after"]
    assert not prose.unmentioned(paper) and isinstance(section.findings[0], Finding if reported[0] != reported[1] else Unbeaten)


def test_a_best_recipe_that_stands_alone_leaves_no_number_that_no_sentence_names():
    [plan] = next(iter(QUICK.sections.values()))
    made = outcomes(plan, 0.03, (8, 9))
    made[plan.id]["leaderboard"][1]["group"] = "worse"
    assert not prose.unmentioned(Paper.model_validate(document(told(QUICK, made))))


def test_a_section_that_chooses_nothing_says_each_recipe_with_its_corrected_p():
    [plan] = QUICK.sections["Whether the answer follows"]
    rows = [
        {
            "Trial": f"Way {place}",
            "Reference": 0.2,
            "Difference": gain,
            "Low": gain - 0.1,
            "High": gain + 0.1,
            "p": p,
            "p (Holm)": p,
            "n": 8,
        }
        for place, (gain, p) in enumerate([(0.3, 0.0002), (-0.02, 0.7)])
    ]
    study = {"trials": [f"{place:026}" for place in (7, 8, 9)], "reported": []}
    parts = told(QUICK, {plan.id: study, f"{plan.id}-test": {"tests": rows}, f"{plan.id}-table": {"rows": []}})
    [(_, [section])] = parts
    paper = Paper.model_validate(document(parts))
    assert not prose.unmentioned(paper)
    assert "hybrid retrieval {answers-python-1-difference}" in section.text and "p < 0.001" not in section.text
    assert "p {answers-python-1-p}" in section.text and "p = {answers-python-2-p}" in section.text
    assert [found.what for found in section.findings] == [
        f"{way} against one prompt over dense retrieval on the Python reference" for way in ("Hybrid retrieval", "No passages")
    ]
    compared = next(item for item in paper.items if item.name == "answers-python-1-difference")
    assert compared.value == f"rows.{study['trials'][1]}.cells.f1.difference"


def test_findings_are_corrected_together_and_a_loss_is_told_as_one():
    made = [
        Finding(f"A{n}", "nDCG@10", gain, gain - 0.01, gain + 0.01, p, 50, "c")
        for n, (gain, p) in enumerate([(0.1, 0.03), (-0.1, 0.001)])
    ]
    kept = Unbeaten("Dense on B", "nDCG@10", 0.5, 10, 50, "c")
    page = findings.written({"One": [*made, kept], "Two": made[:1]})
    lines = [line for line in page.splitlines() if line.startswith("- ")]
    assert "A0: **better**" in lines[0] and "p (Holm) 0.030" in lines[0]
    assert "A1: **worse**, nDCG@10 −0.100 (−0.110 to −0.090), p (Holm) 0.002" in lines[1]
    assert "Dense on B: **nothing better found** among 10 recipes on dev; nDCG@10 0.500" in lines[2]
    same = findings.sentence(Finding("A", "token F1", 0.0, 0.0, 0.0, 1.0, 60, "c"), 1.0)
    assert same == "A: **no significant difference**, token F1 the same on every question, n 60."
    assert findings.written({"One": [], "Two": []}, page) == page
    renewed = findings.written({"One": made[:1], "Two": [], "Three": []}, page)
    assert renewed == findings.written({"One": made[:1], "Two": made[:1]})
