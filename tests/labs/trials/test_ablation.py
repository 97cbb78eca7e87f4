"""Ablation: what can be switched off follows from the recipe, and its differences are those of the two recipes alone."""

from typing import Literal

import numpy as np
import pytest

from core import registry
from core.config import PART_KINDS, TrialConfig, with_settings
from core.labs.failures.rungs import climb
from core.labs.trials import ablation as lab
from core.pipeline.speed import Estimate
from core.progress import drain
from core.statistics.corrections import holm
from core.workbench import Phase
from tests.support.broken.ranking import Finds
from tests.support.failing import failing, read, recipe
from tests.support.small_corpora import with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Riga")
TEXTS = {f"{t}.txt": f"The market of {t} opens at {h}. " + "There is a mill. " * (h % 5) for h, t in enumerate(TOWNS)}
QUESTIONS = [
    {"id": t, "question": f"When does {t if h % 3 else 'a town'} open?", "document": f"{t}.txt", "answer": f"opens at {h}"}
    for h, t in enumerate(TOWNS)
]
SETTINGS = {"corpus.dataset": "towns", "embedding.part": "lsa", "sparse.k1": 0.5, "transform.centre": True}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


@pytest.fixture
def plain_lsa(monkeypatch):
    """As if LSA were the plain default, so that no model is loaded."""
    monkeypatch.setattr(lab, "TrialConfig", lambda: with_settings(TrialConfig(), {"embedding.part": "lsa"}))


def off(**settings: object) -> list[tuple[str, dict]]:
    return [(each.field, each.settings) for each in lab.switches(with_settings(TrialConfig(), settings))[0]]


def test_what_can_be_switched_off_follows_from_the_recipe():
    alone = [("fusion", {"fusion.part": "sparse_only"}), ("fusion", {"fusion.part": "dense_only"})]
    assert sorted(off(), key=str) == sorted(alone, key=str)
    assert off(**{"fusion.part": "sparse_only"}) == [("fusion", {"fusion.part": "convex"})]
    # what the fusion does not ask is not switched off; what the ranking does not read neither
    dense = {"transform.centre": True, "index.part": "faiss_hnsw", "embedding.part": "lsa"}
    assert [field for field, _ in off(**{"fusion.part": "sparse_only"} | dense)] in (["embedding", "fusion"], ["fusion"])
    assert ("index", {"index.part": "exact"}) in off(**dense) and ("transform", {"transform.centre": False}) in off(**dense)
    assert not {"context", "generation", "evaluation"} & {field for field, _ in off(**{"context.passages": 7, "evaluation.k": 3})}


def test_each_of_three_retrievers_is_left_out(monkeypatch):
    class Third(Finds):
        part: Literal["third"] = "third"

    monkeypatch.setitem(registry._parts["retriever"], "third", Third)
    places = ("retriever", "retriever_2", "retriever_3")
    offs = [(field, settings.get(f"{field}.part")) for field, settings in off(**{"retriever_3.part": "third"})]
    assert [pair for pair in offs if pair[0] in places] == [(place, "none") for place in places]
    assert not set(places) & {field for field, _ in off()}


def test_a_part_that_does_something_goes_back_to_the_one_that_does_nothing():
    """Of every kind of the ranking that has a part which does nothing: query transforms, each step of reranking."""
    seen = 0
    for field, kind in PART_KINDS.items():
        doing = next((name for name, part in registry.parts(kind).items() if not part().idle), None)
        nothing = next((name for name, part in registry.parts(kind).items() if part().idle), None)
        if field in lab.ranking_fields() and doing and nothing and kind != "retriever":
            assert (field, nothing) in [
                (each, settings.get(f"{field}.part")) for each, settings in off(**{f"{field}.part": doing})
            ]
            seen += 1
    assert seen or not {"query", "reranker"} & {k for k in PART_KINDS.values() if len(registry.parts(k)) > 1}


@pytest.mark.slow
def test_differences_are_those_of_the_two_recipes_with_holms_correction(bench, plain_lsa):
    config = with_settings(TrialConfig(), SETTINGS)
    made = drain(lab.ablate(bench, config, "mrr"))
    assert {part.off.field for part in made.parts} == {"transform", "sparse", "fusion"} and not made.left_out
    current = bench.evaluate(config)
    for part in made.parts:
        without = bench.evaluate(with_settings(config, part.off.settings))
        assert part.change.paired == bench.differences(without, current, ["mrr"])["mrr"] and without.config == part.off.recipe
        assert part.mean == without.intervals["mrr"].mean
    p = np.array([part.change.paired.p for part in made.parts])
    assert [part.change.p_holm for part in made.parts] == holm(p).tolist()
    losses = [part.change.paired.difference for part in made.parts]
    assert losses == sorted(losses) and made.mean == current.intervals["mrr"].mean


@pytest.mark.slow
def test_a_part_that_hurts_is_said_to_hurt(bench, plain_lsa):
    config = with_settings(TrialConfig(), {**SETTINGS, "fusion.weight": 0.99})
    made = drain(lab.ablate(bench, config, "mrr"))
    words = {part.off.settings.get("fusion.part"): part.verdict(0.5) for part in made.parts}
    rows = {row["switched off"]: row for row in lab.rows(made, 0.5)}
    better = rows["fusion.part=sparse_only"]
    assert (better["verdict"] == "hurts") == (better["difference"] > 0 and better["p (Holm)"] < 0.5) and words["sparse_only"]
    assert lab.sentence(made, 0.5).count("fusion") <= 2
    strict = lab.sentence(made, 1.0)
    assert strict == f"{len(made.parts)} of {len(made.parts)} without a significant difference"


def test_a_stage_without_parts_is_switched_off_whole_and_by_setting():
    settings = [each for _, each in off(**{"transform.centre": True, "transform.normalise": True})]
    for wanted in ({"transform.centre": False, "transform.normalise": False}, {"transform.centre": False}):
        assert wanted in settings
    config = with_settings(TrialConfig(), {"context.passages": 7, "context.order": "best_last", "fusion.part": "sparse_only"})
    fields = [part.settings for part in lab.switches(config, True)[0] if part.field == "context"]
    assert fields == [
        {"context.passages": 3, "context.order": "best_first"},
        {"context.passages": 3},
        {"context.order": "best_first"},
    ]


@pytest.mark.slow
def test_answers_are_ablated_by_the_verdicts_of_the_ladder(tmp_path, monkeypatch):
    bench, reader = failing(tmp_path), read(monkeypatch)
    monkeypatch.setattr(lab, "TrialConfig", lambda: recipe())  # the plain default
    config = recipe(**{"context.passages": 5})
    cost = drain(lab.answers_to_write(bench, config, 8))
    made = drain(lab.ablate(bench, config, lab.ANSWERED, 8))
    # of contexts that come to the same prompt one is asked
    assert 8 < len(reader.prompts) == len(set(reader.prompts)) <= cost.answers and not cost.seconds.measured
    assert drain(lab.answers_to_write(bench, config, 8)).answers == 0
    [part] = made.parts
    assert part.off.settings == {"context.passages": 2} and part.change.paired.n == 8
    ladders = [drain(climb(bench, each, 8)) for each in (config, recipe())]
    rights = [sum(ladder.right(row, "reranked") for row in range(8)) for ladder in ladders]
    assert part.change.paired.difference * 8 == pytest.approx(rights[1] - rights[0]) and made.mean * 8 == rights[0]


def test_work_of_one_kind_is_told_once():
    work = ["reranking 2,190 passages", "embedding 3 texts", "reranking 10 passages", "building exact", "building exact"]
    told = lab._together([Phase(what, Estimate(1, 2)) for what in work])
    assert [phase.what for phase in told] == ["reranking 2,200 passages", "embedding 3 texts", "building exact"]
    assert [phase.seconds.high for phase in told] == pytest.approx([4, 2, 4])
