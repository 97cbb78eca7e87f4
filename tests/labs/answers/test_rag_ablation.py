"""The RAG ablation: eight ways to passages on the same questions, no stage computed twice, tests against naive by Holm."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.comparison.comparison import Rules, compared
from core.config import TrialConfig
from core.labs.answers import rag_ablation as lab
from core.labs.answers.answering import CLOSED, AnswerCost
from core.pipeline.answers import KeptAnswer
from core.progress import drain
from core.statistics.corrections import holm
from core.workbench import Workbench
from tests.labs.answers.test_answering import many, template  # noqa: F401

COUNT = 6
FAST = {"embedding.part": "lsa", "rerank.part": "mmr", "fusion.part": "rrf"}


def recipe(**settings: object) -> TrialConfig:
    return many(**FAST | settings)


def test_the_variants_differ_in_their_stage_alone():
    by_name = {each.name: each.recipe for each in lab.variants(recipe())}
    assert list(by_name) == ["none", "naive", "hybrid", "reranked", "naive+hyde", "hybrid+hyde", "reranked+hyde"]
    assert by_name["none"] == by_name["naive"] and by_name["reranked"] == recipe()
    assert {name: (c.fusion.part, c.rerank.part, c.query.part) for name, c in by_name.items()} == {
        "none": ("dense_only", "none", "as_asked"),  # whose passages it is not given
        "naive": ("dense_only", "none", "as_asked"),
        "hybrid": ("rrf", "none", "as_asked"),
        "reranked": ("rrf", "mmr", "as_asked"),
        "naive+hyde": ("dense_only", "none", "hyde"),
        "hybrid+hyde": ("rrf", "none", "hyde"),
        "reranked+hyde": ("rrf", "mmr", "hyde"),
    }
    default = {each.name: each.recipe for each in lab.variants(TrialConfig())}
    assert default["reranked"].rerank.part == "cross_encoder" and len(default["hybrid"].fusion.needs()) == 2


@pytest.mark.slow
def test_all_is_computed_once_and_goes_on_where_it_was_stopped(bench, reader, monkeypatch):
    assert lab.standing(bench, recipe(), COUNT)[0] is None
    work = lab.ablate_rag(bench, recipe(), COUNT)
    while len(reader.prompts) < 2 * COUNT:
        next(work)
    work.close()
    first = len(reader.prompts)
    made = drain(lab.ablate_rag(Workbench(bench.home), recipe(), COUNT))
    asked = len(reader.prompts)
    assert made.questions == COUNT and made.left.answers == 0 and {spent["answers"] for spent in made.spent.values()} == {COUNT}
    # what was whole is not asked again, nor is any prompt twice: of HyDE one text a question serves three variants
    assert len(set(reader.prompts[:COUNT]) & set(reader.prompts[first:])) == 0
    hyde = [prompt for prompt in reader.prompts if "Write a short passage" in prompt]
    assert len(set(hyde)) == COUNT and sum(CLOSED in p and "numbered" not in p for p in set(reader.prompts)) == COUNT
    timed = []
    monkeypatch.setattr(Workbench, "latency", lambda *given: timed.append(given))
    again = drain(lab.ablate_rag(Workbench(bench.home), recipe(), COUNT))
    assert len(reader.prompts) == asked and not timed and lab.rows(again) == lab.rows(made)
    told, needs = lab.standing(bench, recipe(), COUNT)
    assert lab.rows(told) == lab.rows(made) and not needs


def test_differences_are_paired_with_naive_and_corrected_over_all(bench, reader):
    made = drain(lab.ablate_rag(bench, recipe(), COUNT))
    means, changes, spent = made.comparison.means, made.comparison.differences.values(), made.spent
    assert made.comparison.of("naive", "f1") is None and {change.base for change in changes} == {"naive"}
    of_none = {change.measure for change in changes if change.arm == "none"}
    assert of_none == {measure for variant, measure in means if variant == "none"} >= {"em", "f1"}
    tested = [change for change in changes if change.paired.p is not None]
    corrected = holm(np.array([change.paired.p for change in tested])).tolist() if tested else []
    assert [change.p_holm for change in tested] == corrected
    for change in changes:
        if change.measure in ("em", "f1"):  # others cannot tell of all answers
            gain = means[change.arm, change.measure].mean - means["naive", change.measure].mean
            assert change.paired.difference == pytest.approx(gain) and change.paired.n == COUNT
    assert spent["none"]["search ms p50"] is None and spent["none"]["ndcg_linear"] is None
    assert spent["none"]["prompt tokens"] < spent["naive"]["prompt tokens"]
    assert spent["hybrid+hyde"]["HyDE tokens"] > 0 and spent["hybrid"]["HyDE tokens"] is None
    assert spent["hybrid"]["search ms p50"] <= spent["hybrid"]["search ms p95"]


def test_what_is_told_apart_is_said():
    f1 = np.tile([0.2, 0.4, 0.6], 6)
    made = compared({"none": {"f1": f1}, "naive": {"f1": f1 + 0.2}}, Rules(1000, 0.95, 0), "naive")
    told = lab.RagAblation(18, lab.variants(recipe())[:2], {}, made, AnswerCost(COUNT, 0, None))
    [line] = lab.sentences(told, 0.95)
    assert "None: closed book: Token F1 \N{MINUS SIGN}0.200, worse than naive" in line
    assert "No variant differs significantly" in lab.sentences(told, 1.0)[0]


def test_what_answers_cost_is_told_of_all_or_not_at_all():
    def usd(*costs):
        said = [KeptAnswer("I don't know.", "abstained"), KeptAnswer("", "failed: The prompt has 9 tokens, and the window 8.")]
        said += [KeptAnswer("a", "stop", cost_usd=cost) for cost in costs]
        variant, answers = SimpleNamespace(passages=0, hyde=False), SimpleNamespace(evaluation=None, answers=said)
        return lab._spent(None, variant, answers, {}, [])["usd"]

    assert usd(0.25, 0.5) == 0.75 and usd(0.25, None) is None and usd(None) is None and usd() is None
