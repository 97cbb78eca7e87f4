"""The adapter that ships with the bundled model is worn for texts that it learnt to write, and for no other task."""

import pytest

from core import registry
from core.config import TrialConfig, with_settings
from core.generation.anthropic_api import Anthropic
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import untaught
from core.judging.asking import judge_of
from core.models.adapters import SHIPPED
from core.pipeline import stages
from core.pipeline.scores import judge_tools
from core.training.adapters import query_words
from core.workbench import Workbench

ASKING = sorted(name for name, part in registry.parts("query").items() if part.asks_model)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


def test_only_the_texts_of_its_training_are_taught():
    taught = {name for name in ASKING if registry.find("query", name).taught}
    assert taught == {part.part for part in (query_words.FollowUp(), query_words.Hyde(), query_words.Decompose())}
    assert taught < set(ASKING)


@pytest.mark.parametrize("name", ASKING)
def test_a_transform_asks_the_model_with_it_where_it_was_taught(bench, name):
    config = with_settings(TrialConfig(), {"query.part": name})
    assert bench.pipeline.query_tools(config).generator.adapter == (SHIPPED if config.query.taught else "")
    mine = with_settings(config, {"generation.adapter": "mine"})
    assert bench.pipeline.query_tools(mine).generator.adapter == "mine", "it was chosen by name"
    assert bench.pipeline.text_tools(config).generator.adapter == SHIPPED


def test_judges_go_without_it_and_services_as_they_are(bench):
    assert judge_tools(bench.pipeline, TrialConfig()).generator.adapter == "" == judge_of(LlamaCpp()).adapter
    assert judge_of(LlamaCpp(adapter="mine")).adapter == "mine"
    service = Anthropic(model="m")
    assert untaught(service) is service


def test_what_is_kept_follows_what_writes_it(bench):
    """A ranking by texts of the bare model is one, whether the recipe answers with the adapter or without."""

    def keys(name):
        both = [with_settings(TrialConfig(), {"query.part": name, "generation.adapter": each}) for each in (SHIPPED, "")]
        return len({bench.resolve(config).key("queries") for config in both})

    assert (keys("rewrite"), keys("hyde")) == (1, 2)
    assert stages.asks_model(with_settings(TrialConfig(), {"query.part": "rewrite"}))
