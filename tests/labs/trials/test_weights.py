"""A weight learned by cross-validation: the folds by hand, nothing held out in the choice, and the verb."""

import json
from itertools import pairwise

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.trials import weights
from core.records import Gold, Query
from tests.support.small_corpora import THINGS, WAYS, with_towns

GRID = [0.0, 0.5, 1.0]


def test_each_fold_is_measured_at_the_weight_that_the_others_choose():
    # articles a, a: best at 0; b: best at 1
    values = np.array([[1.0, 0.8, 0.1], [0.5, 0.5, 0.5], [0.0, 0.0, 0.9]])
    result = weights.cross_validated(values, GRID, ["a", "a", "b"], folds=2)
    by_size = {fold.questions: fold for fold in result.folds}
    assert (by_size[2].weight, by_size[2].here, by_size[2].elsewhere) == (1.0, 0.0, 0.9)
    assert (by_size[1].weight, by_size[1].here, by_size[1].elsewhere) == (0.0, 0.1, pytest.approx(0.9))
    assert result.values.tolist() == [0.0, 0.0, 0.1] and result.weight == 0.0


def test_what_is_held_out_has_no_part_in_the_choice():
    rng = np.random.default_rng(0)
    values, articles = rng.random((3, 40)), [f"a{i // 4}" for i in range(40)]
    before = weights.cross_validated(values, GRID, articles, 5)
    sets = [{articles[i] for i in np.flatnonzero(np.isclose(before.values, before.values[j]))} for j in range(40)]
    assert all(sets) and sum(fold.questions for fold in before.folds) == 40
    changed = values.copy()
    changed[2, :4] += 100  # of the first article alone
    after = weights.cross_validated(changed, GRID, articles, 5)
    own = next(i for i, fold in enumerate(after.folds) if fold.here != before.folds[i].here or fold.weight != 1.0)
    assert [fold.weight for i, fold in enumerate(after.folds) if i != own] == [1.0] * 4
    assert after.folds[own].weight == before.folds[own].weight, "its own questions decided its weight"


def test_questions_that_are_not_measured_are_left_out_and_ties_take_the_middle():
    values = np.array([[1.0, 1.0, np.nan], [1.0, 1.0, np.nan], [1.0, 1.0, np.nan]])
    result = weights.cross_validated(values, GRID, ["a", "b", "c"], 2)
    assert result.weight == 0.5 and np.isnan(result.values[2]) and [fold.questions for fold in result.folds] == [1, 1]


@pytest.mark.parametrize("folds", [1, 3])
def test_too_few_articles_are_said(folds):
    with pytest.raises(WorkbenchError, match="folds"):
        weights.cross_validated(np.ones((3, 4)), GRID, ["a", "a", "b", "b"], folds)


def asked(gold):
    return tuple(Query(q, "?", tuple(Gold(d, 0, 1) for d in ds), group=q) for q, ds in gold.items())


def test_questions_with_shared_documents_stay_together():
    gold = {"x": ["d1"], "y": ["d1", "d2"], "z": ["d3"], "w": ["d4"]}
    first, *rest = weights.units_of(asked(gold), "article").names
    assert rest[0] == first and len({first, *rest}) == 3
    assert weights.units_of(asked(gold), "group") == (list("xyzw"), "group")
    assert weights.units_of(asked(gold), "question") == (list("xyzw"), "question")


def test_where_most_questions_would_be_one_article_each_stands_by_itself_and_that_is_told():
    """As on densely judged sets: 77 of 93 joined make one article of them, and a sign test over 17."""
    dense = {f"q{i}": [f"d{i}", f"d{i + 1}"] for i in range(6)} | {"alone": ["other"]}
    units = weights.units_of(asked(dense), "article")
    assert units.names == [*dense] and units.told == "question, because 6 of 7 hang together by shared documents"
    same = tuple(query._replace(group="") for query in asked(dense))
    assert weights.units_of(same, "group").told == "question, because 7 of 7 are of one group"


@pytest.mark.slow
def test_the_verb_says_the_weight_of_each_fold_and_sets_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    texts = {f"{thing}.txt": f"{thing.title()} {WAYS[i % 4]}." for i, thing in enumerate(THINGS[:6])}
    questions = [{"question": f"What of {t}?", "document": f"{t}.txt", "answer": t.title()} for t in THINGS[:6]]
    with_towns(tmp_path / "home", texts, questions)
    words = ["learn-weights", "--dataset", "towns", "--weights", "0:1:0.5", "--folds", "3", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["fold"] for row in told["folds"]] == [1, 2, 3] and sum(row["questions"] for row in told["folds"]) == 6
    assert [row["against"] for row in told["differences"]] == ["lexical alone", "dense alone", "weight 0.7, as set"]
    assert told["to use it"].startswith("--set fusion.part=convex --set fusion.weight=")
    assert (told["by"], told["units"]) == ("article", 6)
    assert main([*words, "--set", "fusion.part=isr"]) == 1
    assert "no weight" in capsys.readouterr().out
    assert main(["trials", "--json"]) == 0 and json.loads(capsys.readouterr().out) == []


@pytest.mark.slow
def test_of_densely_judged_questions_the_verb_takes_each_by_itself(tmp_path, monkeypatch, capsys):
    """By articles they could not be divided at all: they are one."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    texts = {f"{thing}.txt": f"{thing.title()} {WAYS[i % 4]}." for i, thing in enumerate(THINGS[:7])}
    questions = [
        {"id": t, "question": f"What of {t}?", "document": f"{document}.txt", "answer": document.title()}
        for t, after in pairwise(THINGS[:7])
        for document in (t, after)
    ]
    with_towns(tmp_path / "home", texts, questions)
    words = ["learn-weights", "--dataset", "towns", "--weights", "0:1:0.5", "--folds", "3", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["by"] == "question, because 6 of 6 hang together by shared documents" and told["units"] == 6
    assert main([*words, "--by", "question"]) == 0 and json.loads(capsys.readouterr().out)["by"] == "question"
