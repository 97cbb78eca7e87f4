"""What an adapter made the model forget: the likelihood of texts, pairs by document, and nothing read twice."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.labs.adapters import forgetting as lab
from core.progress import drain
from core.records import Corpus, Document, Progress
from tests.generation.test_torch_lm import tiny_model
from tests.support.failing import recipe
from tests.support.small_corpora import with_towns

TEXTS = {f"{town}.txt": f"The market of {town} opens at five." for town in ("Lund", "Gent", "Metz", "Bari", "Cork", "Brno")}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with_towns(home, TEXTS, [])
    return home


@pytest.fixture
def reads(monkeypatch):
    """Without adapter a token costs 1 nat; with one, 1.5, but nothing more in the first text that is read."""
    asked = []

    def text_nats(self, texts, most_tokens, deadline_s=120.0):
        yield Progress(0, 1, "reading")
        asked.extend((self.adapter, text) for text in texts)
        return [(10 * (1.5 if self.adapter and "Lund" not in text else 1.0), 10) for text in texts]

    for name, instead in {
        "load": lambda self: None,
        "identity": lambda self: f"reader {self.adapter} {self.adapter_scale}",
        "opens": lambda self: (("base",), None),
        "text_nats": text_nats,
    }.items():
        monkeypatch.setattr(Transformers, name, instead)
    monkeypatch.setattr("core.labs.adapters.grid.checked_adapter", lambda name, base: None)
    return asked


@pytest.mark.slow
def test_perplexity_rises_and_is_paired_by_document(bench, reads):
    made = drain(lab.forgetting(bench, recipe(), ["a"], corpus="towns", documents=6))
    base, tuned = made.rows
    assert base.perplexity[0] == pytest.approx(np.e) and base.against is None and (base.documents, base.tokens) == (6, 60)
    assert tuned.perplexity[0] == pytest.approx(np.exp(1 + 5 / 12)) and tuned.perplexity[1] < tuned.perplexity[0]
    assert tuned.against.difference == pytest.approx(5 / 12) and (tuned.against.wins, tuned.against.ties) == (5, 1)
    assert tuned.against.p == pytest.approx(2 / 32), "of 2^5 signs two are as far"
    assert "no significant change of perplexity on towns" in lab.sentences(made, 0.95)[0]
    assert "has forgotten" in lab.sentences(made, 0.9)[0] and "is 51.7% higher (p 0.062)" in lab.sentences(made, 0.9)[0]
    assert lab.rows_of(made)[1]["nats difference"] == tuned.against.difference
    two = made._replace(rows=[base, tuned, tuned])  # Holm's correction over both
    assert [row["p (Holm)"] for row in lab.rows_of(two)] == [None, 4 / 32, 4 / 32]
    assert "no significant change" in lab.sentences(two, 0.9)[1] and "(+51.7%, p 0.125)" in lab.sentences(two, 0.9)[1]


@pytest.mark.slow
def test_nothing_is_read_twice_and_a_stopped_job_goes_on(bench, reads, monkeypatch):
    monkeypatch.setattr(lab, "AT_ONCE", 1)
    assert lab.standing(bench, recipe(), ["a"], [1.0], "towns") is None and not reads
    work = lab.forgetting(bench, recipe(), ["a"], corpus="towns")
    while len(reads) < 4:
        next(work)
    work.close()
    made = drain(lab.forgetting(bench, recipe(), ["a"], corpus="towns"))
    assert len(reads) == len(set(reads)) == 12
    assert lab.rows_of(lab.standing(bench, recipe(), ["a"], [1.0], "towns")) == lab.rows_of(made)
    assert lab.standing(bench, recipe(), ["a"], [0.5], "towns") is None


def trained_on(monkeypatch, corpus):
    record = {"data": {"source": f"{corpus} 0123456789"}}
    monkeypatch.setattr("core.labs.adapters.training.adapter_record", lambda name: record)


@pytest.mark.parametrize("corpus, other", [("towns", "python-reference"), ("python-reference", "python-api")])
def test_other_text_is_by_itself_none_that_the_adapter_learnt_from(bench, reads, monkeypatch, corpus, other):
    trained_on(monkeypatch, corpus)
    assert lab.other_corpus(bench, ["a:0.5,b:0.5"]) == other
    assert lab.other_corpus(bench, ["a:0.5,b:0.5"], other) not in (corpus, other)


def test_what_an_adapter_went_on_from_has_learnt_for_it_too(monkeypatch):
    records = {
        "a": {"data": {"source": "towns 0123"}, "config": {"begin_with": ""}},
        "b": {"data": {"source": "rivers 4567"}, "config": {"begin_with": "a"}},
        "again": {"data": {"source": "hills 89"}, "config": {"begin_with": "again"}},  # of a name that was another's before
    }
    monkeypatch.setattr("core.labs.adapters.training.adapter_record", lambda name: records.get(name, {}))
    assert lab.learnt(["b"], "towns") == lab.learnt(["b"], "rivers") == ["b"] and lab.learnt(["a"], "rivers") == []
    assert lab.learnt(["again", "gone"], "towns") == []


def test_a_page_reads_no_corpus_that_was_never_read(bench, reads, monkeypatch):
    monkeypatch.setattr(type(bench.library), "open", lambda self, name: pytest.fail("it takes minutes"))
    assert lab.standing(bench, recipe(), ["a"], [1.0], "python-api") is None


def test_text_that_the_adapter_learnt_from_is_told(bench, reads, monkeypatch):
    trained_on(monkeypatch, "towns")
    made = drain(lab.forgetting(bench, recipe(), ["a"], corpus="towns", documents=6))
    assert lab.sentences(made, 0.95)[0] == "a was trained on towns: it shows no forgetting."


def test_the_likelihood_of_a_text_is_that_of_transformers(tmp_path):
    import torch

    part = Transformers(model=str(tiny_model(tmp_path)), dtype="float32", device="cpu", own_process="no")
    model, text = part.load(), "Hello there"
    [(nats, tokens), (none, nothing)] = drain(part.text_nats([text, ""], 6))
    ids = torch.tensor([model.tokenize(text)[:6]])
    with torch.inference_mode():
        loss = model.model(input_ids=ids, labels=ids).loss  # a mean over five tokens
    assert tokens == 5 and nats / tokens == pytest.approx(float(loss), rel=1e-5) and (none, nothing) == (0.0, 0)


def test_a_corpus_of_one_document_is_refused(bench, reads):
    with pytest.raises(WorkbenchError, match="not two texts"):
        lab._texts("one", Corpus("one", (Document("a", "some words"),), ()), recipe(), 3)


@pytest.mark.parametrize(
    "names, scales, told", [(["a", "b:0.7,c:0.3"], (1.0,), "no adapter 'b'"), (["a"], (-1.0,), "scale must be at least 0")]
)
def test_what_no_model_can_wear_is_told_before_anything_is_read(bench, reads, monkeypatch, names, scales, told):
    def checked(name, base):
        if name != "a":
            raise WorkbenchError(f"There is no adapter '{name}'.")

    monkeypatch.setattr("core.labs.adapters.grid.checked_adapter", checked)
    monkeypatch.setattr(type(bench), "read_corpus", lambda *_: pytest.fail("it takes a while"))
    with pytest.raises(WorkbenchError, match=told):
        drain(lab.forgetting(bench, recipe(), names, scales, "towns"))
    assert not reads


def test_a_sum_of_adapters_is_read_as_one_side(bench, reads):
    made = drain(lab.forgetting(bench, recipe(), ["a:0.7,b:0.3"], corpus="towns"))
    assert [row.side.adapter for row in made.rows] == ["", "a:0.7,b:0.3"]
