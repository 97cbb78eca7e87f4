"""The side Abstain from of the view Confidence, and what Ask tells of it."""

import pytest

from core.labs.scores import refusal as lab
from core.progress import drain
from tests.labs.scores.test_confidence import ASKED, RECIPE, RIGHT, TOWNS, of_towns, reader, template  # noqa: F401
from tests.pages.test_score_answers import by_key, html, open_page, start
from tests.support.failing import RECIPE as TOWN_RECIPE
from tests.support.screen import visit

VIEW = {"view": "Confidence", "threshold": "Abstain from", "wished": "0.9", **RECIPE}


@pytest.fixture
def hesitant(reader):  # noqa: F811
    reader.declines = {town: 0.3 for town, right in zip(TOWNS, RIGHT, strict=True) if not right}
    return reader


@pytest.mark.slow
def test_answers_are_offered_then_the_curve_and_a_press_that_sets_the_threshold(bench, hesitant, started, shown_commands):
    app = start(**VIEW)
    assert any("written with threshold 1" in each.value for each in app.caption)
    next(button for button in app.button if button.label.startswith("Write ")).click().run()
    command = [
        "risk-coverage",
        "--ask",
        "25",
        "--measure",
        "f1",
        "--wished",
        "0.9",
        "--by",
        "refusal",
        *bench.arguments(of_towns()),
    ]
    assert started == [command] and not hesitant.prompts
    never = {"generation.refusal": "0.6"}
    made = drain(lab.measure_refusal(bench, of_towns(**{lab.SETTING: 0.6}), 25, wished=0.9))
    asked = len(hesitant.prompts)
    app = start(**VIEW, **never)
    assert f"{made.present.answered.mean:.3f}" in html(app) and "Wrongly abstained" in html(app)
    assert any("scores risk-coverage --ask 25" in each and "--by refusal" in each for each in shown_commands)
    assert any("On the test questions with" in each.value for each in app.caption)
    press = by_key(app.button, "use_refusal")
    assert press.label == f"Use {made.chosen.threshold:g} in the recipe"
    press.click().run()
    assert not app.exception and app.query_params[lab.SETTING] == f"{made.chosen.threshold:g}"
    assert f"Answered at {made.chosen.threshold:g}" in html(app) and len(hesitant.prompts) == asked
    assert not [button for button in app.button if button.key == "use_refusal"]
    by_key(app.slider, f"alone/{lab.SETTING}").set_value(0.5).run()
    assert not app.exception and app.query_params[lab.SETTING] == "0.5" and "Answered at 0.5" in html(app)
    assert len(hesitant.prompts) == asked


@pytest.mark.slow
def test_where_no_curve_can_be_told_the_setting_to_change_is(bench, hesitant, started):
    app = open_page(**VIEW, **{"generation.temperature": "0.5"})
    assert not app.exception and any("Set generation.temperature to 0" in each.value for each in app.error)


@pytest.mark.slow
def test_ask_tells_what_the_threshold_is_worth(bench, hesitant, started):
    town = TOWNS[RIGHT.index(False)]
    app = visit("ask_model", {**TOWN_RECIPE, **RECIPE})
    for said in ("not recorded yet", f"{sum(RIGHT) / len(ASKED):.1%}"):
        app.text_input(key="question").set_value(f"When does {town} open?")
        next(button for button in app.button if button.label == "Ask").click().run()
        captions = [each.value for each in app.caption]
        assert not app.exception and any(said in each for each in captions), captions
        drain(lab.measure_refusal(bench, of_towns(), 25))
