"""The view Confidence of Score answers, and what Ask tells of how sure the model was."""

import pytest

from core.labs.scores import confidence as lab
from core.progress import drain
from tests.labs.scores.test_confidence import RECIPE, TOWNS, of_towns, reader, template  # noqa: F401
from tests.pages.test_score_answers import html, open_page, start
from tests.support.failing import RECIPE as TOWN_RECIPE
from tests.support.screen import visit

VIEW = {"view": "Confidence", "wished": "0.9", **RECIPE}


@pytest.mark.slow
def test_answers_are_offered_then_the_curve_and_a_press_that_sets_the_threshold(bench, reader, started, shown_commands):  # noqa: F811
    app = start(**VIEW)
    next(button for button in app.button if button.label.startswith("Write ")).click().run()
    command = ["risk-coverage", "--ask", "25", "--measure", "f1", "--wished", "0.9", *bench.arguments(of_towns())]
    assert started == [command] and not reader.prompts
    made = drain(lab.measure_confidence(bench, of_towns(), 25, wished=0.9))
    asked = len(reader.prompts)
    app = start(**VIEW)
    assert "Area under the risk" in html(app) and f"{made.curve.area.mean:.3f}" in html(app)
    assert any("scores risk-coverage --ask 25" in each for each in shown_commands)
    captions = [each.value for each in app.caption]
    assert any("On the test questions it answers" in each for each in captions)
    [press] = [button for button in app.button if button.key == "use_confidence"]
    assert press.label == f"Use {made.chosen.threshold:.3f} in the recipe"
    press.click().run()
    assert not app.exception and app.query_params["context.confidence"] == f"{made.chosen.threshold:g}"
    assert f"threshold {made.chosen.threshold:g}" in html(app) and len(reader.prompts) == asked
    assert not [button for button in app.button if button.key == "use_confidence"]


@pytest.mark.slow
def test_an_engine_without_odds_is_told_with_its_setting(bench, reader, started):  # noqa: F811
    app = open_page(**VIEW, **{"generation.part": "anthropic"})
    assert not app.exception and any("tells no probabilities" in each.value for each in app.error)


@pytest.mark.slow
def test_ask_tells_how_sure_the_model_was_and_what_it_withheld(bench, reader, started):  # noqa: F811
    drain(lab.measure_confidence(bench, of_towns(), 25))
    app = visit("ask_model", {**TOWN_RECIPE, **RECIPE, "context.confidence": "0.6"})
    for town, said in ((TOWNS[2], "Of 3 recorded answers at least that sure, 100%"), (TOWNS[20], "own answer is withheld")):
        app.text_input(key="question").set_value(f"When does {town} open?")
        next(button for button in app.button if button.label == "Ask").click().run()
        captions = [each.value for each in app.caption]
        assert not app.exception and any(said in each for each in captions), captions
    assert any("Of 21 recorded answers at least that sure" in each.value for each in app.caption)
    assert "abstained: not confident enough" in html(app)
