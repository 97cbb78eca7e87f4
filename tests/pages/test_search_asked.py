"""Search, live, with a query transform: what is asked instead, what it costs and gains, and the job that writes it."""

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.comparison.comparison import Difference
from core.config import TrialConfig, with_settings
from core.labs.trials.curve import CurvePoint
from core.progress import drain
from core.statistics.bootstrap import TOO_FEW
from core.statistics.paired import Paired, paired_difference
from tests.support.played_model import play
from tests.support.prices import prices
from tests.support.screen import html, visit
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS, with_towns

RECIPE = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "query.part": "rewrite"}
MILL = "the <b>old</b> mill ![](http://x)"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    play(monkeypatch).says = {MARKET_QUESTIONS[0]["question"]: "", MARKET_QUESTIONS[1]["question"]: MILL}
    bench = with_towns(tmp_path / "home", MARKETS, MARKET_QUESTIONS)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    monkeypatch.setattr("core.labs.trials.curve.AT_ONCE_MS", float("inf"))
    return bench


def page(**address: str) -> AppTest:
    app = visit("search_live", {**RECIPE, **address})
    assert not app.exception
    return app


@pytest.mark.slow
def test_what_is_not_written_yet_is_offered_as_a_job(bench):
    app = page()
    assert any("2 texts by the model" in told for told in prices(app)) and "Query transform: rewrite" not in html(app)
    assert [button.label for button in app.button if button.label == "Prepare"]


@pytest.mark.slow
def test_what_was_asked_stands_with_its_cost_and_gain(bench):
    drain(bench.prepare(with_settings(TrialConfig(), RECIPE)))
    shown = html(page())
    assert "Query transform: rewrite" in shown and "1 of 2 questions rewritten, 1 unchanged" in shown
    assert "the model wrote nothing that can be asked" in shown and "tokens and" in shown
    told = re.search(r"Gain in nDCG@10</dt><dd>(.*?)</dd>", shown)[1]
    assert re.fullmatch(rf"[+\N{{MINUS SIGN}}]?\d\.\d{{3}} \(({TOO_FEW}|the same on every question), n 2\)", told), told


def test_a_gain_is_told_by_where_its_interval_lies():
    from app.ui.search import asked

    told = lambda low, high, p=0.04: asked._difference(Paired((low + high) / 2, low, high, p, True, 0.5, 6, 4, 0, 10, 10))  # noqa: E731
    assert told(-0.25, 0.05) == "\N{MINUS SIGN}0.100 [\N{MINUS SIGN}0.250, +0.050], p 0.040: not significant"
    assert told(0.1, 0.3).endswith(": better") and told(-0.3, -0.1).endswith(": worse")
    assert told(0.1, 0.3, 0.0002) == "+0.200 [+0.100, +0.300], p < 0.001: better", "no p is 0"


def test_a_gain_of_few_questions_is_told_without_an_interval():
    from app.ui.search import asked

    [few] = paired_difference(np.array([0.5, 0.25]), np.array([0.75, 0.25]))
    assert asked._difference(few) == f"\N{MINUS SIGN}0.125 ({few.note}, n 2)" and few.low is None
    [unmeasured] = paired_difference(np.array([np.nan]), np.array([0.5]))
    assert asked._difference(unmeasured) == (unmeasured.note or "unmeasured")


def test_the_hover_of_a_value_tells_the_difference_of_few_questions():
    from app.ui.search import setting_chart

    [few] = paired_difference(np.array([0.5, 0.25]), np.array([0.75, 0.25]))
    point = CurvePoint(64, {}, 100.0, 1.0, {})
    told = setting_chart.hover_words(
        point, Difference("few", "size 32", "mrr", few, None), setting_chart.Reference("size 32", point, {})
    )
    assert told == f"<br>\N{MINUS SIGN}0.125 to size 32 ({few.note}, n 2)"


@pytest.mark.slow
def test_an_opened_question_shows_its_texts_as_plain_text(bench):
    from app.ui.search import asked

    drain(bench.prepare(with_settings(TrialConfig(), RECIPE)))
    current = bench.evaluate(with_settings(TrialConfig(), RECIPE))

    def opened(row: int) -> AppTest:
        script = AppTest.from_function(_opened, args=(asked, current, row), default_timeout=120)
        return script.run()

    instead = html(opened(1))
    assert "Asked instead" in instead and "&lt;b&gt;old" in instead and "<b>old" not in instead
    [caption] = opened(0).caption
    assert caption.value.startswith("Asked unchanged: the model wrote nothing")


def _opened(asked, current, row):
    asked.beside(current, row)


@pytest.mark.slow
def test_without_a_transform_nothing_is_shown(bench):
    assert "Query transform" not in html(page(**{"query.part": "as_asked"}))


@pytest.mark.slow
def test_an_opened_question_shows_the_words_of_rm3_with_their_weights(bench):
    from app.ui.search import asked

    settings = RECIPE | {"query.part": "rm3", "query.common": 1.0, "query.documents": 1}
    current = bench.evaluate(with_settings(TrialConfig(), settings))
    shown = html(AppTest.from_function(_opened, args=(asked, current, 0), default_timeout=120).run())
    assert "Its own words, BM25" in shown and "lund 0." in shown and "market 0." in shown and "Added (" in shown
    bare = bench.evaluate(with_settings(TrialConfig(), settings | {"query.common": 0.1}))
    assert "no word of the first chunks qualifies" in html(
        AppTest.from_function(_opened, args=(asked, bare, 0), default_timeout=120).run()
    )
