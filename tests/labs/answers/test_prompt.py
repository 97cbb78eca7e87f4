"""A prompt for any question without an answer, counted; two templates by words; and the command that tells both."""

import json

import pytest

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.answers import prompt as lab
from core.progress import drain
from tests.support.small_corpora import with_towns

TEXTS = {
    f"{town}.txt": f"The market of {town} opens at {hour}. It closes late."
    for hour, town in enumerate(("Lund", "Gent", "Pisa"), 5)
}
RECIPE = {
    "corpus.dataset": "towns",
    "fusion.part": "sparse_only",
    "generation.part": "openai_compatible",  # no model to load: it counts about
    "context.passages": 2,
}
QUESTION = "When does the market of Gent open?"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with_towns(home, TEXTS, [])
    return home


def test_a_preview_is_the_prompt_that_ask_would_send_with_its_tokens(bench):
    seen = drain(lab.preview(bench, with_settings(TrialConfig(), RECIPE), QUESTION))
    assert "[1] The market of Gent opens at 6." in seen.text and f"Question: {QUESTION}" in seen.text
    assert len(seen.passages) == 2 and seen.window is None
    assert 0 < seen.passage_tokens < seen.prompt_tokens and 0 < seen.around_tokens < seen.prompt_tokens
    own = with_settings(TrialConfig(), {**RECIPE, "context.template": "$question\n$passages"})
    assert drain(lab.preview(bench, own, QUESTION)).text.startswith(f"{QUESTION}\n[1] The market")


def test_two_templates_are_told_apart_by_words():
    pieces = lab.template_difference("Read $passages now.\n$question", "Read all $passages.\n$question")
    assert "".join(p.text for p in pieces if p.side != "second") == "Read $passages now.\n$question"
    assert "".join(p.text for p in pieces if p.side != "first") == "Read all $passages.\n$question"
    assert [(p.text.strip(), p.side) for p in pieces if p.side != "both"] == [("all", "second"), ("now", "first")]
    assert lab.template_difference("a", "a") == [("a", "both")] and lab.template_difference("", "") == []


def test_the_command_tells_prompt_and_difference(bench, capsys):
    words = [word for path, value in RECIPE.items() for word in ("--set", f"{path}={value}")]
    words += ["--set", 'context.passage="$n: $text"']
    assert main(["prompt", QUESTION, *words, "--against", 'context.passage=""', "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "1: The market of Gent" in told["text"]
    assert [piece["side"] for piece in told["difference"]["passage"]].count("second") == 1
    assert {piece["side"] for piece in told["difference"]["template"]} == {"both"}
    assert main(["prompt", QUESTION, *words, "--against", 'context.passage=""']) == 0
    assert "[-$mark-]{+$n:+}" in capsys.readouterr().out
    assert main(["prompt", QUESTION, *words, "--set", "context.passage=$nothing"]) == 1
    assert "no variable $nothing" in capsys.readouterr().err


def test_an_empty_question_is_an_error(bench):
    with pytest.raises(WorkbenchError, match="empty"):
        drain(lab.preview(bench, with_settings(TrialConfig(), RECIPE), " "))
