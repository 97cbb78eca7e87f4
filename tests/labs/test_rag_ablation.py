"""The RAG ablation: eight ways to passages on the same questions, no stage computed twice, tests against naive by Holm."""

import numpy as np
import pytest

from core.config import TrialConfig
from core.labs import rag_ablation as lab
from core.labs.answering import CLOSED, AnswerCost
from core.progress import drain
from core.statistics.corrections import holm
from core.workbench import Workbench
from tests.labs.test_answering import many, reader, template  # noqa: F401

COUNT = 6
FAST = {"embedding.part": "lsa", "rerank.part": "mmr", "fusion.part": "rrf"}


def recipe(**settings: object) -> TrialConfig:
    return many(**FAST | settings)


def test_the_variants_differ_in_their_stage_alone():
    by_name = {each.name: each.recipe for each in lab.variants(recipe())}
    assert list(by_name) == ["none", "naive", "hybrid", "reranked", "naive+hyde", "hybrid+hyde", "reranked+hyde"]
    assert by_name["none"] is None and by_name["reranked"] == recipe()
    assert {name: (c.fusion.part, c.rerank.part, c.query.part) for name, c in by_name.items() if c} == {
        "naive": ("dense_only", "none", "as_asked"),
        "hybrid": ("rrf", "none", "as_asked"),
        "reranked": ("rrf", "mmr", "as_asked"),
        "naive+hyde": ("dense_only", "none", "hyde"),
        "hybrid+hyde": ("rrf", "none", "hyde"),
        "reranked+hyde": ("rrf", "mmr", "hyde"),
    }
    default = {each.name: each.recipe for each in lab.variants(TrialConfig())}
    assert default["reranked"].rerank.part == "cross_encoder" and len(default["hybrid"].fusion.needs()) == 2


def test_all_is_computed_once_and_goes_on_where_it_was_stopped(bench, reader, monkeypatch):  # noqa: F811
    assert lab.standing(bench, recipe(), COUNT)[0] is None
    work = lab.ablate_rag(bench, recipe(), COUNT)
    while len(reader.prompts) < 2 * COUNT:
        next(work)
    work.close()
    first = len(reader.prompts)
    made = drain(lab.ablate_rag(Workbench(bench.home), recipe(), COUNT))
    asked = len(reader.prompts)
    assert made.questions == COUNT and made.left.answers == 0 and {row.answered for row in made.rows} == {COUNT}
    # what was whole is not asked again, nor is any prompt twice: of HyDE one text a question serves three variants
    assert len(set(reader.prompts[:COUNT]) & set(reader.prompts[first:])) == 0
    hyde = [prompt for prompt in reader.prompts if "Write a short passage" in prompt]
    assert len(set(hyde)) == COUNT and sum(CLOSED in p and "numbered" not in p for p in set(reader.prompts)) == COUNT
    timed = []
    monkeypatch.setattr(Workbench, "latency", lambda *given: timed.append(given))
    again = drain(lab.ablate_rag(Workbench(bench.home), recipe(), COUNT))
    assert len(reader.prompts) == asked and not timed and lab.table(again) == lab.table(made)
    told, needs = lab.standing(bench, recipe(), COUNT)
    assert lab.table(told) == lab.table(made) and not needs


def test_differences_are_paired_with_naive_and_corrected_over_all(bench, reader):  # noqa: F811
    made = drain(lab.ablate_rag(bench, recipe(), COUNT))
    by_name = {row.variant.name: row for row in made.rows}
    assert not by_name["naive"].against and set(by_name["none"].against) == set(by_name["none"].scores) >= {"em", "f1"}
    p = [(row, name, paired.p) for row in made.rows for name, paired in row.against.items() if paired.p is not None]
    corrected = holm(np.array([each for *_, each in p])).tolist() if p else []
    assert [row.p_holm[name] for row, name, _ in p] == corrected
    for row in made.rows:
        for name, paired in row.against.items():
            if name in ("em", "f1"):  # others cannot tell of all answers
                naive = by_name["naive"].scores[name].mean
                assert paired.difference == pytest.approx(row.scores[name].mean - naive) and paired.n == COUNT
    none = by_name["none"]
    assert none.search_ms is None and none.retrieval is None and none.prompt_tokens < by_name["naive"].prompt_tokens
    assert by_name["hybrid+hyde"].hyde_tokens > 0 and by_name["hybrid"].hyde_tokens is None
    assert by_name["hybrid"].search_ms[0] <= by_name["hybrid"].search_ms[1]


def test_what_is_told_apart_is_said():
    class Told:
        difference, low, high = -0.2, -0.3, -0.1

    row = lab.RagRow(lab.variants(recipe())[0], 9, None, {}, *[None] * 8, {"f1": Told()}, {"f1": 0.01})
    [line] = lab.sentences(lab.RagAblation(9, [row], AnswerCost(COUNT, 0, None)), 0.95)
    assert "None: closed book: Token F1 \N{MINUS SIGN}0.200, worse than naive" in line
    assert "No variant differs significantly" in lab.sentences(lab.RagAblation(9, [], AnswerCost(COUNT, 0, None)), 0.95)[0]
