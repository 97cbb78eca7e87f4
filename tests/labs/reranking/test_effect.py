"""What reranking is worth, told with its test; and what a depth below what is kept computes: nothing."""

import json
from typing import Literal

import numpy as np
import pytest

from app import session
from core import registry
from core.config import TrialConfig, difference, with_settings
from core.labs.reranking import effect as lab
from core.progress import drain
from core.reranking.protocol import Pairwise, above_the_rest
from core.statistics.paired import paired_difference
from tests.support.screen import visit
from tests.support.small_corpora import THINGS, with_towns

READ = []


class Shared(Pairwise):
    """Shared letters, or their opposite: a reranker that helps or hurts as it is told."""

    part: Literal["shared"] = "shared"
    upside_down: bool = False
    version: int = 0

    def identity(self) -> str:
        return f"shared-{self.upside_down}-{self.version}"

    def read(self, pairs):
        READ.extend(pairs)
        sign = -1 if self.upside_down else 1
        scores = [sign * len({*a.lower().split()} & {*b.lower().split()}) for a, b in pairs]
        for some in np.array_split(np.arange(len(pairs)), min(2, len(pairs))):
            yield some, np.array(scores, np.float32)[some]


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    texts = {f"{thing}.md": f"The {thing} of the town is older than the market ." for thing in THINGS}
    questions = [{"id": t, "text": f"how old is the {t} ?", "document": f"{t}.md"} for t in THINGS]
    return with_towns(tmp_path_factory.mktemp("towns"), texts, questions)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    registry.parts("reranker")
    monkeypatch.setitem(registry._parts["reranker"], "shared", Shared)
    READ.clear()


def recipe(**settings):
    usual = {"corpus.dataset": "towns", "fusion": "dense_only", "embedding": "lsa", "rerank": "shared", "rerank.depth": 12}
    return with_settings(TrialConfig(), usual | {key.replace("__", "."): value for key, value in settings.items()})


@pytest.mark.slow
def test_a_reranker_that_hurts_is_said_to_hurt_and_what_it_lost_is_named(towns):
    good, bad = (towns.evaluate(recipe(rerank__upside_down=turned)) for turned in (False, True))
    assert good.intervals["mrr"].mean == 1.0
    made = lab.effect(towns, bad, "ndcg_linear")
    assert made.paired.difference < 0 and made.paired.p < 0.01 and "lowers" in made.sentence() and "hurts" in made.sentence()
    assert len(made.lost) == made.paired.losses == 12 and made.lost[0].value < made.lost[0].before and made.won == 0
    alone = towns.evaluate(lab.without(recipe()))
    place = {query.id: row for row, query in enumerate(alone.corpus.queries)}
    assert all(question.before == alone.values["ndcg_linear"][place[question.id]] for question in made.lost)
    assert lab.effect(towns, alone, "mrr") is None


@pytest.mark.slow
def test_the_same_ranking_is_no_difference(towns):
    made = lab.effect(towns, towns.evaluate(recipe(rerank__weight=0.0)), "mrr")
    assert not made.lost and not made.won and "no significant difference" in made.sentence()


def test_the_difference_of_few_questions_is_told_without_an_interval():
    [few] = paired_difference(np.array([0.5, 0.25]), np.array([0.75, 0.25]))
    made = lab.RerankEffect("mrr", 10, ("shared of the best 12",), few, 0.95, [], 0, [])
    assert made.sentence().endswith(f"cannot be tested (\N{MINUS SIGN}0.125, 2 questions): {few.note}.") and few.low is None


@pytest.mark.slow
def test_a_depth_below_what_is_kept_reads_nothing_anew(towns):
    towns.evaluate(recipe(rerank__depth=7))
    assert len(READ) <= 7 * 12 and len(READ) == len(set(READ))
    READ.clear()
    for depth in (6, 3, 1):
        towns.evaluate(recipe(rerank__depth=depth))
    assert not READ
    drain(towns.library.ingest("silent", [("x.md", b"Another text."), ("y.md", b"The tea of the town is older.")], None))
    towns.search(recipe(corpus__dataset="silent", rerank__depth=2), "how old is the tea ?")
    assert [passage for _, passage in READ] == ["The tea of the town is older."], "and of the edited corpus only what is new"


@pytest.mark.slow
def test_a_cascade_as_deep_as_the_pool_equals_its_last_stage_alone(towns):
    deep = recipe(rerank__depth=100, rerank__upside_down=True, rerank_2="shared", rerank_2__depth=100)
    alone = recipe(rerank__depth=100)
    first, second = (towns.evaluate(each) for each in (deep, alone))
    order = [np.argsort(-each.scores, axis=1, kind="stable") for each in (first, second)]
    assert np.array_equal(first.pool.chunk, second.pool.chunk)
    # among equal scores the later column ranks first in both
    assert np.array_equal(*order) and np.array_equal(first.values["mrr"], second.values["mrr"])


def test_more_than_a_moment_is_planned_as_a_job_and_done_by_it(towns):
    config = recipe(rerank__version=1)
    plan = towns.plan(config)
    assert not plan.live and plan.what == "reranking 144 passages" and not READ
    drain(towns.prepare(config))
    assert len(READ) == 144 and towns.plan(config).live and towns.plan(recipe(rerank__version=1, rerank__depth=5)).live
    assert lab.seconds_a_question(towns, config, "rerank") > 0 and lab.seconds_a_question(towns, config, "rerank_2") is None


def test_the_latency_of_a_question_is_that_of_one_nobody_asked_before(towns):
    towns.evaluate(recipe())
    READ.clear()
    table = drain(towns.latency(recipe(rerank__depth=5), 12))
    assert len(READ) == 5 * 12 and len(table["reranked"]) == 12, "every pair is kept, and read again to be timed"


def test_what_is_ranked_again_stands_above_the_rest_which_keeps_its_order():
    before = np.array([[9.0, 8.0, 7.0, 1.0, -np.inf]], np.float32)
    rows, columns = np.array([0, 0]), np.array([0, 1])
    after = above_the_rest(before, rows, columns, np.array([-50.0, -40.0], np.float32), 1.0)
    assert np.argsort(-after[0], kind="stable").tolist() == [1, 0, 2, 3, 4] and np.isneginf(after[0, 4])
    mixed = above_the_rest(before, rows, columns, np.array([0.0, 1.0], np.float32), 0.25)
    assert mixed[0, :2].tolist() == [0.75, 0.25] and mixed[0, 2] < 0.25
    # low ranks of RRF differ by less than a float32 near the score of a cross-encoder can: they are not tied, and ties stay ties
    before = np.repeat(1 / (60 + np.arange(1.0, 1001.0)), 2)[None].astype(np.float32)
    after = above_the_rest(before, np.array([0]), np.array([0]), np.array([-11.4], np.float32), 1.0)[0]
    assert np.array_equal(np.diff(after[1:]) < 0, np.diff(before[0, 1:]) < 0) and after[1] < after[0]


@pytest.mark.slow
def test_the_page_says_that_it_hurts_and_switches_it_off(towns, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: towns)
    bad = recipe(rerank__upside_down=True)
    towns.evaluate(bad)
    changed = difference(bad)
    app = visit("search_live", {key: json.dumps(value) if isinstance(value, bool) else value for key, value in changed.items()})
    assert not app.exception and not app.error
    [told] = [warning.value for warning in app.main.warning if "Reranking" in warning.value]
    assert "It hurts" in told and "12 lost" in told
    assert any(button.label == "Show the 12 questions lost" for button in app.main.button)
    [button] = [button for button in app.button if button.key == "rerank_off"]
    button.click().run()
    assert not app.exception and not any("Reranking (" in each.value for each in (*app.main.warning, *app.main.info))
    assert "rerank.part" not in app.query_params
