"""A model that never gives the marker, or writes nothing: counted, wrong, and the comparison stands."""

import pytest

from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Read
from core.labs.answers import chain_of_thought as lab
from core.labs.answers.chain_of_thought import ReasoningPlan
from core.progress import drain
from tests.labs.answers.test_chain_of_thought import PLAN, think  # noqa: F401
from tests.labs.answers.test_contamination import TOWNS, template  # noqa: F401
from tests.support.failing import recipe


@pytest.mark.slow
def test_chains_without_the_marker_have_no_answer_and_count_as_wrong(bench, think):  # noqa: F811
    think(marker="")
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN._replace(again=False)))
    assert {way: spent["unextractable"] for way, spent in made.spent.items()} == {
        "direct": 0,  # a direct text is its own answer
        "chain": 6,
        "direct_votes": 0,
        "chain_votes": 18,
    }
    assert made.comparison.means["chain_votes", "em"].mean == 0.0 and made.spent["chain_votes"]["agreement"] == 0.0
    assert all(told["chain"] is None for told in made.answers)
    assert any("of 18 of 18 texts no answer could be read" in sentence for sentence in lab.sentences(made, 0.95))


@pytest.mark.slow
def test_asked_again_they_answer_and_what_that_costs_is_counted(bench, think):  # noqa: F811
    think(marker="", second="The answer is opens at one")
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    chain = made.spent["chain"]
    assert (chain["asked again"], chain["unextractable"], chain["answer tokens"]) == (6, 0, 20)
    assert {told["chain"] for told in made.answers} == {"opens at one"}


@pytest.mark.slow
@pytest.mark.parametrize("second", ["", "The answer is: The answer is:"])
def test_a_model_that_says_nothing_the_second_time_either(bench, think, second):  # noqa: F811
    think(marker="", second=second)
    made = drain(lab.compare_reasoning(bench, recipe(), ReasoningPlan(3, 2)))
    assert made.spent["chain"]["asked again"] == made.spent["chain"]["unextractable"] == 3
    assert made.comparison.means["chain", "em"].mean == 0.0 and len(lab.way_rows(made)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("turns", [1, 3])
def test_a_question_that_fills_the_window_fails_alone_and_the_rest_goes_on(bench, think, monkeypatch, turns):  # noqa: F811
    """With its first prompt it is left out, with its chain it has no answer."""
    think(marker="", second="opens at one")
    towns = []

    def reading(self, messages):
        towns.append(next(town for town in TOWNS if town in messages[0]["content"].rpartition("Question: ")[2]))
        full = towns[-1] == towns[0] and len(messages) == turns
        return Read("", [0] * (self.context_tokens if full else 5), [])

    monkeypatch.setattr(LlamaCpp, "read", reading)
    monkeypatch.setattr(LlamaCpp, "holds", lambda self, messages: len(self.read(messages).tokens) < self.context_tokens)
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    if turns == 1:
        [unfit] = [item for item in made.items if item.unfit]
        assert "The prompt has 2,048 tokens" in unfit.unfit and towns[0] in unfit.query.text and len(made.asked) == 5
    else:
        assert (made.spent["chain"]["asked again"], made.spent["chain"]["unextractable"]) == (5, 1) and len(made.asked) == 6
    assert lab.standing(bench, recipe(), PLAN).spent == made.spent, "it is recorded"
