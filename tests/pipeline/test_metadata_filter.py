"""A metadata filter as a setting of the recipe: what every retriever may find, with a key of its own, of typed questions too."""

import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.progress import drain
from core.workbench import Workbench
from tests.test_workbench import QUESTIONS, TEXTS


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "questions.csv").write_text(QUESTIONS)
    workbench = Workbench(home)
    drain(workbench.library.ingest("kitchen", [(name, text.encode()) for name, text in TEXTS.items()], home / "questions.csv"))
    return workbench


def recipe(**settings):
    base = {"corpus.dataset": "kitchen", "chunking.part": "sentence", "chunking.size_tokens": 24, "retrieval.top_k": 10}
    return with_settings(TrialConfig(), base | {name.replace("__", "."): value for name, value in settings.items()})


def documents(workbench, result):
    chunks = drain(workbench.pipeline.chunks(result.run))
    numbers = result.pool.chunk[result.pool.chunk >= 0].tolist()
    return {result.corpus.documents[chunks.document[number]].id for number in numbers}


@pytest.mark.parametrize(
    "settings", [{"fusion": "sparse_only", "query": "rm3"}, {"fusion": "dense_only", "query": "rocchio"}, {"fusion": "rrf"}]
)
def test_no_retriever_finds_a_hidden_document(kitchen, settings):
    whole = kitchen.evaluate(recipe(**settings))
    assert len(documents(kitchen, whole)) == 3
    cheese = kitchen.evaluate(recipe(**settings, retrieval__documents="id=cheese*"))
    assert documents(kitchen, cheese) == {"cheese.txt"}
    assert cheese.values["hit"].tolist()[:3] == [0.0, 0.0, 1.0], "evidence that is hidden counts as missed"
    again = kitchen.evaluate(recipe(**settings))
    assert again.pool.chunk.tolist() == whole.pool.chunk.tolist(), "the filter has keys of its own"


def test_a_typed_question_is_held_to_it(kitchen):
    hits = kitchen.search(recipe(retrieval__documents="bread"), "How hot is the water for green tea?")
    assert hits and {hit.document_id for hit in hits} == {"bread.md"}
    assert kitchen.search(recipe(retrieval__documents="id=nothing"), "How hot is the water?") == []


def test_a_filter_of_no_field_is_refused(kitchen):
    with pytest.raises(WorkbenchError, match="names no field"):
        kitchen.evaluate(recipe(retrieval__documents="author=me"))
