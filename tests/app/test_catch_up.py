"""A page drawn by an answer of the store that was not of the latest is drawn again."""

from tests.app.test_experiment import bench, home, open_page  # noqa: F401


def test_a_page_drawn_too_early_is_drawn_again_once_what_others_recorded_is_in(bench, monkeypatch):  # noqa: F811
    asked = []

    def late() -> int:
        asked.append(len(asked))
        return min(len(asked), 2) - 1  # at the start of the first run none, at its end one; from then on no more

    monkeypatch.setattr(bench, "late", late)
    open_page()
    assert len(asked) == 4  # start and end of two runs


def test_while_it_is_behind_it_waits(bench, monkeypatch):  # noqa: F811
    asked = []
    monkeypatch.setattr(bench, "late", lambda: asked.append(0) or len(asked) - 1)
    monkeypatch.setattr(bench, "behind", lambda: "others are recording")
    open_page()
    assert len(asked) == 2  # one run, and a look each second
