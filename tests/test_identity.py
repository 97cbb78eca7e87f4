"""A result is computed anew when the code that it depends on has changed, and only then."""

from types import FunctionType

import pytest

from core import records, registry
from core import registry as identity
from core.config import TrialConfig, code_version, with_settings
from core.pipeline.stages import Resolved
from core.records import Corpus, Document, Query

STAGES = ("chunks", "sparse", "dense", "index")
CORPUS = Corpus("c", (Document("d", "Some words."),), (Query("q", "Which words?"),), (), "mark")


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """The keys of all stages of a recipe, after a comment is written into a module."""
    whole = identity.source

    def found(changed: str = "", **settings) -> dict[str, str]:
        monkeypatch.setattr(identity, "source", lambda module: whole(module) + "# a comment\n" * (module == changed))
        identity._code_version.cache_clear()
        recipe = with_settings(TrialConfig(), {"index": "faiss_hnsw", **settings})
        run = Resolved(recipe, CORPUS, "stamp", "questions")
        return {stage: run.key(stage) for stage in STAGES}

    yield found
    monkeypatch.undo()
    identity._code_version.cache_clear()


@pytest.mark.parametrize(
    "module",
    [
        "core.retrieval.rrf", "core.retrieval.convex", "core.retrieval.rank_bm25", "core.labs.encoders.maps",
        "core.labs.index.churn", "core.labs.corpus.chunks", "core.embedding.lsa", "core.index.chroma", "core.chunking.fixed",
        "core.evaluation.judged", "core.errors", "core.config", "core.models.threads", "core.pipeline.speed",
    ],
)  # fmt: skip
def test_a_comment_in_what_a_recipe_does_not_use_changes_no_key(keys, module):
    assert identity.source(module)
    assert keys(module) == keys()


@pytest.mark.parametrize(
    "module, stages",
    [
        ("core.chunking.packing", STAGES),
        ("core.chunking.chunk", STAGES),
        ("core.embedding.bert", STAGES),  # its tokenizer measures the chunks
        ("core.models.text", STAGES),  # changes what the tokenizer reads
        ("core.retrieval.bm25_fast", ("sparse",)),
        ("core.retrieval.top", ("sparse", "dense", "index")),
        ("core.index.common", ("dense", "index")),
        ("core.index.faiss_tools", ("dense", "index")),
        ("core.index.rescore", ("dense",)),
    ],
)
def test_a_comment_in_what_a_part_imports_changes_the_keys_of_its_stage_and_below(keys, module, stages):
    before, after = keys(), keys(module)
    assert {stage for stage in STAGES if after[stage] != before[stage]} == set(stages)


@pytest.mark.parametrize("kind, name", [("encoder", "llm_hidden"), ("generator", "transformers")])
def test_a_comment_in_how_weights_are_converted_changes_the_code_of_what_reads_them(keys, kind, name):
    cls = registry.find(kind, name)
    keys()
    before = code_version(cls)
    keys("core.models.gguf_weights")
    assert code_version(cls) != before


def test_records_do_nothing_that_a_key_would_miss():
    """They are in the FRAME: what makes the texts of chunks, or anything else, stands where it is hashed."""
    classes = [cls for cls in vars(records).values() if isinstance(cls, type) and cls.__module__ == records.__name__]
    members = [(f"{cls.__name__}.{name}", value) for cls in classes for name, value in vars(cls).items()]
    functions = [(name, value) for name, value in members if isinstance(value, FunctionType)]
    written = {name for name, function in functions if function.__code__.co_filename == records.__file__}
    assert len(classes) > 5 and written == {"Chunks.__len__"}


def test_a_new_file_beside_the_parts_throws_nothing_away(keys, monkeypatch, tmp_path):
    before, whole = keys(), identity._file
    (tmp_path / "borda.py").write_text("from core.retrieval.pool import Pool\n")
    monkeypatch.setattr(identity, "_file", lambda module: tmp_path / "borda.py" if module.endswith(".borda") else whole(module))
    assert identity.source("core.retrieval.borda") and keys() == before


def test_imports_within_functions_relative_ones_and_subpackages_count(monkeypatch, tmp_path):
    text = {
        "core.a.part": "def work():\n    if True:\n        from . import helper\n        from core.a.inner import deep\n",
        "core.a.helper": "import faiss.contrib\nimport os, core.errors\n",
        "core.a.inner.deep": "import core.a.part\n",
    }
    monkeypatch.setattr(identity, "source", text.__getitem__)
    monkeypatch.setattr(identity, "_file", lambda module: module in text)
    identity._imported.cache_clear()
    behind = identity._behind(frozenset({"core.a.part"}))
    assert behind == sorted(text) and list(identity._versions(behind)) == ["faiss-cpu"]
    identity._imported.cache_clear()


@pytest.mark.parametrize("kind", registry.kinds())
def test_the_code_of_a_part_names_no_part_of_another_kind(kind):
    """What is imported needlessly would make its key wide."""
    others = {cls.__module__ for other in registry.kinds() for cls in registry.parts(other).values() if other != kind}
    for name, cls in registry.parts(kind).items():
        assert not others & set(identity._behind(frozenset({cls.__module__}))), name
        assert len(code_version(cls)) == 20
