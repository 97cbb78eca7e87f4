"""The embedding lab: its numbers are the workbench's, every encoder is treated alike, and what is impossible is said."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from core.config import TrialConfig, with_settings
from core.embedding.transform import principal
from core.labs.encoders import comparison, diagnostics, geometry, trade_off, training
from core.models.hub import bundled_folder
from core.pipeline.speed import Estimate
from core.progress import drain
from core.statistics.corrections import holm
from core.training.encoders.settings import TrainConfig
from core.workbench import Phase, Plan, command_line
from tests.support.small_corpora import markets, small_bert, with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Ghent", "Bern", "Turin")
TEXTS, QUESTIONS = markets(TOWNS)
QUESTIONS += [{"id": "hard", "question": "Which mill is old?", "document": "Pisa.txt", "answer": "old mill of Pisa"}]
CHOSEN = ("minilm-mean", "minilm-cls", "lsa")


@pytest.fixture(scope="module")
def bench(home):
    workbench = with_towns(home, TEXTS, QUESTIONS)
    for offer in chosen(recipe()):
        drain(workbench.prepare(comparison.prepared(comparison.variant(recipe(), offer.part))))
    return workbench


@pytest.fixture(autouse=True)
def _same_home(home, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))  # where trained encoders are looked for


def recipe(**settings) -> TrialConfig:
    usual = {"corpus.dataset": "towns", "evaluation.k": 3, "retrieval.top_k": 5}
    return with_settings(TrialConfig(), usual | {name.replace("__", "."): value for name, value in settings.items()})


def chosen(config: TrialConfig, ids=CHOSEN) -> list[comparison.Offer]:
    by_id = {offer.id: offer for offer in comparison.offers(config)}
    return [by_id[encoder] for encoder in ids]


def board(bench, config, ids=CHOSEN, reference=0) -> list[comparison.EncoderResult]:
    offers = chosen(config, ids)
    return drain(comparison.leaderboard(bench, config, offers, offers[reference]))


@pytest.mark.slow
def test_every_encoder_is_measured_as_dense_retrieval_by_exact_search(bench):
    rows = board(bench, recipe())
    for row in rows:
        same = bench.evaluate(row.config)
        assert row.config.fusion.part == "dense_only" and row.config.index.part == "exact"
        assert row.intervals == same.intervals and row.config.chunking == recipe().chunking
    assert len({row.intervals["mrr"].mean for row in rows}) > 1, "different encoders rank differently"


@pytest.mark.slow
def test_differences_are_the_workbenchs_with_holm_over_the_encoders(bench):
    base, *others = board(bench, recipe())
    raw = [bench.differences(row.evaluation, base.evaluation)["recall"] for row in others]
    assert [row.changes["recall"].paired for row in others] == raw
    assert [row.changes["recall"].p_holm for row in others] == pytest.approx(holm(np.array([one.p for one in raw])).tolist())
    assert base.changes == {} and comparison.verdict(base, "recall") == ""
    for row in others:
        worse = row.changes["recall"].paired.difference < 0 and row.changes["recall"].p_holm < 0.05
        assert comparison.verdict(row, "recall") == ("worse" if worse else "not significant")


@pytest.mark.slow
def test_the_transform_shows_in_dimension_and_bytes(bench):
    [row] = board(bench, recipe(transform__projection="pca", transform__dimensions=8, transform__quantise="int8"), CHOSEN[:1])
    assert (row.transform.dim, row.transform.bytes_per_vector) == (8, 8.0)
    line = comparison.table([row], ["mrr"], row.offer)[0]
    assert (line["dimensions"], line["bytes_per_vector"], line["mrr"]) == (8, 8.0, row.intervals["mrr"].mean)


def test_an_encoder_that_was_trained_again_under_its_name_is_compared_anew(bench, home):
    def change() -> float:
        for offer in chosen(recipe(), ids):
            drain(bench.prepare(comparison.prepared(comparison.variant(recipe(), offer.part))))
        base, row = board(bench, recipe(), ids)
        gap = row.intervals["mrr"].mean - base.intervals["mrr"].mean
        assert row.changes["mrr"].paired.difference == pytest.approx(gap)
        return gap

    ids, folder = ("lsa", "trained-again"), home / "encoders" / "again"
    try:
        small_bert(folder)
        first = change()
        shutil.rmtree(folder)  # as the error of a name that is taken advises
        shutil.copytree(bundled_folder(), folder)
        assert change() > first
    finally:
        shutil.rmtree(folder)


def test_an_impossible_setting_is_told_for_its_encoder_and_the_others_go_on(bench):
    rows = board(bench, recipe(transform__cut=300))
    told = next(row for row in rows if row.offer.id == "lsa")  # it has fewer dimensions than chunks
    assert "cut" in str(told.error) and told.evaluation is None
    assert all(row.evaluation for row in rows if row is not told)
    assert comparison.table(rows, ["mrr"], rows[0].offer)[-1]["to do"] == told.error.what


def test_what_is_not_embedded_is_not_embedded_by_looking(bench, monkeypatch):
    monkeypatch.setattr(
        type(bench), "plan", lambda self, config: Plan(False, (Phase("embedding 9,000 texts", Estimate(61.0, 83.0)),))
    )
    rows = board(bench, recipe())
    assert all(row.plan.what == "embedding 9,000 texts" and row.evaluation is None for row in rows)


def test_what_is_prepared_does_not_depend_on_the_sliders():
    offer = chosen(recipe())[1]
    moved = recipe(transform__projection="pca", transform__dimensions=8, retrieval__candidates=50, index__metric="dot")
    assert comparison.prepared(comparison.variant(recipe(), offer.part)) == comparison.prepared(
        comparison.variant(moved, offer.part)
    )


def test_the_recipes_own_encoder_is_offered_once():
    assert comparison.own(comparison.offers(recipe()), recipe()).id == "minilm-mean"
    other = recipe(embedding__max_tokens=64)
    assert (
        comparison.own(comparison.offers(other), other).id == "recipe"
        and len(comparison.offers(other)) == len(comparison.offers(recipe())) + 1
    )


@pytest.mark.parametrize("settings", [
    {}, {"transform__projection": "pca", "transform__dimensions": 6}, {"transform__quantise": "binary", "transform__rescore": 3},
    {"transform__projection": "whitening", "index__metric": "l2"}, {"transform__remove_top": 1, "index__metric": "dot"},
    {"retrieval__documents": "id=P*|B*|L*"}, {"query": {"part": "rocchio", "alpha": 0.0, "beta": 1.0, "documents": 5}},
])  # fmt: skip
def test_the_ringed_point_of_the_curve_is_what_the_workbench_measures(bench, settings):
    config = comparison.variant(recipe(**settings), chosen(recipe())[0].part)
    now, points = drain(trade_off.trade_off(bench, config))
    whole = bench.evaluate(config)
    for metric in ("recall", "mrr", "ndcg_linear"):
        assert now.intervals[metric].mean == pytest.approx(whole.intervals[metric].mean, abs=1e-12), metric
    assert {point.format for point in points} == set(trade_off.FORMATS)
    sizes = [point.dimensions for point in points if point.format == "none"]
    assert sizes == sorted(sizes) and sizes[-1] == len(TEXTS) - 1 - config.transform.remove_top, "ends at the rank"


def test_a_large_corpus_is_asked_some_questions_and_all_of_them_on_demand(bench, monkeypatch):
    monkeypatch.setattr(comparison, "QUESTIONS", 6)
    offers, config = chosen(recipe()), recipe(seed=1)
    some = drain(comparison.leaderboard(bench, config, offers, offers[0]))
    every = drain(comparison.leaderboard(bench, config, offers, offers[0], everything=True))
    assert [row.intervals["recall"].n for row in (*some, *every)] == [6] * 3 + [len(QUESTIONS)] * 3
    asked = [query.id for query in some[0].evaluation.corpus.queries]
    assert all([query.id for query in row.evaluation.corpus.queries] == asked for row in some), "the same of every encoder"
    whole = every[0].evaluation
    places = [[query.id for query in whole.corpus.queries].index(question) for question in asked]
    assert np.allclose(some[0].evaluation.values["mrr"], whole.values["mrr"][places])
    assert every[1].changes["recall"].paired.n == len(QUESTIONS) and some[1].changes["recall"].paired.n == 6
    now, _ = drain(trade_off.trade_off(bench, some[0].config))
    assert now.intervals["mrr"].mean == pytest.approx(some[0].intervals["mrr"].mean), "the curve asks the same ones"


def test_points_of_a_curve_are_measured_once(bench):
    config = comparison.variant(recipe(seed=2), chosen(recipe())[0].part)
    count = drain(trade_off.points_left(bench, config, trade_off.FORMATS))
    _, points = drain(trade_off.trade_off(bench, config))
    assert count == len(points) + 1 and drain(trade_off.points_left(bench, config, trade_off.FORMATS)) == 0
    moved = comparison.variant(recipe(seed=2, transform__projection="pca", transform__dimensions=6), config.embedding)
    assert drain(trade_off.points_left(bench, moved, trade_off.FORMATS)) == len(trade_off.FORMATS), "only the new dimension"
    assert drain(trade_off.points_left(bench, config, (*trade_off.FORMATS, "float16"))) == len(points) // len(trade_off.FORMATS)


def test_codes_are_drawn_with_the_bytes_that_divide_the_dimension():
    basis = principal(np.random.default_rng(0).normal(size=(300, 70)).astype(np.float32))

    def codes(**settings):
        return [(one.dimensions, one.code_bytes) for one in trade_off.grid(basis, ("pq",), recipe(**settings).transform)]

    assert codes() == [(64, 4), (64, 8), (64, 16), (64, 32), (64, 64)]
    assert codes(transform__projection="whitening", transform__dimensions=24) == [(24, 4), (24, 8)]


def test_settings_of_steps_not_taken_compute_nothing():
    moved = recipe(transform__dimensions=8, transform__code_bytes=8, transform__rescore=4).transform
    assert trade_off.acting(moved) == TrialConfig().transform
    used = recipe(transform__projection="pca", transform__dimensions=8, transform__quantise="pq", transform__rescore=4).transform
    assert trade_off.acting(used) == used


def test_geometry_before_and_after_is_that_of_the_vectors(bench):
    [row] = board(bench, recipe(transform__centre=True), CHOSEN[:1])
    shape = drain(geometry.geometry_of(bench, row))
    vectors = drain(bench.pipeline.vectors(row.evaluation.run))
    assert shape.before.average_cosine == diagnostics.diagnose(vectors).average_cosine
    assert shape.after.average_cosine < shape.before.average_cosine / 2, "centring takes out the common direction"
    [plain] = board(bench, recipe(), CHOSEN[:1])
    assert drain(geometry.geometry_of(bench, plain)).after is None


def test_gold_pairs_are_nearer_than_random_ones(bench):
    [row] = board(bench, recipe(), CHOSEN[:1])
    found = drain(geometry.separation_of(bench, row))
    assert len(found.gold) == len(row.evaluation.judged.relevance.pair_row) and 0.7 < found.auc <= 1


def test_the_map_says_what_was_found(bench):
    [row] = board(bench, recipe(), CHOSEN[:1])
    assert not geometry.map_ready(bench, row, "pca")
    found = drain(geometry.vector_map(bench, row, "pca"))
    assert geometry.map_ready(bench, row, "pca")
    judged = row.evaluation.judged
    assert found.hit.tolist() == (judged.first_rank <= 3).tolist()
    hit = {(r, c) for r in range(len(QUESTIONS)) for c in [h.document_id for h in bench.hits(row.evaluation, r)[:3]]}
    documents = row.evaluation.corpus.documents
    for chunk, state in enumerate(found.evidence.tolist()):
        asking = judged.relevance.pair_row[judged.relevance.pair_chunk == chunk].tolist()
        assert bool(state) == bool(asking)
        assert (state == 2) == any((q, documents[found.chunks.document[chunk]].id) in hit for q in asking)


def test_the_map_says_which_questions_are_lost_against_another(bench):
    own, _, lsa = board(bench, recipe(), CHOSEN)
    same = geometry.lost_against(own, own.evaluation)
    assert set(same.tolist()) <= {geometry.BOTH, geometry.NEITHER}
    there = lsa.evaluation.judged.first_rank <= 3
    for place, outcome in enumerate(geometry.lost_against(own, lsa.evaluation).tolist()):
        here = bool(own.evaluation.judged.first_rank[place] <= 3)
        assert (outcome in (geometry.BOTH, geometry.ONLY_HERE), outcome in (geometry.BOTH, geometry.ONLY_THERE)) == (
            here,
            there[place],
        )
    rows = geometry.map_rows(own, drain(geometry.vector_map(bench, own, "pca")), lsa.evaluation)
    assert {row["against"] for row in rows if row["point"].startswith("question")} <= {*geometry.AGAINST}


def test_the_training_command_says_what_differs(bench):
    arguments = training.training_arguments(
        bench,
        recipe(fusion__part="sparse_only", corpus__questions="dev"),
        "mine",
        {"max_steps": 7, "temperature": TrainConfig().temperature},
    )
    assert arguments[:4] == ["train-encoder", "mine", "--train", "max_steps=7"]
    assert arguments.count("--train") == 1 and "fusion.part=sparse_only" not in arguments
    assert "corpus.questions=dev" not in arguments, "training makes its own splits"
    assert command_line(*arguments).startswith("python -m core encoders train mine --train max_steps=7 --dataset towns")


def record(difference: float, p: float, best_step: int, base: str = "minilm") -> dict:
    one = {
        "before": 0.5,
        "after": 0.5 + difference,
        "difference": difference,
        "low": 0.0,
        "high": 0.0,
        "p": p,
        "exact": False,
        "effect_size": 0.1,
        "wins": 1,
        "losses": 1,
        "ties": 1,
        "n": 3,
        "total": 3,
        "note": "",
    }
    return {
        "best_step": best_step,
        "config": {"watch": "mrr", "base": base},
        "evaluation": {"confidence": 0.95},
        "comparison": {"mrr": one},
        "corpus": {"name": "towns"},
    }


@pytest.mark.parametrize(("difference", "p", "best_step", "expected"), [
    (0.1, 0.01, 5, "better"), (-0.1, 0.01, 5, "worse"), (0.1, 0.2, 5, "not distinguishable"), (0.0, None, 0, "equal"),
])  # fmt: skip
def test_a_trained_encoder_is_better_only_where_the_test_says_so(difference, p, best_step, expected):
    assert training.TrainedEncoder("x", record(difference, p, best_step)).verdict == expected
    assert training.TrainedEncoder("x", {}).verdict == "unknown"


def test_questions_that_an_encoder_learnt_from_are_known():
    known = [training.TrainedEncoder("x", record(0.1, 0.01, 5))]
    from core.embedding.trained import Trained

    def row(**settings):
        return comparison.EncoderResult(comparison.Offer("trained-x", "x", Trained(name="x")), recipe(**settings))

    assert training.learnt_from(row(), known) and training.learnt_from(row(corpus__questions="dev"), known)
    assert not training.learnt_from(row(corpus__questions="test"), known)
    child = training.TrainedEncoder("child", record(0.1, 0.01, 5, base="x") | {"corpus": {"name": "other"}})
    started = replace(row(), offer=comparison.Offer("trained-child", "child", Trained(name="child")))
    assert training.learnt_from(started, [*known, child]) and not training.learnt_from(started, [child]), (
        "what its start learnt counts"
    )
    assert not training.learnt_from(row(corpus__dataset="python-reference"), known)
