"""A corpus of one or two chunks on the page Encoders: what needs more of them says so, and nothing fails."""

import pytest

from app import session
from core.config import TrialConfig, with_settings
from core.progress import drain
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

TEXTS = {"Lund.txt": "The market of Lund opens at five.", "Gent.txt": "The market of Gent opens at six."}
ASKED = [{"id": "lund", "question": "When does the market of Lund open?", "document": "Lund.txt", "answer": "opens at five"}]


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [1, 2])
def test_too_few_chunks_are_explained_instead_of_an_error(tmp_path, monkeypatch, chunks):
    bench, at = with_towns(tmp_path / "data", dict(list(TEXTS.items())[:chunks]), ASKED), {"corpus.dataset": "towns"}
    monkeypatch.setattr(session, "workbench", lambda: bench)
    drain(bench.prepare(with_settings(TrialConfig(), at | {"corpus.questions": "all"})))
    for view in ("Dimension and bytes", "Geometry", "Gold against random", "Map"):
        app = visit("compare_encoders", {**at, "corpus.questions": "all", "view": view})
        assert not app.error and not app.exception, view
    assert f"needs three chunks; this corpus has {chunks}" in app.info[-1].value
