"""The reader marks what the library's model marks, in passages of any length, and its words have a place."""

import json
import shutil
import time

import numpy as np
import pytest

from core.answering.bert_spans import ADAPTED, SpanReader, best_pairs
from core.answering.protocol import Material
from core.answering.reader import SHIPPED, ByReader
from core.config import ContextConfig
from core.context.prompt import UNKNOWN, written
from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.progress import Running, drain
from core.records import Hit
from core.training.heads.examples import PassageQuestion
from core.training.heads.trained import HeadModel
from tests.generation.test_torch_lm import tiny_model
from tests.support.broken.answers import Echo
from tests.support.small_reader import small_reader

PASSAGES = (
    "The lighthouse was built in 1874 by Ada Moor, and stands on Gull Rock.",
    "Tea is made from leaves; bread takes flour, water and time. " * 30,
    "“Élan” costs 3.50 € — in the cafés of the harbour, 東京 included.",
)
QUESTION = "When was the lighthouse built?"


@pytest.fixture
def trained(home):
    return small_reader()


def material(**others) -> Material:
    hits = [Hit(n, 1.0 / n, f"d{n}", "", 7, 7 + len(text), text) for n, text in enumerate(PASSAGES, 1)]
    fields = {"question": QUESTION, "hits": hits, "generator": Echo(), "context": ContextConfig()}
    return Material(**{**fields, "until": time.perf_counter() + 60, **others})


def answered(way: ByReader, **others):
    list(running := Running(way.write(material(**others))))
    return running.result


@pytest.mark.parametrize("question", [QUESTION, "Was the unbelievable lighthouse of Gull Rock built in 1874? " * 20])
def test_its_spans_are_those_of_the_library(trained, question):
    ours = SpanReader(trained, 64).read(question, PASSAGES)[0]
    theirs = HeadModel("small").predict([PassageQuestion(question, text, ()) for text in PASSAGES])
    for text, [own], said in zip(PASSAGES, ours, theirs, strict=True):
        assert (text[own.start : own.end] if own.margin > 0 else "") == said
    assert any(theirs), "nothing was marked, so nothing was compared"


def test_the_best_pairs_are_those_of_all_pairs():
    draw = np.random.default_rng(0)
    for size in (1, 2, 45):
        first, last = draw.normal(size=(2, size))
        every = {(i, j): first[i] + last[j] for i in range(size) for j in range(i, min(size, i + 30))}
        for most in (1, 3):
            told = best_pairs(first, last, most)
            assert [pair for _, *pair in told] == [list(pair) for pair in sorted(every, key=every.get, reverse=True)[:most]]
            assert [total for total, *_ in told] == pytest.approx([every[i, j] for _, i, j in told])


def test_several_spans_of_a_passage_are_different_ones_and_the_first_is_the_only_one(trained):
    reader = SpanReader(trained, 64)
    alone, several = (reader.read(QUESTION, [*PASSAGES, " "], most)[0] for most in (1, 4))
    assert [own[:1] for own in several] == alone and several[3] == []
    for own in several[:3]:
        assert len({span[:2] for span in own}) == 4 and [s.margin for s in own] == sorted((s.margin for s in own), reverse=True)


def test_of_several_candidates_the_one_is_taken_that_is_likeliest_by_reader_and_model_together(trained, tmp_path):
    engine = Transformers(model=str(tiny_model(tmp_path / "tiny")), dtype="float32", context_tokens=1024, own_process="no")
    way = ByReader(model="small", margin=-20.0, candidates=4)
    said = answered(way, generator=engine)
    rows = said.detail["candidates"]
    assert len(rows) == 4 and way.texts(3) == 3 and ByReader().texts(3) == 0
    best = max(rows, key=lambda row: row["margin"] + row["logprob"])
    assert said.text == f"{best['text']} [{best['passage']}]" and said.cited == (best["passage"],)
    for row in rows:
        [[logs]] = drain(
            engine.answer_logprobs([written(QUESTION, [said.hits[row["passage"] - 1]], ContextConfig())], [f"{row['text']} [1]"])
        )
        assert row["logprob"] == pytest.approx(sum(logs), abs=1e-3)
    assert said.prompt_tokens > answered(ByReader(model="small", margin=-20.0), generator=engine).prompt_tokens
    with pytest.raises(WorkbenchError, match="candidates"):
        way.check(Echo())


def test_an_answer_is_the_words_of_a_passage_with_their_place(trained):
    said = answered(ByReader(model="small", margin=-20.0))
    [quote] = said.detail["quotes"]
    hit = said.hits[quote["passage"] - 1]
    words = said.text[quote["start"] : quote["end"]]
    assert words and " ".join(hit.text[quote["from"] - hit.start : quote["to"] - hit.start].split()) == words
    assert said.text == f"{words} [{quote['passage']}]" and said.cited == (quote["passage"],)
    assert said.prompt_tokens > 300, "the long passage is read in windows, to its end"
    assert np.exp(said.tokens[0].logprob) <= 1


def test_the_embedded_reader_answers_and_its_adapter_is_small_and_its_card_names_its_data(home, tmp_path):
    said = answered(ByReader())
    assert said.text == "1874 [1]" and said.cited == (1,)
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 5_000_000
    assert "SQuAD 1.1" in (SHIPPED / "README.md").read_text("utf-8")
    folder = shutil.copytree(SHIPPED, tmp_path / "other")
    settings = json.loads((folder / ADAPTED).read_text())
    (folder / ADAPTED).write_text(json.dumps(settings | {"base_files": "another"}))
    with pytest.raises(WorkbenchError, match="another version"):
        SpanReader(folder, 384)


def test_below_its_margin_and_of_nothing_it_says_that_it_does_not_know(trained):
    assert answered(ByReader(model="small", margin=20.0)).text == UNKNOWN
    empty = answered(ByReader(model="small"), hits=[Hit(1, 1.0, "d1", "", 0, 1, " ")])
    assert empty.text == UNKNOWN and empty.detail == {"quotes": [], "calls": 0} and not empty.cited


def test_a_reader_that_is_not_there_or_damaged_is_told(trained):
    for name in ("other", "../heads/small", ""):
        with pytest.raises(WorkbenchError, match=r"(?i)no reader") as told:
            answered(ByReader(model=name))
        assert "Readers here: squad-reader, small." in told.value.todo
    with open(trained / "model.safetensors", "r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\1\2\3")
    with pytest.raises(WorkbenchError, match="damaged"):
        answered(ByReader(model="small"))
