"""Stored answers as items of a study, and what their systems are called."""

import re

import pytest

from core.annotation import draft, system_names
from core.annotation import stored_answers as answers
from core.annotation.rubric import default_rubric
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.scores import behind
from core.labs.scores.sets import stored_case
from tests.support.studies import add_answers


@pytest.mark.slow
def test_items_come_from_stored_answers(workbench):
    add_answers(workbench)
    found = answers.read_candidates(workbench)
    assert len(found) == 12 and set(system_names.systems(found).values()) == {6}
    assert all(one.text.endswith("run 1.") and one.passages[0].start == 3 for one in found)
    assert answers.read_candidates(workbench, "no corpus") == []
    study = draft.from_settings(
        workbench,
        {
            "id": "s",
            "annotators": ["Ann", "Ben"],
            "question": "Q?",
            "draw": {"count": 8, "pilot": 2, "duplicates": 2, "attention": True},
        },
    )
    assert len(study.items) == 8 + 2 + 1 + 1 and study.rubric == default_rubric()
    ab = draft.from_settings(
        workbench,
        {
            "id": "p",
            "kind": "pairs",
            "ask": ["preference"],
            "draw": {"count": 6, "systems": sorted({one.system for one in found})},
        },
    )
    assert len(ab.items) == 6 and all(len(item.responses) == 2 for item in ab.items)
    for wrong in ({"draw": {"count": 99}}, {"draw": {"colour": 1}}, {"draw": {}}, {"draw": {"count": 1}, "kind": "pairs"}):
        with pytest.raises(WorkbenchError):
            draft.from_settings(workbench, {"id": "s", **wrong})


def test_people_and_measures_are_shown_what_the_model_read(workbench):
    """Of passages that were cut to their best sentences: the rest stood in no prompt, and bears nothing out."""
    hit = {"document_id": "d", "title": "T", "start": 3, "end": 22, "text": "It is. Nor is. It was.", "rank": 1}
    answer = {
        "question": "Is it?",
        "text": "It is.",
        "finish_reason": "stop",
        "model": "m",
        "config": {"corpus": {"dataset": "toy"}},
    }
    workbench.store.add(
        "answer", {**answer, "hits": [{**hit, "excerpts": [[3, 9], [18, 25]]}, {**hit, "start": 30, "excerpts": []}]}
    )
    [told] = answers.read_candidates(workbench)
    assert [passage.text for passage in told.passages] == ["It is. … It was.", "It is. Nor is. It was."]
    [other] = behind.others(workbench, "toy", stored_case(told))
    assert other.case.passages == stored_case(told).passages


@pytest.mark.slow
def test_answers_in_any_script_can_be_judged(workbench):
    for text in ("Москва.", "東京", "مكة", "Αθήνα", "٣", "...", "。"):
        workbench.store.add("answer", {"question": f"Where is {text}", "text": text, "model": "m", "config": {}, "hits": []})
    told = answers.read_candidates(workbench)
    assert [one.text for one in told] == ["Москва.", "東京", "مكة", "Αθήνα", "٣"]
    assert answers.asked(workbench, told).why == {"empty": 2}


@pytest.mark.slow
def test_a_system_is_called_by_its_model_and_its_recipe(workbench):
    def answer(file="/models/SmolLM2-135M-Instruct.Q4_1.gguf", **changed):
        settings = {name.replace("__", "."): value for name, value in changed.items()}
        config = with_settings(TrialConfig(), settings).model_dump(mode="json")
        workbench.store.add("answer", {"question": "Why?", "text": "So.", "model": file, "config": config, "hits": []})
        return list(system_names.systems(answers.read_candidates(workbench)))

    small, other = "SmolLM2-135M-Instruct, Hybrid", "/b/Qwen2-Q4_K_M.gguf"
    names = answer() and answer(generation__temperature=0.7, context__passages=2)
    assert names == [f"{small} convex, defaults", f"{small} convex, passages 2, temperature 0.7"]
    names = answer(fusion="rrf", transform__centre=True, generation__threads=2, evaluation__k=3)
    assert names[2] == f"{small} RRF, centre yes"
    five = {"context__passages": 1, "retrieval__top_k": 4, "generation__max_tokens": 9, "context__order": "best_last"}
    *before, four = answer(generation__temperature=0.7, fusion="rrf", **five)
    assert four.endswith(", 1 more") and before == names
    *before, alike = answer(generation__temperature=0.7, fusion="rrf", **{**five, "generation__max_tokens": 10})
    assert before[-1] == four and alike == four.replace("Instruct,", "Instruct.Q4_1.gguf,")
    answer("/a/Qwen2-Q8_0.gguf", generation__model="/a/Qwen2-Q8_0.gguf")
    answer(other, generation__model=other)
    names = answer("/c/Qwen2-Q4_K_M.gguf", generation__model="/c/Qwen2-Q4_K_M.gguf")
    plain = "Hybrid convex, defaults"
    assert names[5:7] == [f"Qwen2, {plain}", f"Qwen2-Q4_K_M.gguf, {plain}"]
    assert re.fullmatch(rf"Qwen2-Q4_K_M\.gguf, {plain}, [0-9a-f]{{6}}", names[7])
    workbench.store.add("answer", {"question": "Why?", "text": "So.", "model": other, "config": {"gone": {"a": 1}}, "hits": []})
    assert re.fullmatch("Qwen2, [0-9a-f]{6}", list(system_names.systems(answers.read_candidates(workbench)))[8]), (
        "a recipe of an older version"
    )


def test_systems_of_one_model_are_told_by_what_differs():
    small = "SmolLM2-135M-Instruct"
    both = [f"{small}, BM25, defaults", f"{small}, Hybrid RRF, k 9"]
    assert list(system_names.short_names(both).values()) == ["BM25, defaults", "Hybrid RRF, k 9"]
    assert system_names.short_names([small]) == {small: small}
    assert list(system_names.short_names([small, "Qwen2, BM25"]).values()) == [small, "Qwen2, BM25"]
    assert system_names.KEPT_AS.sub("", f"{small}.Q4_1") == system_names.KEPT_AS.sub("", f"{small}.Q4_1.gguf") == small
