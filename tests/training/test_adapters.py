"""Training adapters: what is learnt from, that it learns, goes on where it was, and what is kept of it."""

import json
import random
import time
from types import SimpleNamespace

import pytest

from core.corpus.assemble import assemble
from core.corpus.reading import Notes
from core.errors import WorkbenchError
from core.files import damage_in
from core.generation.torch_lm import Transformers
from core.generation.torch_model import TorchModel
from core.models.adapters import RECORD, SETTINGS, WEIGHTS, adapter_names, checked_adapter, is_tested
from core.models.hub import adapters_home
from core.progress import drain
from core.records import Document, Gold, Hit, Query
from core.training.adapters import measuring, training
from core.training.adapters.examples import TrainingExample, distractors, from_corpus, from_examples
from core.training.adapters.loop import TokenSequence
from core.training.adapters.near_copies import near_copies
from core.training.adapters.settings import AdapterTraining
from core.training.adapters.trl_files import read_examples, write_examples
from core.training.log import read_log, work_folder
from tests.generation.test_torch_lm import tiny_model

SMALL = {
    **{"rank": 2, "max_steps": 4, "batch_size": 3, "at_once": 600, "evaluate_every": 2, "checkpoint_every": 1, "samples": 1},
    **{
        "max_tokens": 800,
        "answer_tokens": 30,
        "test_examples": 4,
        "validation_examples": 3,
        "train_examples": 8,
        "distractors": 0,
    },
    **{"learning_rate": 0.01},
}
TOWNS = (
    "Lund",
    "Gent",
    "Pisa",
    "Bath",
    "Kiel",
    "Metz",
    "Nice",
    "Oulu",
    "Vaasa",
    "York",
    "Zwolle",
    "Brno",
    "Cork",
    "Delft",
    "Essen",
)


@pytest.fixture(scope="module")
def corpus():
    return towns()


def towns():
    """A question about each of many towns."""
    documents, queries = [], []
    for number in range(60):
        town = f"{TOWNS[number % 15]} {number}"
        text = f"{town} has a market. It opens at {number}. Nobody knows why, in the shade of house {number * 7}."
        documents.append(Document(str(number), text))
        start = text.index("It opens")
        end = text.index(" Nobody")
        queries.append(Query(str(number), f"When does it open in {town}?", (Gold(str(number), start, end),)))
    return assemble("towns", documents, queries, Notes())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    return Transformers(
        model=str(tiny_model(tmp_path_factory.getbasetemp() / "tiny")), dtype="float32", context_tokens=1024, own_process="no"
    )


def trained(corpus, model, name="towns", **settings):
    config = AdapterTraining(**SMALL | settings)
    return training.train(config, from_corpus(corpus, config), model, adapters_home() / name)


class Parrot:
    """A model that says how long each prompt is."""

    def answers(self, knobs, prompts, draws, deadline):
        yield from ()
        return [SimpleNamespace(text=str(len(prompt[0]["content"]))) for prompt in prompts]


def test_a_test_that_was_stopped_within_a_line_goes_on_again_and_again(tmp_path):
    asked = [TrainingExample(str(i), ({"role": "user", "content": "x" * i},), "", (str(i),), "", ("?",)) for i in range(1, 21)]
    journal = tmp_path / "before.jsonl"
    whole = drain(measuring.asked(Parrot(), None, asked, "Test", journal))
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 20 and all(row.em == 1 for row in whole)
    for _ in range(2):  # a full disk takes half of a line
        journal.write_text("".join(lines[:3]) + lines[3][:4])
        work = measuring.asked(Parrot(), None, asked, "Test", journal)
        assert drain(work) == whole and sorted(journal.read_text().splitlines(keepends=True)) == sorted(lines)


def test_an_answer_is_held_against_its_reference_without_the_citations_of_either(tmp_path):
    class Citing:
        def answers(self, knobs, prompts, draws, deadline):
            yield from ()
            return [SimpleNamespace(text="Paris [2].") for _ in prompts]

    [row] = read_examples(written_file(tmp_path, {"prompt": "Where?", "completion": "Paris [1]."}))[0]
    [said] = drain(measuring.asked(Citing(), None, [row], "Test", tmp_path / "a.jsonl"))
    assert (said.answer, said.em, said.f1) == ("Paris [2].", 1.0, 1.0)


def test_no_answer_of_the_test_is_cut_by_the_clock(tmp_path):
    class Slow:
        def answers(self, knobs, prompts, draws, deadline):
            yield from ()
            return [SimpleNamespace(text="Paris" if deadline > time.perf_counter() + 3600 else "Par") for _ in prompts]

    [row] = read_examples(written_file(tmp_path, {"prompt": "Where?", "completion": "Paris"}))[0]
    assert drain(measuring.asked(Slow(), None, [row], "Test", tmp_path / "a.jsonl"))[0].em == 1.0


def test_what_is_tested_is_what_is_written_also_where_that_is_rounded(corpus, model, monkeypatch):
    from safetensors.torch import load_file

    tested = []

    def asked(base, knobs, examples, what, journal):
        yield from ()
        tested.append({name: w.detach().clone() for name, w in base.model.named_parameters() if "lora_" in name})
        return [measuring.TestAnswer(each.id, "", 0.0, 0.0) for each in examples]

    monkeypatch.setattr(training, "asked", asked)
    drain(trained(corpus, model, "rounded", stored_as="bfloat16", keep="last", max_steps=2, samples=0))
    written = load_file(adapters_home() / "rounded" / WEIGHTS)
    held = {name.replace(".default", ""): weight for name, weight in tested[-1].items()}
    assert len(held) == len(written)
    assert all((held[name.removeprefix("base_model.model.")] == weight.float()).all() for name, weight in written.items())


def written_file(folder, *rows):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


# Data


def test_an_example_has_the_prompt_of_the_workbench_and_the_evidence_as_its_answer(corpus):
    data = from_corpus(corpus, AdapterTraining(distractors=2))
    example = data.train[0]
    prompt = example.messages[0]["content"]
    assert example.question in prompt and "[3]" in prompt and example.references[0] in prompt
    mark = example.answer.rpartition(" ")[2]
    assert example.answer.startswith(example.references[0]) and mark in ("[1]", "[2]", "[3]")
    assert f"{mark} {example.told[1]}" in prompt  # the mark is that of the passage that holds it
    bare = from_corpus(corpus, AdapterTraining(cite=False, distractors=0))
    assert bare.train[0].answer == bare.train[0].references[0]


def test_parts_share_no_document_and_the_card_says_what_they_are(corpus):
    data = from_corpus(corpus, AdapterTraining(alike=1.0))
    groups = [{example.group for example in part} for part in (data.train, data.validation, data.test)]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    card = data.card()
    assert (
        sum(card["examples"].values()) == 60
        and card["checksum"] == from_corpus(corpus, AdapterTraining(alike=1.0)).card()["checksum"]
    )
    assert card["checksum"] != from_corpus(corpus, AdapterTraining(alike=1.0, seed=1)).card()["checksum"]


def test_no_prompt_to_learn_from_shows_evidence_of_the_test_that_was_judged_for_another_question(corpus):
    documents = list(corpus.documents)
    judged = [  # each question has another's evidence judged, and found irrelevant to it
        query._replace(gold=(*query.gold, Gold(other.id, 0, len(other.text), 0)))
        for query, other in zip(corpus.queries, [*documents[23:], *documents[:23]], strict=True)
    ]
    data = from_corpus(assemble("towns", documents, judged, Notes()), AdapterTraining(distractors=2, alike=1.0))
    texts, asked = {document.id: document.text for document in documents}, {example.question for example in data.test}
    evidence = [texts[query.gold[0].document_id] for query in judged if query.text in asked]
    shown = [example.messages[-1]["content"] for example in (*data.train, *data.validation)]
    assert len(evidence) > 9 and "[3]" in shown[0] and not [text for text in evidence if any(text in prompt for prompt in shown)]


def test_wrong_passages_overlap_no_other_and_hold_no_answer_and_chance_fills_up():
    text = "".join(f"word{n:03} " for n in range(100))  # of eight characters each
    documents = {name: Document(name, text) for name in "de"}
    config = AdapterTraining(distractors=3, passage_characters=80)

    def hit(start, end):
        return Hit(1, 0.0, "d", "", start, end, text[start:end])

    right, beside = hit(0, 80), [hit(72, 150), hit(160, 240), hit(232, 300), hit(320, 400), hit(400, 480)]
    wrong = distractors(random.Random(0), right, ["d", "e"], beside, ["word045"], documents, config)
    assert [(each.document_id, each.start) for each in wrong] == [("d", 160), ("d", 400), ("e", 0)]


def test_near_copies_are_found_and_forms_that_all_share_are_none():
    form = "Answer from the numbered passages only and cite them like this please."
    texts = [form + "".join(f" {town}{number}{word}" for word in "abcdefghijkl") for number, town in enumerate(TOWNS * 2)]
    others = [texts[3] + " indeed", form + " Something else that has nothing in common with them at all."]
    assert near_copies(texts, others, 0.8) == {3: 0}
    assert near_copies(texts, others, 0.99) == {}
    assert near_copies(["", "a b"], ["", "a b"], 0.7) == {1: 1}


def test_copies_between_the_parts_are_left_out_and_counted():
    words = [
        f"the {i}th question is about the {town} of number {i * 13} and its {i + 7} doors" for i, town in enumerate(TOWNS * 4)
    ]
    rows = [_row(i, text) for i, text in enumerate(words)]
    clean = from_examples(rows, "file", AdapterTraining())
    copy = _row(99, clean.test[0].question.replace("doors", "gates"))
    group = next(g for g in map(str, range(1000)) if _part_of(g) == "train")
    data = from_examples([*rows, copy._replace(group=group)], "file", AdapterTraining(alike=0.6))
    assert data.left_out["train: near copy of an example of validation or test"] >= 1
    assert copy.question not in {example.question for example in data.train}
    twice = from_examples([*rows, clean.train[0]._replace(id="again")], "file", AdapterTraining())
    assert twice.left_out["the same example again"] == 1


@pytest.mark.parametrize(
    ("named", "part"), [(("test", ""), "test"), (("", "validation"), "validation"), (("train", "test"), "test")]
)
def test_a_group_of_which_some_rows_name_a_part_is_of_that_part(named, part):
    words = [f"the {i}th question is about the {town} of number {i * 13}" for i, town in enumerate(TOWNS * 4)]
    groups = [f"g{i // 2}" for i in range(len(words))]
    rows = [_row(i, text)._replace(group=group) for i, (text, group) in enumerate(zip(words, groups, strict=True))]
    rows = [row._replace(part=named[i % 2]) if i < 24 else row for i, row in enumerate(rows)]
    data = from_examples(rows, "file", AdapterTraining())
    of = {name: {example.group for example in getattr(data, name)} for name in ("train", "validation", "test")}
    assert not of["train"] & of["test"] and not of["train"] & of["validation"] and not of["validation"] & of["test"]
    assert {f"g{i}" for i in range(12)} <= of[part] and sum(map(len, of.values())) == len(set(groups))


def _row(number, text):
    return TrainingExample(
        str(number), ({"role": "user", "content": text},), f"answer {number}", (f"answer {number}",), str(number), (text,)
    )


def _part_of(group):
    from core.training.adapters.examples import TEST_SHARE, VALIDATION_SHARE, _share

    place = _share(0, group)
    return "test" if place < TEST_SHARE else "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


@pytest.mark.parametrize("form", ["messages", "prompt-completion"])
def test_examples_come_back_from_the_forms_of_trl(corpus, tmp_path, form):
    data = from_corpus(corpus, AdapterTraining())
    write_examples(tmp_path / "train.jsonl", data.train, form)
    row = json.loads((tmp_path / "train.jsonl").read_text().splitlines()[0])
    assert {"messages"} <= row.keys() if form == "messages" else {"prompt", "completion"} <= row.keys()
    back, source = read_examples(tmp_path / "train.jsonl")
    assert source.startswith("train.jsonl ") and len(back) == len(data.train)
    for each, again in zip(data.train, back, strict=True):
        assert (each.messages, each.answer, each.references, each.group) == again[1:5]


def test_texts_of_a_prompt_and_its_completion_are_turns(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "Who?", "completion": "Ada."}\n\n')
    [example] = read_examples(tmp_path / "a.jsonl")[0]
    assert example.messages == ({"role": "user", "content": "Who?"},) and example.answer == "Ada."
    (tmp_path / "b.jsonl").write_text('{"prompt": "Who?", "completion": "Ada.", "group": 0}\n')
    assert read_examples(tmp_path / "b.jsonl")[0][0].group == "0", "a group of 0 is one"


@pytest.mark.parametrize(
    "line, words",
    [
        ("{", "Expecting"),
        ("[1]", "no mapping"),
        ('{"text": "a"}', "neither messages nor prompt and completion, but text"),
        ('{"prompt": "a", "completion": " "}', "answer is empty"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "does not end with the assistant"),
        ('{"messages": [{"role": "bot", "content": "a"}, {"role": "assistant", "content": "b"}]}', "a message needs a role"),
        ('{"prompt": 3, "completion": "b"}', "no list"),
    ],
)
def test_a_bad_line_is_told_with_its_place(tmp_path, line, words):
    file = tmp_path / "bad.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n' + line)
    with pytest.raises(WorkbenchError, match=words) as error:
        read_examples(file)
    assert error.value.where.startswith(f"{file}:2")


def test_too_few_examples_and_too_long_ones_are_told(corpus, model):
    with pytest.raises(WorkbenchError, match=r"Only \d+ examples for"):
        from_examples([], "nothing", AdapterTraining())
    with pytest.raises(WorkbenchError, match="over 20 tokens"):
        drain(trained(corpus, model, max_tokens=20))


# Training


@pytest.mark.slow
def test_an_adapter_is_trained_measured_and_registered(corpus, model):
    result = drain(trained(corpus, model, max_steps=8, evaluate_every=4, learning_rate=0.02))
    assert adapter_names() == ["towns"] and not damage_in(result.folder)
    record = json.loads((result.folder / RECORD).read_text())
    assert result.best_step > 0 and result.loss["after"] < result.loss["before"]
    assert record["base"]["sha256"] and record["data"]["checksum"] and record["data"]["tokens"]["train"]["answers"]
    assert {"before", "after", "difference", "p", "low", "high"} <= record["comparison"]["f1"].keys()
    assert len(record["tested"]) == record["data"]["examples"]["test"] and record["tokens_per_s"] > 0
    kinds = [line["kind"] for line in read_log(result.folder)]
    assert kinds.count("step") == 8 and kinds.count("evaluation") == 3 and kinds.count("samples") == 3
    step = next(line for line in read_log(result.folder) if line["kind"] == "step")
    assert {"tokens", "answer_tokens", "memory_mb", "seconds", "loss", "learning_rate"} <= step.keys()
    assert checked_adapter("towns", record["base"]["sha256"]) == result.folder
    with pytest.raises(WorkbenchError, match="already"):
        drain(trained(corpus, model))


@pytest.mark.slow
def test_cancelled_it_goes_on_to_the_very_same_adapter(corpus, model):
    whole = drain(trained(corpus, model, "whole", samples=0))
    work = trained(corpus, model, "broken", samples=0)
    for step in work:
        if step.message.startswith("Step 2"):
            time.sleep(2)
        if step.message.startswith("Step 3"):
            break
    work.close()
    assert adapter_names() == ["whole"]
    resumed = drain(trained(corpus, model, "broken", samples=0))
    logs = [[(line["step"], line["loss"]) for line in read_log(r.folder) if line["kind"] == "step"] for r in (whole, resumed)]
    assert logs[0] == logs[1] and any(line["kind"] == "resume" for line in read_log(resumed.folder))
    assert (whole.folder / WEIGHTS).read_bytes() == (resumed.folder / WEIGHTS).read_bytes()
    assert whole.loss == resumed.loss
    assert resumed.seconds["training"] > 2, "what was before the stop counts"


@pytest.mark.slow
def test_stopped_in_its_test_it_is_there_untested_and_the_test_goes_on(corpus, model, monkeypatch):
    whole = drain(trained(corpus, model, "tested", samples=0))
    work = trained(corpus, model, "stopped", samples=0)
    for step in work:
        if step.message.startswith("Step 2"):
            time.sleep(4)
        if step.message == "Test: answers with the adapter":
            break
    work.close()
    assert adapter_names() == ["stopped", "tested"] and is_tested("tested") and not is_tested("stopped")
    record = json.loads((adapters_home() / "stopped" / RECORD).read_text())
    folder = checked_adapter("stopped", record["base"]["sha256"])  # it may be used
    assert (folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes() and record["comparison"] == {}
    with pytest.raises(WorkbenchError, match="already"):
        drain(trained(corpus, model, "stopped", samples=0, learning_rate=0.02))
    asked = []
    answers = TorchModel.answers
    monkeypatch.setattr(
        TorchModel, "answers", lambda self, knobs, prompts, *rest: asked.extend(prompts) or answers(self, knobs, prompts, *rest)
    )
    again = drain(trained(corpus, model, "stopped", samples=0))
    assert len(asked) == 4, "those with the adapter; the base's are kept"
    assert is_tested("stopped") and not damage_in(again.folder) and not work_folder(again.folder).exists()
    assert again.comparison == whole.comparison and again.loss == whole.loss and again.steps == 4
    assert len([line for line in read_log(again.folder) if line["kind"] == "step"]) == 4, "nothing was learnt anew"
    assert 4 < again.seconds["training"] < 1.5 * record["seconds"]["training"], "the steps are counted once"


def test_the_log_of_the_training_before_is_not_that_of_this_one(corpus, model):
    before, work = time.time() - 1, trained(corpus, model, "again", samples=0)
    for step in work:
        if step.done == 2 and step.message.startswith("Step"):
            break
    work.close()
    folder, later = adapters_home() / "again", time.time() + 60
    assert read_log(folder) and read_log(folder, before) and read_log(folder, later) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"rslora": True, "targets": "attention", "schedule": "cosine"},
        pytest.param({"dora": True, "targets": "mlp", "schedule": "constant"}, marks=pytest.mark.slow),
        pytest.param({"dropout": 0.2}, marks=pytest.mark.slow),
    ],
)
def test_each_kind_of_adapter_learns(corpus, model, settings):
    result = drain(trained(corpus, model, max_steps=2, evaluate_every=1, samples=0, **settings))
    losses = [line["loss"] for line in read_log(result.folder) if line["kind"] == "evaluation"]
    assert min(losses) < losses[0]
    names = json.loads((result.folder / SETTINGS).read_text())["target_modules"]
    assert ("q_proj" in names) == (settings.get("targets") != "mlp") and ("up_proj" in names) == (
        settings.get("targets") != "attention"
    )


def test_loss_counts_the_answer_alone_however_a_step_is_cut(corpus, model):
    import torch

    config = AdapterTraining(**SMALL)
    data = from_corpus(corpus, config)
    base = training.plain_knobs(model, 40).opens()[1]()
    loop = training.AdapterLoop(config, base, model, [], [], [], adapters_home(), "")
    some = [training.sequence(base, example) for example in data.train[:3]]
    together = float(loop.loss(some).detach())
    by_hand = 0.0
    for each in some:
        ids = torch.tensor([each.ids])
        with torch.no_grad():
            logits = base.model(input_ids=ids).logits[0].float().log_softmax(-1)
        places = range(len(each.ids) - each.answer, len(each.ids))
        by_hand -= sum(float(logits[place - 1, each.ids[place]]) for place in places)
    assert together == pytest.approx(by_hand, rel=1e-5)
    assert together == pytest.approx(sum(float(loop.loss([each]).detach()) for each in some), rel=1e-5)
    loop.config = config.model_copy(update={"mean_over": "answers"})
    means = sum(-float(loop.log_likelihoods([each]).detach()) / each.answer for each in some) / 3
    assert float(loop.loss(some).detach()) / loop.counted(some) == pytest.approx(means, rel=1e-5)


def test_a_training_goes_on_from_an_adapter_where_its_order_ended(corpus, model):
    first = drain(trained(corpus, model))
    further = drain(trained(corpus, model, "further", begin_with="towns", max_steps=1, mean_over="answers"))
    ended, began = ([line for line in read_log(each.folder) if line["kind"] == "evaluation"] for each in (first, further))
    assert began[0]["loss"] == pytest.approx(min(line["loss"] for line in ended), rel=1e-4)
    assert further.data["learnt_before"] == 4 * 3 and "learnt_before" not in first.data
    third = drain(trained(corpus, model, "third", begin_with="further", max_steps=1))
    assert third.data["learnt_before"] == 4 * 3 + 3
    others = drain(trained(corpus, model, "others", begin_with="towns", max_steps=1, seed=1))
    assert "learnt_before" not in others.data  # another split, so another order
    config = AdapterTraining(**SMALL)
    some, base = [TokenSequence((place,), 1) for place in range(8)], training.plain_knobs(model, 30).opens()[1]()
    steps = training.AdapterLoop(config, base, model, some, [], [], adapters_home(), "")
    usual = [steps.batch(step) for step in range(6)]
    steps.begin_with("towns", 4 * 3)
    assert [steps.batch(step) for step in range(2)] == usual[4:]
    for settings, told in ({"rank": 4}, "has r 2, this training 4"), ({"begin_with": "nobody"}, "There is no adapter 'nobody'"):
        with pytest.raises(WorkbenchError, match=told):
            drain(trained(corpus, model, "refused", **{"begin_with": "towns"} | settings))


def test_steps_that_were_larger_than_all_examples_are_counted_as_they_were(corpus):
    folder = adapters_home() / "few"
    folder.mkdir(parents=True)
    record = {"data": {"checksum": "c", "examples": {"train": 6}}, "best_step": 2, "config": {"batch_size": 64}}
    for name, text in ((WEIGHTS, ""), (SETTINGS, "{}"), (RECORD, json.dumps(record))):
        (folder / name).write_text(text)
    config = AdapterTraining(begin_with="few")
    assert training.begun(config, {"checksum": "c"})[1] == 12 and training.begun(config, {"checksum": "d"})[1] == 0


# Parts


def test_examples_that_are_too_long_make_place_for_others_before_the_test_is_drawn(model):
    """Two are asked of some thirty, most of which are too long."""
    corpus, settings = towns(), SMALL | {"test_examples": 2, "validation_examples": 2, "train_examples": 4, "alike": 1.0}
    base = training.plain_knobs(model, 30).opens()[1]()
    for seed in range(4):
        config = AdapterTraining(**settings | {"seed": seed})
        data = from_corpus(corpus, config)
        parts = [[*getattr(data, name), *data.spare[name]] for name in ("train", "validation", "test")]
        shortest = [sorted(len(training.sequence(base, each).ids) for each in part)[:4] for part in parts]
        assert len(data.test) == 2 and len(parts[2]) > 20
        short = config.model_copy(update={"max_tokens": max(lengths[-1] for lengths in shortest)})
        fitting, sequences = drain(training.tokenized(short, data, base, model))
        assert len(fitting.test) == len(sequences["test"]) == 2 and fitting.card()["examples"]["test"] == 2
        assert all(len(each.ids) <= short.max_tokens for each in sequences["test"])


def articles(number, questions=12):
    """So many articles of one paragraph each, about which many questions are asked."""
    documents, queries = [], []
    for place in range(number):
        facts = [f"The {word} of {TOWNS[place]} is {place}{word}." for word in "abcdefghijkl"[:questions]]
        documents.append(Document(str(place), " ".join(facts), TOWNS[place]))
        for each, fact in enumerate(facts):
            start = documents[-1].text.index(fact)
            gold = (Gold(str(place), start, start + len(fact)),)
            queries.append(Query(f"{place} {each}", f"What is the {'abcdefghijkl'[each]} of {TOWNS[place]}?", gold))
    return assemble("articles", documents, queries, Notes())


@pytest.mark.parametrize("number", [4, 5, 8])
def test_of_few_articles_each_part_has_some_whatever_the_seed(number):
    for seed in range(20):
        card = from_corpus(articles(number), AdapterTraining(seed=seed, alike=1.0, distractors=0)).card()
        assert min(card["groups"].values()) >= 1 and min(card["examples"].values()) >= 2, (seed, card)


def test_the_remedy_is_that_of_the_reason(corpus, model):
    with pytest.raises(WorkbenchError, match="Only 0 examples for") as few:
        from_corpus(articles(1), AdapterTraining(alike=1.0))
    assert "more documents" in few.value.todo and "max_tokens" not in few.value.todo
    with pytest.raises(WorkbenchError) as long:
        drain(trained(corpus, model, "long", max_tokens=20))
    assert long.value.todo == "Raise max_tokens or answer_tokens."


@pytest.mark.slow
def test_the_kept_step_is_the_one_that_is_asked_for_and_what_is_tested(corpus, model):
    """Step 3 is between two evaluations; patience ends a training that keeps the best, and no other."""
    made = {}
    for name, settings in {"three": {"keep": "step", "keep_step": 3}, "two": {"max_steps": 2, "keep": "last"}}.items():
        made[name] = drain(trained(corpus, model, f"kept-{name}", patience=1, schedule="constant", **settings))
    assert (made["three"].best_step, made["three"].steps, made["two"].best_step) == (3, 4, 2)
    record = json.loads((adapters_home() / "kept-three" / RECORD).read_text())
    assert record["config"]["keep_step"] == 3 and [line["step"] for line in record["validation_curve"]] == [0, 2, 3, 4]
    assert record["comparison"], "the kept weights are those of the test"
    for settings in ({"keep": "step"}, {"keep": "step", "keep_step": 5}):
        with pytest.raises(ValueError, match="keep_step"):
            AdapterTraining(**SMALL | settings)
