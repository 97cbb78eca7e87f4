"""A page drawn by an answer of the store that was not of the latest is drawn again."""

import pytest

from app import session
from app.ui import top_bar
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

QUESTIONS = [{"id": "q1", "question": "Where does the Danube rise?", "document": "danube.txt", "answer": "in the Black Forest"}]
TEXTS = {"danube.txt": "The Danube rises in the Black Forest."}


@pytest.fixture
def drawn(tmp_path, monkeypatch) -> list[int]:
    """One line for each run that came to its end, each of which found that one more answer was not of the latest, up to one."""
    bench, ends, at_the_end = with_towns(tmp_path / "home", TEXTS, QUESTIONS), [], top_bar.notices

    def notices():
        ends.append(1)
        at_the_end()

    monkeypatch.setattr(session, "workbench", lambda: bench)
    monkeypatch.setattr(bench, "late", lambda: min(len(ends), 1))
    monkeypatch.setattr(top_bar, "notices", notices)
    return ends


def open_page() -> None:
    visit("overview", {"corpus.dataset": "towns", "fusion.part": "sparse_only"})


@pytest.mark.slow
def test_a_page_drawn_too_early_is_drawn_again_once_what_others_recorded_is_in(drawn):
    open_page()
    assert len(drawn) == 2


@pytest.mark.slow
def test_while_it_is_behind_it_waits(drawn, monkeypatch):
    monkeypatch.setattr(session.workbench(), "behind", lambda: "others are recording")
    open_page()
    assert len(drawn) == 1
