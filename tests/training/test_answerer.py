"""What the answerer learns from: lessons over passages as retrieval gives them, words for retrieval, questions read together."""

import gzip
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.context.prompt import REMINDERS, UNKNOWN
from core.errors import WorkbenchError
from core.models.hub import adapters_home
from core.progress import drain
from core.training.adapters import answerer, branches, loop, query_words, training
from core.training.adapters.answerer import AnswererTraining, answerer_data
from tests.training.test_adapters import model  # noqa: F401

SMALL = {"validation_examples": 6, "test_examples": 6, "words": 3, "hops": 2, "together": 4, "planted": 0.0, "absent": 0.0}


def article(number: int) -> dict:
    places = ["Lund", "Gent", "Pisa", "Bath", "Kiel", "Metz", "Nice", "Oulu"]
    paragraphs = []
    for each in range(4):
        town = f"{places[(number + each) % 8]} {number}{each}"
        text = (
            f"{town} is known for its harbour. The mayor of {town} was born in {1900 + 10 * number + each}. Ships come at noon."
        )
        answer = str(1900 + 10 * number + each)
        qas = [{"id": f"{number}-{each}", "question": f"When was the mayor of {town} born?"}]
        qas[0]["answers"] = [{"text": answer, "answer_start": text.index(answer)}]
        qas.append({"id": f"{number}-{each}b", "question": f"What is {town} known for?"})
        qas[1]["answers"] = [{"text": "its harbour", "answer_start": text.index("its harbour")}]
        paragraphs.append({"context": text, "qas": qas})
    return {"title": f"Article {number}", "paragraphs": paragraphs}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    articles = [article(number) for number in range(8)]
    for name in ("squad_train", "multihop", "canard", "strategyqa", "xquad"):
        (place / name).mkdir()
    with gzip.open(place / "squad_train" / answerer.SQUAD[0], "wt") as file:
        json.dump({"data": articles}, file)
    copy = articles[3]["paragraphs"][0]["qas"][0]["question"]
    test = {"title": "T", "paragraphs": [{"context": "x", "qas": [{"id": "t", "question": copy, "answers": []}]}]}
    (place / "xquad" / "xquad.en.json").write_text(json.dumps({"data": [test]}))
    context = [["Jaws", ["Jaws was made by Spielberg."]], ["Spielberg", ["He was born in 1946."]], ["Alien", ["A film."]]]
    row = {"question": "When was the maker of Jaws born?", "answer": "1946", "context": context}
    row["supporting_facts"] = [["Jaws", 0], ["Spielberg", 0]]
    with gzip.open(place / "multihop" / answerer.HOPS["hotpotqa"], "wt") as file:
        json.dump([row], file)
    steps = {
        "question": "Is a cat older than a dog?",
        "decomposition": ["How old is a cat?", "How old is a dog?", "Is #1 above #2?"],
    }
    with gzip.open(place / "strategyqa" / "train.json.gz", "wt") as file:
        json.dump([steps], file)
    turns = [
        {"QuAC_dialog_id": f"C_{n}", "Question": "When did he leave?", "Question_no": 2, "Rewrite": f"When did Bo {n} leave?"}
        | {"History": [f"Bo {n}", "Life", "Where was he born?", "In Rome."]}
        for n in range(20)
    ]
    with gzip.open(place / query_words.FOLLOW_UPS, "wt") as file:
        json.dump(turns, file)
    return place


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory):
    return drain(answerer_data(folder, AnswererTraining(**SMALL), tmp_path_factory.mktemp("vectors")))


def test_each_question_is_asked_once_over_passages_that_hold_its_answer_or_is_told_to_be_unknown(data):
    lessons = [example for example in data.train if example.beside.startswith("train-")]
    assert len({example.question for example in lessons}) >= 2 * 4 * (8 - 2 * answerer.KEPT_BACK) - 1
    for example in lessons:
        prompt = example.messages[0]["content"]
        assert example.question in prompt
        if example.answer == UNKNOWN:
            assert example.references == (UNKNOWN,)
            continue
        said, _, mark = example.answer.rpartition(" ")
        passage = prompt[prompt.index(f"\n\n{mark} ") :].split("\n\n")[1]
        assert said in passage  # the cited passage holds the answer
        assert (REMINDERS["sentence"] in prompt) == (said != example.references[0] or said.endswith("."))
    assert any(example.answer == UNKNOWN for example in lessons)


def test_other_answers_are_planted_wherever_the_right_ones_stand_and_are_learnt(folder, tmp_path):
    data = drain(answerer_data(folder, AnswererTraining(**(SMALL | {"planted": 1.0})), tmp_path))
    own = {qa["question"]: qa["answers"][0]["text"] for n in range(8) for p in article(n)["paragraphs"] for qa in p["qas"]}
    learnt = [example for example in data.train if example.beside.startswith("train-") and example.answer != UNKNOWN]
    changed = [example for example in learnt if not example.references[0].rstrip(".").endswith(own[example.question])]
    assert len(changed) > len(learnt) / 4
    for example in (each for each in changed if REMINDERS["sentence"] not in each.messages[0]["content"]):
        assert example.answer.startswith(example.references[0]) and example.references[0] in own.values()
        town = example.question.removeprefix("When was the mayor of ").removesuffix(" born?")
        assert f"The mayor of {town} was born in {example.references[0]}." in example.messages[0]["content"]
    for example in (*data.validation, *data.test):
        assert example.references[0].rstrip(".").endswith((own[example.question], UNKNOWN.rstrip("."))) or REMINDERS[
            "sentence"
        ] in str(example)


def test_parts_share_no_article_and_near_copies_of_the_benchmark_are_left_out(data, folder):
    groups = [{example.group for example in part} for part in (data.train, data.validation, data.test)]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    copy = article(3)["paragraphs"][0]["qas"][0]["question"]
    assert data.left_out == {"near copy of a question of XQuAD": 1}
    assert copy not in {example.question for part in (data.train, data.validation, data.test) for example in part}


def test_several_hops_cite_all_their_passages(data):
    [example] = [example for example in data.train if example.id.startswith("hops")]
    prompt, marks = example.messages[0]["content"], example.answer.removeprefix("1946 ")
    for title in ("Jaws was made", "He was born"):
        place = prompt.index(title)
        assert prompt[place - 4 : place - 1] in marks
    assert len(marks) == 6


def test_words_for_retrieval_stand_in_the_prompts_of_their_transforms(data, folder):
    by_job = {job: [e for e in data.train if e.id.startswith(job)] for job in ("follow-up", "passage", "simpler")}
    assert all(by_job.values()) and len(by_job["passage"]) == 3
    [simpler] = by_job["simpler"]
    assert simpler.answer == "How old is a cat?\nHow old is a dog?" and simpler.messages[-1]["content"].endswith("than a dog?")
    learnt = {query.id for query, _ in query_words.follow_ups(folder, 0)}
    held = {query.id for query, _ in query_words.follow_ups(folder, 0, "test")}
    assert learnt and held and not learnt & held
    assert all(e.answer.startswith("When did Bo") for e in by_job["follow-up"])


def test_without_its_data_it_says_what_is_missing(tmp_path):
    with pytest.raises(WorkbenchError, match="SQuAD's training set is not in"):
        drain(answerer_data(tmp_path, AnswererTraining(), tmp_path))


@pytest.mark.parametrize("block", [pytest.param(32, marks=pytest.mark.slow), branches.BLOCK])
def test_questions_over_the_same_passages_are_read_together_and_come_to_the_same(data, model, block, monkeypatch):  # noqa: F811
    monkeypatch.setattr(branches, "BLOCK", block)
    config = AnswererTraining(**SMALL, rank=2, batch_size=6, at_once=4000)
    base = training.plain_knobs(model, 40).opens()[1]()
    some = [training.sequence(base, example) for example in data.train[:12]]
    steps = loop.AdapterLoop(config, base, model, some, some, [], adapters_home(), "")
    groups = [[some[place].beside for place in group] for group in steps._groups]
    assert all(len(set(group)) == 1 for group in groups) and max(map(len, groups)) > 1
    lesson = [some[place] for place in max(steps._groups, key=len)]
    start = loop.beginning(lesson)
    assert start >= loop.ALIKE and len({each.ids[:start] for each in lesson}) == 1
    lesson.append(lesson[0]._replace(ids=lesson[0].ids[:-2] + lesson[1].ids[-2:]))  # another answer to the very same prompt
    assert loop.beginning(lesson[:1] + lesson[-1:]) == len(lesson[0].ids) - lesson[0].answer - 1
    together = steps.log_likelihoods(lesson).detach().numpy()
    alone = np.array([float(steps.log_likelihoods([each]).detach()[0]) for each in lesson])
    assert together == pytest.approx(alone, rel=1e-4)
    weights = list(steps._weights.values())
    of_row = torch.autograd.grad(steps.loss(lesson), weights)
    of_each = torch.autograd.grad(sum(steps.loss([each]) for each in lesson), weights)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max())) for a, b in zip(of_row, of_each, strict=True))
    assert any(float(gradient.abs().max()) > 0 for gradient in of_each)
    several = [*lesson, *(some[place] for group in steps._groups if len(group) > 1 for place in group)]  # as on a GPU
    assert len(steps._lessons(several)) > 2 and len({loop.beginning(each) for each in steps._lessons(several)}) > 1
    at_once = steps.log_likelihoods(several).detach().numpy()
    assert at_once == pytest.approx([float(steps.log_likelihoods([each]).detach()[0]) for each in several], rel=1e-4)
    parts = steps._parts(some)
    assert sorted(each.ids for part in parts for each in part) == sorted(each.ids for each in some)
    monkeypatch.setattr(steps, "_device", "cpu:0")  # no CPU by its name: computed as on a GPU
    apart = [lesson[0], min(some, key=lambda each: len(each.ids)), max(some, key=lambda each: len(each.ids))]
    assert steps.log_likelihoods(apart).detach().numpy() == pytest.approx(
        [float(steps.log_likelihoods([each]).detach()[0]) for each in apart], rel=1e-4
    )
    assert sorted(each.ids for part in steps._parts(some) for each in part) == sorted(each.ids for each in some)
    assert len(steps._parts(some)) < len(parts)  # lessons side by side
    order = steps._order(0)
    assert sorted(order) == list(range(len(some))) and len({tuple(steps._order(turn)) for turn in range(8)}) > 1
    order = steps._order(0)
    places = [order.index(place) for place in max(steps._groups, key=len)]
    assert places == list(range(places[0], places[0] + len(places)))  # side by side


@pytest.mark.parametrize(("kind", "together"), [("llama", True), ("falcon", False), ("stablelm", False)])
def test_a_model_that_hands_no_branches_on_reads_each_by_itself(kind, together, tmp_path):
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "intermediate_size": 64,
    }
    config = CONFIG_MAPPING[kind](**sizes, vocab_size=60, max_position_embeddings=512, bos_token_id=1, eos_token_id=2)
    base = SimpleNamespace(model=AutoModelForCausalLM.from_config(config).eval(), device="cpu")
    start = tuple(range(3, 53)) * 3
    some = [loop.TokenSequence((*start, *ends), 3) for ends in ((5, 6, 7, 8), (9, 8, 7, 6, 5), (50, 6, 40, 8))]
    steps = loop.AdapterLoop(AnswererTraining(rank=2), base, None, some, some, [], tmp_path, "")
    assert steps._branches == together and loop.beginning(some) >= loop.ALIKE
    alone = [float(steps.log_likelihoods([each]).detach()[0]) for each in some]
    assert steps.log_likelihoods(some).detach().numpy() == pytest.approx(alone, rel=1e-4)


def test_a_model_without_linear_matrices_is_told_as_one():
    from transformers import GPT2Config, GPT2LMHeadModel

    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=32, n_layer=1, n_head=2, n_positions=16))
    with pytest.raises(WorkbenchError, match="no linear matrices"):
        loop.adapted(gpt2, AnswererTraining())
