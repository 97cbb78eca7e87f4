"""A half of the questions that is empty: the pages say that it alone is, and lead to the other one."""

import pytest

from app import session
from core.config import TrialConfig, with_settings
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

TEXTS = {"Lund.txt": "The market of Lund opens at five.", "Gent.txt": "The market of Gent opens at six."}
ASKED = [{"id": "lund", "question": "When does the market of Lund open?", "document": "Lund.txt", "answer": "opens at five"}]


@pytest.fixture
def empty(tmp_path, monkeypatch) -> tuple[str, str]:
    """(the half without questions, the other one)."""
    bench = with_towns(tmp_path / "data", TEXTS, ASKED)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    recipes = {
        half: with_settings(TrialConfig(), {"corpus.dataset": "towns", "corpus.questions": half}) for half in ("dev", "test")
    }
    return tuple(sorted(recipes, key=lambda half: len(bench.corpus(recipes[half]).queries)))


@pytest.mark.slow
@pytest.mark.parametrize("page, view", [("explain_failures", {}), ("browse_corpus", {"tab": "Questions"}), ("score_answers", {})])
def test_an_empty_half_leads_to_the_other_and_a_corpus_without_questions_to_adding_some(empty, page, view):
    half, other = empty
    at = {"fusion.part": "sparse_only", "generation.part": "extractive"} if page != "browse_corpus" else {}
    app = visit(page, {"corpus.dataset": "towns", "corpus.questions": half, **at, **view})
    if prepare := [button for button in app.button if str(button.key).startswith("prepare")]:
        pytest.fail(f"it has to be prepared: {prepare}")
    said = " ".join([*(e.value for e in app.info), *(e.proto.body for e in app.get("html"))])
    assert f"The {half} half of this corpus has no questions" in said and "Add a questions file" not in said
    [press] = [button for button in app.button if button.label == f"Use the {other} half"]
    app = press.click().run()
    assert not app.exception and not [button for button in app.button if button.label.startswith("Use the ")]
    assert app.query_params["corpus.questions"] == other or app.query_params.get("corpus.questions") == [other]
    silent = visit(page, {"corpus.dataset": "silent", "corpus.questions": half, **at, **view})
    said = " ".join([*(e.value for e in silent.info), *(e.proto.body for e in silent.get("html"))])
    assert "This corpus has no questions" in said and not [b for b in silent.button if b.label.startswith("Use the ")]
