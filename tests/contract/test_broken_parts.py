"""The contract suites against parts that break them: each breach fails in words that name the next step."""

from importlib import import_module

import pytest

from core import registry
from tests.support.broken import answers, ranking  # noqa: F401  list their breaches
from tests.support.broken.breach import BREACHES
from tests.support.broken.texts import KnobsOfManyTypes, WithoutASample
from tests.support.parts import verdicts

SUITES = {
    "loader": "loaders", "chunker": "chunkers", "encoder": "encoders", "index": "indexes", "sparse": "sparse", "fusion": "fusions",
    "retriever": "retrievers", "metric": "metrics", "generator": "generators", "answering": "answering",
}  # fmt: skip


@pytest.mark.parametrize("kind, cls, words", BREACHES, ids=[cls.__name__ for _, cls, _ in BREACHES])
def test_a_breach_is_named_with_the_next_step(kind, cls, words, tmp_path, monkeypatch):
    name, suite = cls.model_fields["part"].default, import_module(f"tests.contract.test_{SUITES[kind]}")
    monkeypatch.setitem(registry._parts[kind], name, cls)
    if kind == "loader":
        monkeypatch.setattr(suite, "SAMPLES", tmp_path / "samples")
        (tmp_path / "samples" / ("" if cls is WithoutASample else name)).mkdir(parents=True)
        (tmp_path / "samples" / name / "a.txt").write_text("Tea is hot.") if cls is not WithoutASample else None
    said = verdicts(suite, name, tmp_path / "work", make=cls)
    assert any(words in message for message in said), "\n".join(said)


@pytest.mark.parametrize(("kind", "cls"), [("chunker", KnobsOfManyTypes), ("generator", answers.Echo)])
def test_a_whole_part_passes(kind, cls, tmp_path, monkeypatch):
    name = cls.model_fields["part"].default
    monkeypatch.setitem(registry._parts[kind], name, cls)
    assert verdicts(import_module(f"tests.contract.test_{SUITES[kind]}"), name, tmp_path / "work", make=cls) == []
