"""The view Chain of thought of Score answers: the job of the settings chosen, then differences, ways, curve and every chain."""

import pytest

from core.labs.answers import chain_of_thought as lab
from core.progress import drain
from tests.labs.answers.test_chain_of_thought import PLAN, think  # noqa: F401
from tests.labs.answers.test_contamination import template  # noqa: F401
from tests.pages.test_score_answers import answers_table, by_key, html, start
from tests.support.failing import recipe

VIEW = {"view": "Chain of thought", "reasoned": "6", "chains": "3"}


@pytest.mark.slow
def test_the_job_is_offered_and_ways_differences_and_chains_are_shown(bench, think, started, shown_commands):  # noqa: F811
    thinker = think()
    app = start(**VIEW)
    assert any("48 texts at most" in each.value for each in app.caption)
    by_key(app.text_area, "chain_template").set_value("$passages $question Think, then Answer:").run()
    by_key(app.toggle, "chain_again").set_value(False).run()
    next(button for button in app.button if button.label == "Compare ways of answering").click().run()
    words = ["chain-of-thought", "--ask", "6", "--samples", "3", "--temperature", "0.7", "--no-again", "--chain"]
    assert started == [[*words, "$passages $question Think, then Answer:", *bench.arguments(recipe())]]
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    asked = len(thinker.asked)
    app = start(**VIEW)
    ways = next(frame.value for frame in app.dataframe if "Way" in frame.value.columns)
    assert ways["Way"].tolist() == list(lab.WAYS.values()) and len(thinker.asked) == asked
    assert ways["Token F1"].tolist() == [row["f1"] for row in lab.way_rows(made)]
    assert len(answers_table(app)["Question"]) == 6
    assert any("chain-of-thought --ask 6 --samples 3 --temperature 0.7" in command for command in shown_commands)
    app = start(**VIEW, chain=made.asked[0].query.id)
    assert html(app).count("I look it up.") == 4, "the greedy chain and three samples"
    by_key(app.selectbox, "reasoned_by").set_value("em").run()
    assert not app.exception


@pytest.mark.slow
def test_a_broken_template_is_told(bench, think, started):  # noqa: F811
    think()
    app = start(**VIEW)
    by_key(app.text_area, "direct_template").set_value("$question alone").run()
    assert not app.exception and any("passages" in each.value for each in app.error)
