"""The models that judge claims by evidence: the shipped one's files, its judgements, its refusals, and any NLI model."""

import json
import shutil

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.judging import judgement_models
from core.judging.combined import SIGNALS, from_record, read_combination, signals
from core.judging.copied import SourceWords
from core.judging.evidence import LONGEST, best_sentence, claims, evidence, grounds
from core.judging.faithful_bert import CLAIM_TOKENS
from core.judging.judgement_models import (
    EMBEDDED,
    ClaimJudgement,
    Judgements,
    judging_model,
    label_order,
    model_folder,
    pair_text,
    read_judgement,
)
from core.judging.measure import AnswerCase, JudgeTools, scores
from core.judging.measures.faithfulness import Faithfulness
from core.judging.measures.wrong_words import WordsBorneOut
from core.judging.passage_words import joined, new_numbers, word_doubts, words_of
from core.progress import drain
from tests.support.judging import kept_nowhere
from tests.training.test_encoders import base  # noqa: F401, a fixture

TEXT = "The tower was built in 1889 by Gustave Eiffel. It stands in Paris. It is 330 metres tall."


def test_the_shipped_model_is_small_and_whole():
    folder = model_folder(EMBEDDED)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    assert (folder / "README.md").is_file() and read_combination(folder).weights.shape == (len(SIGNALS),)
    assert (read_combination(folder).weights >= 0).all()


def test_what_a_text_says_is_supported_and_another_number_is_wrong():
    model = judging_model(EMBEDDED)
    pairs = [(TEXT, "The tower was built in 1889."), (TEXT, "The tower was built in 1921."), (TEXT, "Bread is made of flour.")]
    by_place = {int(i): row for some, rows in model.entail(pairs) for i, row in zip(some, rows, strict=True)}
    assert all(np.isclose(row.sum(), 1, atol=1e-3) for row in by_place.values())
    assert by_place[0][0] > 0.5 > by_place[1][0] and by_place[2][0] < 0.5
    answer = "The tower was built in 1921 by Gustave Eiffel."
    [(_, places)] = model.wrong_words([("when was it built?", [TEXT], answer)])
    assert "1921" in " ".join(answer[a:b] for a, b, _ in places) and all(0.5 <= p <= 1 for _, _, p in places)


def test_a_judgement_survives_being_kept():
    part = Judgements(EMBEDDED)
    texts = [pair_text(TEXT, "It is 330 metres tall."), pair_text("", "?"), pair_text(TEXT, "word " * 300)]
    vectors = np.zeros((len(texts), part.dim), np.float32)
    for indices, some in part.load().encode(texts):
        vectors[indices] = some
    first = read_judgement(vectors[0])
    assert len(first.words) == 6 and "It is 330 metres tall."[slice(*first.words[2][:2])] == "330"
    assert len(read_judgement(vectors[2]).words) == CLAIM_TOKENS and np.isfinite(vectors).all()


def test_a_words_doubt_is_its_worst_pieces_and_what_stands_so_in_a_passage_is_borne_out():
    claim, there = "The Gujarati sings loud, now", words_of(["He sings loud now and then."])
    tokens = [(0, 3, 0.1), (4, 8, 0.2), (8, 12, 0.9), (13, 18, 0.6), (19, 23, 0.8), (23, 24, 0.7), (25, 28, 0.9)]
    words = word_doubts(claim, tokens, there)
    assert words == [(0, 3, 0.1), (4, 12, 0.9), (13, 18, 0.0), (19, 23, 0.0), (25, 28, 0.0)]
    elsewhere = word_doubts(claim, tokens, words_of(["Nobody"]))
    assert joined(elsewhere, 10, 0.5) == [(14, 38, 0.9)] and joined(words, 0, 0.5) == [(4, 12, 0.9)]
    assert word_doubts("?!", [(0, 1, 0.9)], there) == [] and word_doubts("now", [], there) == [(0, 3, 0.0)]


def test_evidence_is_whole_where_it_fits_else_the_sentences_with_the_claims_words():
    assert evidence((TEXT,), "It stands in Paris.") == TEXT
    long = tuple(f"Number {i} is about something else entirely and says little of it. " * 8 for i in range(9))
    chosen = evidence((*long, TEXT), "Gustave Eiffel built it in 1889.", 300)
    assert "1889" in chosen and len(chosen) <= 300 + LONGEST
    assert evidence((), "anything") == ""
    number, (start, end) = best_sentence((*long, TEXT), "It stands in Paris today.")
    assert number == 10 and TEXT[start:end] == "It stands in Paris."
    assert best_sentence((TEXT,), "zzz") is None


def test_a_list_without_full_stops_is_judged_in_pieces():
    answer = "Steps:\n" + "\n".join(f"- mix the flour with {i} cups of water and wait" for i in range(20))
    spans = claims(answer)
    assert len(spans) > 3 and all(b - a <= LONGEST for a, b in spans)
    assert "".join(answer[a:b] for a, b in spans).replace("\n", "") == answer.replace("\n", "")


def test_signals_say_what_no_passage_has():
    passages = ["Anna Bell bought 12 apples in May."]
    there, source = words_of(passages), SourceWords(passages)
    judged = ClaimJudgement(np.array([0.5, 0.2, 0.3]), [(12, 16, 0.9)])
    row = dict(zip(SIGNALS, signals("In May Anna Kurz bought 13 apples.", judged, there, source), strict=True))
    assert row["new_numbers"] == 1 and row["new_words"] == pytest.approx(2 / 5)
    assert row["unsupported"] == 3.0 and row["worst_word"] == 0.9 and row["wrong_words"] == pytest.approx(0.9 / 7)
    assert row["broken"] == pytest.approx(1 - (4 + 1 + 1 + 1) / 49) and row["jumps"] == 0
    same = signals("Anna Bell bought 12 apples in May.", judged, there, source)
    assert not same.any()
    cut = words_of(["It was seen 235, 000 times for 1.5 hours."])
    assert new_numbers("235,000 times, 1.5 hours, 2 people, 23 cats", cut) == {"2", "23"}
    whole = from_record(
        {"claim": {"biases": {"one": -2.0, "other": -2.0}, "least": 0.5} | dict.fromkeys(SIGNALS, 1.0), "threshold": 0.5}
    )
    kinds = whole._replace(biases=np.array([-2.0, 0.0]))
    assert kinds.claims(same[None])[0] == pytest.approx((1 / (1 + np.exp(2)) + 0.5) / 2)
    first, second = same, np.array([*row.values()])
    assert whole.doubt(first[None]) == pytest.approx(1 / (1 + np.exp(2))) and whole.doubt(second[None]) > 0.5
    assert whole.doubt(np.stack([first, second])) == whole.doubt(second[None])


def test_a_combination_of_other_signals_is_refused_with_what_to_do():
    with pytest.raises(WorkbenchError, match=r"trained before 'broken' was one of its signals.*Train it again"):
        from_record({"claim": dict.fromkeys(SIGNALS[:-2], 1.0), "threshold": 0.5}, "here")


def test_another_encoder_than_the_one_trained_on_is_refused(base, tmp_path, monkeypatch):  # noqa: F811
    shutil.copytree(model_folder(EMBEDDED), tmp_path / "model")
    monkeypatch.setattr(judgement_models, "bundled_folder", lambda: base)
    with pytest.raises(WorkbenchError, match="trained on another version"):
        judgement_models.OwnModel(tmp_path / "model")


def test_a_name_that_is_nowhere_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    with pytest.raises(WorkbenchError, match="is not on this machine"):
        model_folder("nobody/nothing-of-this-name")


@pytest.mark.parametrize(
    "labels, order",
    [
        (["entailment", "neutral", "contradiction"], [0, 2, 1]),
        (["CONTRADICTION", "ENTAILMENT", "NEUTRAL"], [1, 0, 2]),
        (["entailment", "not_entailment"], [0, 2]),
        (["LABEL_0", "LABEL_1", "LABEL_2"], None),
        (["positive", "negative"], None),
        (["entailment", "entails", "neutral"], None),
    ],
)
def test_the_order_of_labels_is_read_or_refused(labels, order):
    config = {"id2label": {str(i): label for i, label in enumerate(labels)}}
    if order is None:
        with pytest.raises(WorkbenchError, match="not clear which output"):
            label_order(config, "here")
    else:
        assert label_order(config, "here") == order


def test_any_nli_model_judges_claims(base, tmp_path):  # noqa: F811
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path / "nli"
    torch.manual_seed(0)
    labels = {0: "contradiction", 1: "entailment", 2: "neutral"}
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, id2label=labels)
    library = BertForSequenceClassification(config).eval()
    library.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(base / name, folder / name)
    model = judging_model(str(folder))
    [(places, rows)] = [*model.entail([(TEXT, "It stands in Paris.")])]
    read = model._tokenizer(TEXT, "It stands in Paris.", return_tensors="pt")
    wanted = library(**read).logits.softmax(1)[0, [1, 0, 2]].detach().numpy()
    assert places.tolist() == [0] and np.allclose(rows[0], wanted, atol=2e-2) and not model.has_words
    assert json.loads((folder / "config.json").read_text())["id2label"]["1"] == "entailment"


def test_an_answers_doubt_allows_for_the_number_of_its_claims():
    rows = np.zeros((6, len(SIGNALS)))
    rows[:, 0] = 0.4  # each claim as doubtful as the other
    record = {"claim": {name: 1.0 for name in SIGNALS} | {"biases": {"a": -1.0}, "least": 0.5}, "threshold": 0.4}
    without, allowing = from_record(record), from_record(record | {"by_claims": 0.5})
    assert without.doubt(rows) == pytest.approx(without.doubt(rows[:1])) == pytest.approx(allowing.doubt(rows[:1]))
    odds = [doubt / (1 - doubt) for doubt in (allowing.doubt(rows), without.doubt(rows))]
    assert odds[1] / odds[0] == pytest.approx(6**0.5)
    rows[0, 0] = 5.0  # a claim that is worse than the others still tells
    assert allowing.doubt(rows) > 0.9
    assert read_combination(model_folder(EMBEDDED)).by_claims > 0


@pytest.mark.parametrize(
    ("question", "behind"),
    [("What did Curie win?", ("What did Curie win?",)), ("In which year?", ()), ("Did Curie win a prize?", ()), ("", ())],
)
def test_the_question_is_evidence_unless_yes_is_an_answer_to_it(question, behind):
    assert grounds(["a passage"], question) == ("a passage", *behind)


def test_what_the_question_says_is_not_new_in_an_answer():
    question, passage = "Who designed the old lighthouse of Marstow Bay?", "Plans were drawn by Ada Fenn."
    cases = [
        AnswerCase(asked, "The old lighthouse of Marstow Bay was designed by Ada Fenn.", (passage,)) for asked in (question, "")
    ]
    tools = JudgeTools(None, kept_nowhere, None)
    told, untold = drain(scores(Faithfulness(), cases, tools))
    assert told.value > untold.value and told.detail["signals"][0]["new_words"] < untold.detail["signals"][0]["new_words"]
    assert told.claims[0].passage == 1  # a place is shown in a passage alone
    words = drain(scores(WordsBorneOut(), cases, tools))
    assert words[0].value >= words[1].value
