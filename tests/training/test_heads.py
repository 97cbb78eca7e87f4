"""Labels, tags and answers learnt by an encoder: files in their forms, measures by other libraries, and what is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from core import files
from core.answering import bert_spans
from core.answering.bert_spans import SpanReader
from core.errors import WorkbenchError
from core.labs.heads.training import train_classifier
from core.models import hub
from core.progress import drain
from core.records import Corpus, Document, Gold, Query
from core.reranking.bert_pairs import ADAPTER
from core.statistics.bootstrap import mean_interval
from core.training.heads import examples, training
from core.training.heads.examples import Compared, Labelled, PassageQuestion, Tagged, divided, halved
from core.training.heads.loop import distinct, head_of
from core.training.heads.settings import HeadTraining
from core.training.heads.tasks import OneLabel, Preferred, SeveralLabels, Spans, Tags, spans
from core.training.heads.trained import ONNX, HeadModel
from core.training.log import work_folder
from tests.training.test_encoders import base  # noqa: F401, a fixture

SMALL = {"epochs": 25, "batch_size": 8, "learning_rate": 0.003, "evaluate_every": 12, "max_tokens": 32, "patience": 99}
COLOURS, THINGS = ("red", "green", "blue"), ("house", "car", "tree", "boat", "lamp", "door", "hill", "road")
TEXTS = [f"the {colour} {thing} of {i}" for i in range(4) for colour in COLOURS for thing in THINGS]


@pytest.fixture(autouse=True)
def _small(base, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setattr(training, "bundled_folder", lambda: base)
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))


def labels():
    return [("", Labelled(text, (text.split()[1],), text)) for text in TEXTS]


def tags():
    some = [("O", f"B-{text.split()[1]}", f"I-{text.split()[1]}", "O", "O") for text in TEXTS]
    return [("", Tagged(tuple(text.split()), tag, text)) for text, tag in zip(TEXTS, some, strict=True)]


def start(task, some, name="m", **settings):
    config = HeadTraining(**SMALL | settings)
    parts = divided(some, 0.2, 0.2, 0, "here")
    return training.train(config, task, parts, hub.heads_home() / name)


# Files


def test_labelled_texts_come_as_jsonl_csv_and_clinc(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"text": "x", "label": 3, "part": "dev"}\nbroken\n{"text": "y", "labels": ["a", "b"]}\n{"text": ""}\n'
    )
    some, notes = examples.labelled(tmp_path / "a.jsonl")
    assert some == [("validation", Labelled("x", ("3",), "x")), ("", Labelled("y", ("a", "b"), "y"))]
    assert any("not a JSON object" in note for note in notes) and any("without text or label" in note for note in notes)
    (tmp_path / "b.csv").write_text("Text;Label;Group\nhello;hi;d1\n")
    assert examples.labelled(tmp_path / "b.csv")[0] == [("", Labelled("hello", ("hi",), "d1"))]
    (tmp_path / "c.json").write_text(json.dumps({"train": [["q", "l"]], "val": [["r", "l"]], "oos_test": [["z", "oos"]]}))
    assert [(part, example.labels) for part, example in examples.labelled(tmp_path / "c.json")[0]] == [
        ("train", ("l",)),
        ("validation", ("l",)),
        ("test", ("oos",)),
    ]


def test_tagged_words_come_as_conll_and_jsonl(tmp_path):
    (tmp_path / "a.conll").write_text("-DOCSTART- O\n\nIn\tO\nRome\tB-location\nbroken\n\n\nNew B-location\nYork I-location\n")
    some, notes = examples.tagged(tmp_path / "a.conll")
    assert [(e.words, e.tags) for _, e in some] == [
        (("In", "Rome"), ("O", "B-location")),
        (("New", "York"), ("B-location", "I-location")),
    ]
    assert any("not a word and its tag" in note for note in notes)
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a"], "tags": ["O"], "part": "test"}\n{"tokens": ["a"], "tags": []}\n')
    some, notes = examples.tagged(tmp_path / "a.jsonl")
    assert [part for part, _ in some] == ["test"] and any("one length" in note for note in notes)


@pytest.mark.parametrize("tags", [[0, 3], ["DET", "NOUN"], ["O", "B-"], ["O", "B-a b"], ["O", None]])
def test_rows_whose_tags_are_of_another_form_are_skipped_and_told(tmp_path, tags):
    rows = [{"tokens": ["the", "mill"], "tags": each} for each in (tags, ["O", "I-place"])]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    some, notes = examples.tagged(tmp_path / "a.jsonl")
    assert [example.tags for _, example in some] == [("O", "I-place")] and "(O, B-…, I-…), skipped" in notes[0]
    (tmp_path / "a.jsonl").write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(WorkbenchError, match="no example") as error:
        examples.tagged(tmp_path / "a.jsonl")
    assert "O, B-…, I-…" in error.value.todo


@pytest.mark.parametrize(("text", "words"), [
    ('{"text": "x", "label": "a", "part": "later"}\n', "no part"), ('{"nothing": 1}\n', "no example"),
])  # fmt: skip
def test_a_file_without_examples_or_with_an_unknown_part_is_told(tmp_path, text, words):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(WorkbenchError, match=words):
        examples.labelled(tmp_path / "a.jsonl")


def test_what_the_test_holds_is_not_learnt_from():
    some = [("train", Labelled(f"t{i}", ("a",), "")) for i in range(9)] + [
        ("test", Labelled(f"t{i}", ("b",), "")) for i in range(5, 12)
    ]
    parts = divided([*some, *[("validation", Labelled(f"v{i}", ("a",), "")) for i in range(5)]], 0.2, 0.2, 0, "here")
    assert [e.text for e in parts.train] == ["t0", "t1", "t2", "t3", "t4"] and "4 examples of the train" in parts.notes[0]
    with pytest.raises(WorkbenchError, match="for validation"):
        divided(some, 0.001, 0.2, 0, "here")


def test_a_group_stands_in_one_part_only():
    parts = divided([("", Labelled(f"t{i}", ("a",), f"g{i % 30}")) for i in range(300)], 0.2, 0.3, 1, "here")
    groups = [{e.group for e in part} for part in parts[:3]]
    assert sum(map(len, groups)) == 30 and min(map(len, groups)) > 1


def test_a_group_stands_in_one_part_only_also_where_a_file_names_the_part_of_some():
    named = [("test", Labelled(f"test {i}", ("a",), f"g{i}")) for i in range(6)]
    parts = divided([*named, *[("", Labelled(f"t{i}", ("a",), f"g{i % 30}")) for i in range(300)]], 0.2, 0.3, 1, "here")
    groups = [{e.group for e in part} for part in parts[:3]]
    assert sum(map(len, groups)) == 30 and groups[2] == {f"g{i}" for i in range(6)} and len(parts.test) == 6
    assert sum(int(note.split()[0]) for note in parts.notes) == 60


def test_questions_of_a_corpus_come_with_their_passage_and_its_answer():
    corpus = Corpus(
        "c", (Document("d", "It was red.", "T"),), (Query("q", "Which?", (Gold("d", 7, 10),), ("red",)), Query("r", "?"))
    )
    assert examples.asked(corpus) == [PassageQuestion("Which?", "It was red.", (("red", 7),), "T")]
    judged = (
        Query("q", "Which?", (Gold("e", 0, 1, 0), Gold("d", 7, 10)), group="g"),
        Query("r", "?", (Gold("e", 0, 1, 0),), group="g"),
    )
    grouped = [each.group for each in examples.of_corpus(Corpus("c", corpus.documents, judged))]
    assert grouped == ["d", "r"], "what is judged not relevant is no evidence"


def test_what_was_skipped_is_told_where_too_little_is_left(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": "a"}\nbroken\n')
    with pytest.raises(WorkbenchError, match=r"Only 1 examples for train.*not a JSON object"):
        drain(train_classifier(None, "m", None, {"": tmp_path / "a.jsonl"}, {}))


@pytest.mark.parametrize(
    "labels, half, told",
    [
        (lambda i: {"label": "a"}, "both", "the label 'a', so there is nothing"),
        (lambda i: {"labels": []}, "both", "no label, so there is nothing"),
        (lambda i: {"label": "ab"[i % 2], "group": "g"}, "first", "Only 0 examples for train"),
    ],
)
def test_one_class_none_and_an_empty_half_are_refused(tmp_path, labels, half, told):
    parts = ["train"] * 6 + ["validation"] * 6 + ["test"] * 6
    rows = [{"text": f"text {i}", "part": part} | labels(i) for i, part in enumerate(parts)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(WorkbenchError, match=told):
        drain(train_classifier(None, "m", None, {"": tmp_path / "a.jsonl"}, {"half": half}))


def test_preferences_come_as_trl_has_them_and_as_qa_feedback_has_them(tmp_path):
    rows = [
        {"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "a"}], "rejected": "b"},
        {"prompt": "q", "chosen": "a", "rejected": "a"},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    some, notes = examples.compared(tmp_path / "p.jsonl")
    assert some == [("", Compared("q", "a", "b", "q"))] and any("two different answers" in note for note in notes)
    asked, told = {"role": "user", "content": "q"}, ({"role": "assistant", "content": text} for text in "abcdef")
    talks = [[asked, next(told)] for _ in range(4)]  # whole conversations, as of UltraFeedback; of one there is no prompt besides
    rows = [{"prompt": "q", "chosen": talks[0], "rejected": talks[1]}, {"chosen": talks[2], "rejected": talks[3]}]
    later = [[{"role": "assistant", "content": "x"}, asked, each] for each in told]  # goes on behind its prompt
    rows.append({"prompt": [asked | {"content": "p"}], "chosen": later[0], "rejected": later[1]})
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    some, _ = examples.compared(tmp_path / "p.jsonl")
    wanted = [("q", "a", "b"), ("q", "c", "d"), ("p", "x\n\nq\n\ne", "x\n\nq\n\nf")]
    assert [(e.prompt, e.chosen, e.rejected) for _, e in some] == wanted
    answers = {f"prediction {i}": f"p{i}" for i in range(1, 5)}
    entry = {"question": "q", "passages": [["t", "x", "y"]], "preference": [1, 2, 0, 0, 0, 2], **answers}
    (tmp_path / "f.json").write_text(json.dumps([entry]))
    some, notes = examples.compared(tmp_path / "f.json")
    assert [(e.chosen, e.rejected) for _, e in some] == [("p1", "p2"), ("p3", "p1"), ("p4", "p3")]
    assert some[0][1].prompt == "q\n\nx y" and "without a preference" in notes[0]
    (tmp_path / "f.json").write_text(json.dumps([entry | {"prediction 2": " "}]))
    some, notes = examples.compared(tmp_path / "f.json")
    assert [(e.chosen, e.rejected) for _, e in some] == [("p3", "p1"), ("p4", "p3")] and "an empty answer" in " ".join(notes)


# Measures


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_and_accuracy_are_those_of_scikit_learn(seed):
    from sklearn.metrics import accuracy_score, f1_score

    draw, names = np.random.default_rng(seed), ["a", "b", "c", "oos"]
    truth, told = (draw.choice(names, 60, p=p) for p in ([0.5, 0.2, 0, 0.3], [0.4, 0.3, 0.1, 0.2]))
    task = OneLabel(names, "oos")
    counts = task.counts([Labelled("", (label,)) for label in truth], [(label,) for label in told])
    measures = {name: value[0] for name, value in task.measures(counts.sum(axis=0, keepdims=True)).items()}
    assert measures["macro_f1"] == pytest.approx(f1_score(truth, told, average="macro", zero_division=0))
    assert measures["accuracy"] == pytest.approx(accuracy_score(truth, told))
    scope = truth != "oos"
    assert measures["in_scope_accuracy"] == pytest.approx((truth == told)[scope].mean())
    assert measures["out_of_scope_recall"] == pytest.approx((truth == told)[~scope].mean())


def test_f1_of_several_labels_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    draw, names = np.random.default_rng(0), ["a", "b", "c"]
    truth, told = draw.random((2, 50, 3)) < 0.4
    task = SeveralLabels(names)
    sets = [[tuple(n for n, on in zip(names, row, strict=True) if on) for row in rows] for rows in (truth, told)]
    counts = task.counts([Labelled("", labels) for labels in sets[0]], sets[1])
    measures = task.measures(counts.sum(axis=0, keepdims=True))
    for kind in ("macro", "micro"):
        assert measures[f"{kind}_f1"][0] == pytest.approx(f1_score(truth, told, average=kind))
    assert measures["accuracy"][0] == (truth == told).all(axis=1).mean()


@pytest.mark.parametrize("seed", range(5))
def test_span_f1_is_that_of_seqeval(seed):
    from seqeval.metrics import f1_score, precision_score, recall_score

    draw, kinds = np.random.default_rng(seed), ["O", "B-x", "I-x", "B-y", "I-y"]
    truth, told = ([list(draw.choice(kinds, n)) for n in range(1, 30)] for _ in range(2))
    task = Tags(kinds)
    measures = task.measures(task.counts([Tagged((), tuple(t)) for t in truth], told).sum(axis=0, keepdims=True))
    wanted = precision_score(truth, told), recall_score(truth, told), f1_score(truth, told)
    assert [value[0] for value in measures.values()] == pytest.approx(wanted)


def test_spans_begin_at_b_and_at_an_i_that_continues_nothing():
    assert spans(["I-x", "I-x", "B-x", "O", "I-y", "I-x"]) == {("x", 0, 2), ("x", 2, 3), ("y", 4, 5), ("x", 5, 6)}


def test_what_no_example_shows_is_undefined_and_not_zero():
    task = OneLabel(["a", "oos"], "oos")
    measures = training.tested_measures(task, [Labelled("", ("a",))] * 20, [("a",)] * 20, 0)
    assert measures["out_of_scope_recall"] == {"value": None, "low": None, "high": None}
    assert measures["accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(("groups", "bounded"), [(1, False), (5, False), (6, True), (15, True), (30, True)])
def test_few_groups_have_a_wide_interval_or_none(groups, bounded):
    said = [("a",) if i % 10 < 7 + i // 10 % 2 else ("b",) for i in range(10 * groups)]  # of each group 7 or 8 of 10 are right
    asked = [Labelled("", ("a",), f"g{i // 10}") for i in range(len(said))]
    _, low, high = training.tested_measures(OneLabel(["a", "b"]), asked, said, 0)["accuracy"].values()
    assert (low is not None) == (high is not None) == bounded
    if bounded:
        means = np.array([[label == "a" for (label,) in said]]).reshape(groups, 10).mean(axis=1)
        _, least, most, *_ = mean_interval(means, np.arange(groups))  # groups of one size: as of their means
        assert (low, high) == pytest.approx((least, most), abs=1e-9)


def test_a_share_ends_at_1_and_a_margin_does_not():
    said = [("b",), *[("a",)] * 11]
    assert training.tested_measures(OneLabel(["a", "b"]), [Labelled("", ("a",))] * 12, said, 0)["accuracy"]["high"] == 1.0
    pairs = [Compared("p", "good", "bad", str(i)) for i in range(12)]
    margin = training.tested_measures(Preferred(), pairs, [(5.0 + i, 0.0) for i in range(12)], 0)["margin"]
    assert 5 < margin["low"] < margin["value"] < margin["high"] < 16


def test_a_reward_is_held_beside_the_longer_and_the_more_supported_answer():
    task = Preferred()
    pairs = [
        Compared("the cat sat on the mat", "the cat sat", "a dog ran far away", "1"),
        Compared("the cat", "it", "is it", "2"),
    ]
    predictions = [(2.0, 0.0), (-1.0, -1.0)]
    measures = {
        name: value[0] for name, value in task.measures(task.counts(pairs, predictions).sum(axis=0, keepdims=True)).items()
    }
    assert measures["accuracy"] == 0.75 and measures["longer"] == 0.0 and measures["supported"] == 0.75
    assert measures["margin"] == 1.0 and measures["gain_over_longer"] == 0.75
    assert measures["log_loss"] == pytest.approx((np.log1p(np.exp(-2)) + np.log(2)) / 2)
    many = [Compared("p", "a", "b", str(i)) for i in range(4000)]
    draw = np.random.default_rng(1)
    told = draw.normal(0, 1.5, 4000)
    swapped = draw.random(4000) > 1 / (1 + np.exp(-told))  # of each pair the first is preferred with the probability told
    sure = task.further(many, [(-m if s else m, 0.0) for m, s in zip(told, swapped, strict=True)])["calibration_error"]
    assert (
        sure.mean < 0.03
        and task.further(many, [(3.0 * (1 - 2 * s), 0.0) for s in draw.random(4000) < 0.5])["calibration_error"].mean > 0.4
    )


def test_a_reward_reads_what_is_borne_out_and_nearest_once(base):  # noqa: F811
    task, tokenizer = Preferred(), head_of(base, Preferred())[1]
    prompt = "which one\n\nthe green car is old. the red house is on the hill."
    pairs = [Compared(prompt, "the red house is blue", other, "1") for other in ("a green tree", "no boat")]
    every = [window for row, pair in enumerate(pairs) for window in task.windows(tokenizer, row, pair, 64)]
    some, of = distinct(every)
    assert len(every) == 4 and len(some) == 3 and of == [0, 1, 0, 2]
    ids, types = every[0].inputs["input_ids"], every[0].inputs["token_type_ids"]
    sure = tokenizer.decode([i for i, kind in zip(ids, types, strict=True) if kind])
    assert sure == "the red house is" and len(ids) == len(types) == len(every[0].inputs["attention_mask"])
    short = next(task.windows(tokenizer, 0, pairs[0], 16)).inputs["input_ids"]
    assert len(short) <= 16 and short[1:3] == ids[1:3]  # the question stays


@pytest.mark.parametrize("answer", ["red house", " red house", "red house ", "  red house"])
def test_spaces_around_an_answer_are_none_of_it(base, answer):  # noqa: F811
    passage = "the  red house is on the hill"
    asked = PassageQuestion("which", passage, ((answer, passage.index(answer)),))
    [window] = Spans().windows(head_of(base, Spans())[1], 0, asked, 128)
    first, last = window.targets["start_positions"], window.targets["end_positions"]
    places = window.place[1]
    assert passage[places[first, 0] : places[last, 1]] == "red house"


@pytest.mark.parametrize("most", [16, 128])
def test_of_a_long_question_the_beginning_is_read_beside_the_passage(base, most):  # noqa: F811
    passage = "the red house is on the hill " * 40
    asked, short = (PassageQuestion("which house is red " * times, passage, (("red", 4),)) for times in (60, 1))
    tokenizer = head_of(base, Spans())[1]
    cut, whole = (list(Spans().windows(tokenizer, 0, example, most)) for example in (asked, short))
    sizes = [window.inputs["token_type_ids"].index(1) - 2 for window in cut]
    assert set(sizes) == {most // 2 - 2} and len(cut) > len(whole), "[CLS] question [SEP]"
    assert cut[0].inputs["input_ids"][:5] == whole[0].inputs["input_ids"][:5] and cut[0].targets["start_positions"] > 0
    assert all(len(window.inputs["input_ids"]) <= most for window in cut)
    read = "".join(passage[a:b] for window in cut[:1] for a, b in window.place[1][window.place[0]])
    assert passage.replace(" ", "").startswith(read)


def test_a_group_stays_together_and_halves_share_none():
    some = [("", Compared(f"p{i % 40}", f"good {i}", f"bad {i}", str(i % 40))) for i in range(160)]
    parts = divided(some, 0.1, 0.2, 0, "here")
    first, second = ({e.group for e in halved(parts, half, 0).train} for half in ("first", "second"))
    assert first and second and not first & second and first | second == {e.group for e in parts.train}
    assert halved(parts, "both", 0) == parts and halved(parts, "first", 0).test == parts.test


# Training


@pytest.mark.slow
@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 8])
def test_a_classifier_learns_and_other_programs_read_it(rank):
    from transformers import pipeline

    result = drain(start(OneLabel(sorted(COLOURS)), labels(), lora_rank=rank))
    assert result.test["macro_f1"]["value"] > 0.9 and result.test["macro_f1"]["low"] <= result.test["macro_f1"]["value"]
    assert not work_folder(result.folder).exists()
    lines = [json.loads(line) for line in (result.folder / "predictions.jsonl").read_text().splitlines()]
    theirs = pipeline("text-classification", str(result.folder), device=-1)([line["read"] for line in lines])
    assert [line["prediction"][0] for line in lines] == [told["label"] for told in theirs]
    again = HeadModel("m").predict([Labelled(line["read"], ()) for line in lines])
    assert [list(told) for told in again] == [line["prediction"] for line in lines]


@pytest.mark.slow
def test_a_tagger_learns_words_and_leaves_those_it_does_not_read_outside():
    result = drain(start(Tags(sorted({tag for _, example in tags() for tag in example.tags})), tags()))
    assert result.test["span_f1"]["value"] > 0.9
    model = HeadModel("m")
    words = ("the", "red", "house", "\u200b", *["of"] * 40)
    assert (
        model.predict([Tagged(words, ())])[0][:4] == ("O", "B-red", "I-red", "O")
        and len(model.predict([Tagged(words, ())])[0]) == 44
    )


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 8])
def test_a_reader_marks_answers_in_long_passages_and_says_when_there_is_none(rank, base, monkeypatch, tmp_path):  # noqa: F811
    some = []
    for i, text in enumerate(TEXTS):
        colour, filler = text.split()[1], " ".join(["and so on"] * 12)
        passage, none = f"{filler} it is {colour} {filler}", i % 4 == 3
        start_at = passage.index(colour)
        answers = () if none else ((colour, start_at),)
        some.append(
            ("", PassageQuestion(f"colour of {i}?", passage.replace(colour, "gone") if none else passage, answers, str(i)))
        )
    result = drain(start(Spans(), some, epochs=20, lora_rank=rank))
    assert result.test["em"]["value"] > 0.9 and result.test["f1"]["value"] >= result.test["em"]["value"]
    lines = [json.loads(line) for line in (result.folder / "predictions.jsonl").read_text().splitlines()]
    assert HeadModel("m").predict([PassageQuestion(*line["read"], ()) for line in lines]) == [
        line["prediction"] for line in lines
    ]
    if not rank:
        return
    monkeypatch.setattr(bert_spans, "bundled_folder", lambda: base)
    for file in (ADAPTER, bert_spans.ADAPTED):
        (tmp_path / file).write_bytes((result.folder / file).read_bytes())
    alone, whole = (SpanReader(folder, 32) for folder in (tmp_path, result.folder))
    for line in lines:  # the adapter alone is in bfloat16
        question, passage = line["read"]
        [own], [theirs] = (reader.read(question, [passage])[0][0] for reader in (alone, whole))
        assert own[:2] == theirs[:2] and own.margin == pytest.approx(theirs.margin, abs=0.5)


def test_wrong_passages_are_of_the_same_group_and_part_and_hold_no_answer():
    def asked(part, number, group):
        return part, PassageQuestion(
            f"colour of house {number}?", f"The house {number} is c{number}.", ((f"c{number}", 15),), group
        )

    some = [asked("train", n, "a") for n in range(6)] + [asked("test", 9, "a")] + [asked("train", 10 + n, "b") for n in range(6)]
    made = examples.with_wrong(some, 1.0, 0)
    assert made[: len(some)] == some and made == examples.with_wrong(some, 1.0, 0)
    wrong = made[len(some) :]
    assert len(wrong) > 5 and {part for part, _ in wrong} == {"train"}, "the only passage of its part has no other beside it"
    for part, example in wrong:
        [source] = [(p, e.group) for p, e in some if e.passage == example.passage]
        assert source == (part, example.group) and not example.answers
        assert example.question.split()[-1].rstrip("?") not in example.passage.split()
    assert 0 < len(examples.with_wrong(some, 0.5, 0)) - len(some) < len(wrong)


@pytest.mark.slow
def test_several_labels_are_learnt_together():
    some = [("", Labelled(text, tuple(c for c in COLOURS if c in text) + ("even",) * ("house" in text), text)) for text in TEXTS]
    result = drain(start(SeveralLabels(sorted([*COLOURS, "even"])), some, epochs=40))
    assert result.test["micro_f1"]["value"] > 0.75 and result.test["accuracy"]["value"] > 0.7


@pytest.mark.slow
def test_stopped_it_goes_on_where_it_was_and_ends_the_same():
    from safetensors.torch import load_file

    task = OneLabel(sorted(COLOURS))
    straight = drain(start(task, labels(), "a", epochs=4))
    running = start(task, labels(), "b", epochs=4)
    while not next(running).message.startswith("Step 20"):
        pass
    running.close()
    again = drain(start(task, labels(), "b", epochs=4))
    assert any(json.loads(line)["kind"] == "resume" for line in (again.folder / "log.jsonl").read_text().splitlines())
    one, other = (load_file(result.folder / "model.safetensors") for result in (straight, again))
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


@pytest.mark.slow
def test_a_reward_learns_what_is_preferred():
    some = []
    for i, text in enumerate(TEXTS):
        good, bad = f"the red {text.split()[2]}", f"the blue {text.split()[2]}"
        some.append(("", Compared(f"which {i}", good, bad, str(i))))
    result = drain(start(Preferred(), some))
    assert result.test["accuracy"]["value"] > 0.95 and result.test["longer"]["value"] == 0.0
    alone = HeadModel("m").predict([Compared("which 1", "the red house", ""), Compared("which 1", "the blue house", "")])
    assert len(alone[0]) == 1 and alone[0][0] > alone[1][0]


@pytest.mark.slow
def test_onnx_runtime_says_the_same(tmp_path):
    from core.labs.heads.training import export_onnx

    drain(start(OneLabel(sorted(COLOURS)), labels(), epochs=2))
    result = drain(export_onnx("m"))
    assert result["largest_logit_difference"] < 1e-4 and result["torch_ms"] > 0 < result["onnx_ms"]
    HeadModel("m")  # and the folder is still whole


def test_an_export_that_is_stopped_or_fails_leaves_the_model_whole(tmp_path, monkeypatch):
    import torch

    model = HeadModel.__new__(HeadModel)
    model.folder, model.task, model.model = tmp_path / "m", OneLabel(["a"]), torch.nn.Identity()
    model.folder.mkdir()
    (model.folder / "model.safetensors").write_bytes(b"weights")
    (model.folder / ONNX).write_bytes(b"of an export before")
    files.seal_folder(model.folder)
    monkeypatch.setattr(HeadModel, "_tensors", lambda *_: {"input_ids": None})
    monkeypatch.setattr(torch.onnx, "export", lambda *_, f, **__: Path(f).write_bytes(b"of this one"))
    work = model.export_onnx([None])
    while not next(work).message.startswith("Comparing"):
        pass
    work.close()
    assert files.damage_in(model.folder) == ""

    def half(*_, f, **__):
        Path(f).write_bytes(b"of")
        raise RuntimeError("no room for more")

    monkeypatch.setattr(torch.onnx, "export", half)
    with pytest.raises(WorkbenchError, match="no room for more"):
        drain(model.export_onnx([None]))
    assert files.damage_in(model.folder) == "" and (model.folder / ONNX).read_bytes() == b"of this one"
    assert len(list(model.folder.iterdir())) == 3


def test_a_model_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(WorkbenchError, match="no model 'nothing'"):
        HeadModel("nothing")
