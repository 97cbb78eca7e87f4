"""Leave one article out: by hand, against statsmodels, and where articles hang together against independent questions."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.ui.trials.left_out import summary
from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.trials import comparison, left_out
from core.statistics.bootstrap import mean_interval
from core.workbench import Workbench
from tests.labs.trials.test_effects import measured
from tests.support.synthetic_trials import add_questions, add_trial

SCORES = measured([{}, {"fusion.weight": 0.2}], np.zeros((2, 4)))


def test_each_article_is_left_out_by_hand():
    differences = np.array([1.0, 0.0, 0.5, -0.5, 0.5])
    result = left_out.sensitivity(differences, ["a", "b", "a", "c", "c"], SCORES)
    assert {row.article: row.difference for row in result.articles} == pytest.approx({"a": 0.0, "b": 0.375, "c": 0.5})
    assert [row.article for row in result.articles] == ["a", "c", "b"] and result.articles[0].change == pytest.approx(-0.3)
    assert result.turns == 1 and (result.difference, result.n) == (pytest.approx(0.3), 5)


def test_the_interval_is_called_by_its_level():
    differences, names = np.linspace(-0.5, 1.0, 40), [f"d{i}" for i in range(40)]
    recipe = replace(SCORES.recipes[0], config=SCORES.recipes[0].config | {"evaluation": {"resamples": 100, "confidence": 0.8}})
    for measured_by, level in ((SCORES, "95%"), (SCORES._replace(recipes=[recipe, recipe]), "80%")):
        assert f", {level} interval " in summary(left_out.sensitivity(differences, names, measured_by), "article")


def test_articles_of_one_question_have_the_usual_standard_error():
    differences = np.random.default_rng(0).normal(size=40)
    result = left_out.sensitivity(differences, [f"d{i}" for i in range(40)], SCORES)
    assert result.jackknife_error == pytest.approx(differences.std(ddof=1) / np.sqrt(40))
    assert (result.cluster_low, result.cluster_high) == pytest.approx((result.low, result.high))


def test_the_jackknife_is_near_the_cluster_robust_error_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 5)
    differences = rng.normal(size=60)[groups] + rng.normal(size=300) * 0.5
    robust = api.OLS(differences, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": groups}).bse[0]
    result = left_out.sensitivity(differences, [f"d{g}" for g in groups], SCORES)
    assert result.jackknife_error == pytest.approx(robust, rel=0.01)
    naive = mean_interval(differences)
    assert result.cluster_high - result.cluster_low > 1.5 * (naive.high - naive.low)  # questions of an article are alike


def test_one_article_alone_cannot_be_left_out():
    with pytest.raises(WorkbenchError, match="one article"):
        left_out.sensitivity(np.ones(3), ["a"] * 3, SCORES)


@pytest.fixture(scope="module")
def ids(home):
    store = Workbench(home).store
    questions = add_questions(store, n=30)
    for number, query in enumerate(questions["queries"]):
        query["group"] = ("when", "where", "")[number % 3]
        if query["gold"]:
            query["gold"] = [*query["gold"], [f"d{number - number % 5}", 0, 10, 1, 1]]  # five questions share an article
    store.add("questions", questions | {"fingerprint": "shared"})
    shared = questions | {"fingerprint": "shared"}
    return [add_trial(store, shared, {"fusion.weight": w}, q, i) for i, (w, q) in enumerate([(0.1, 0.3), (0.2, 0.9)])]


def test_the_command_takes_the_articles_of_the_evidence_or_groups(home, ids, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["left-out", *ids, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    wanted = Workbench(home).compare(*ids, "ndcg_linear")
    for name in ("difference", "low", "high"):
        assert record[name] == pytest.approx(wanted[name])
    assert sum(row["questions"] for row in record["articles"]) == 29 and len(record["articles"]) > 5
    assert main(["left-out", *ids, "--by", "group", "--json"]) == 0
    assert {row["left out"] for row in json.loads(capsys.readouterr().out)["articles"]} == {"when", "where", left_out.NO_GROUP}
    assert main(["left-out", *ids, "--by", "colour"]) == 1 and "no 'colour'" in capsys.readouterr().err


def test_every_method_tells_the_same_difference(home, ids, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["every-test", *ids, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    table, wanted = {row["method"]: row for row in record["methods"]}, Workbench(home).compare(*ids, "ndcg_linear")
    assert table["Student's t"]["value"] == pytest.approx(wanted["difference"]) and record["questions"] == 29
    assert (
        table["sign flips"]["p"] == pytest.approx(wanted["p"], abs=0.01) and "articles" in table["bootstrap by document"]["note"]
    )
    assert main(["every-test", ids[0], ids[0]]) == 1 and "repeats of one recipe" in capsys.readouterr().err


def test_repeats_of_one_recipe_have_no_difference(home, ids):
    bench = Workbench(home)
    trial = comparison.trials(bench)[0]
    with pytest.raises(WorkbenchError, match="repeats of one recipe"):
        left_out.left_out(bench, trial, trial, "mrr")


@pytest.mark.parametrize("articles", [2, 5])
def test_with_few_articles_the_interval_by_article_still_covers(articles):
    rng, inside = np.random.default_rng(5), []
    for _ in range(150):
        differences = np.repeat(rng.normal(size=articles), 10) + rng.normal(size=10 * articles) * 0.1
        result = left_out.sensitivity(differences, [f"d{i // 10}" for i in range(10 * articles)], SCORES)
        inside.append(result.cluster_low <= 0 <= result.cluster_high)
    assert np.mean(inside) > 0.88  # resamples of articles: 0.5 of two, 0.83 of five
