"""The commands that pages show can be given as they stand."""

import shlex

import pytest

from app import session
from core.__main__ import parse
from core.cli.frame import Call
from core.config import TrialConfig, with_settings
from core.progress import drain
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Riga")
TEXTS = {
    f"{town}.txt": f"The market of {town} opens at {hour}. " + f"There is a mill. {town}. " * 20
    for hour, town in enumerate(TOWNS)
}
QUESTIONS = [
    {"id": town, "question": f"When does {town} open?", "document": f"{town}.txt", "answer": f"opens at {hour}"}
    for hour, town in enumerate(TOWNS)
]
RECIPE = {"corpus.dataset": "towns", "embedding.part": "lsa", "index.part": "faiss_hnsw"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    workbench = with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)
    for k1 in (0.5, 1.5):
        drain(workbench.run(with_settings(TrialConfig(), {**RECIPE, "sparse.k1": k1})))
    return workbench


def commands(page: str, **state: str) -> dict[str, list[str]]:
    """Name of a verb -> its words, of all commands that stand on a page."""
    app = visit(page, RECIPE)
    if state:
        for key, value in state.items():
            app.session_state[key] = value
        app.run()
    assert not app.exception and not app.error
    # the notes of the store, in the sidebar, have a command too
    lines = (line for code in app.main.code for line in code.value.splitlines() if line.startswith("python -m core "))
    every = [shlex.split(line)[3:] for line in lines]
    return {parse(words).verb.name: words for words in every}


@pytest.mark.slow
@pytest.mark.parametrize(("page", "state", "verbs"), [
    ("tune_chunks", {"compare": True}, {"corpus chunks"}),
    ("search_live", {"chart": "By depth"}, {"run", "recipe curve", "evaluate"}),
    ("search_live", {}, {"run", "recipe curve"}),
    ("explain_failures", {}, {"answers failures"}),
    ("compare_encoders", {"view": "Geometry", "encoders": ["lsa"]}, {"run", "encoders compare", "encoders geometry"}),
    ("compare_encoders", {"view": "Map", "encoders": ["lsa"]}, {"run", "encoders compare", "encoders map"}),
    ("tune_index", {"view": "Structure"}, {"index cost", "index inside"}),
    ("tune_index", {"view": "Frontier"}, {"index cost", "index points", "index sweep"}),
    ("compare_trials", {}, {"trials leaderboard"}),
    ("compare_trials", {"together": "Frontier"}, {"trials frontier"}),
    ("compare_trials", {"together": "Parallel coordinates"}, {"trials leaderboard"}),
    ("inspect_model", {"view": "Architecture"}, {"inside architecture"}),
])  # fmt: skip
def test_every_command_of_a_page_is_one(bench, monkeypatch, page, state, verbs):
    monkeypatch.setattr(session, "workbench", lambda: bench)
    shown = commands(page, **state)
    assert set(shown) == verbs
    for words in shown.values():
        call = parse(words)
        assert isinstance(call, Call), words
        if call.verb.name not in ("run", "index sweep"):
            work = call.work(bench)
            assert (drain(work) if hasattr(work, "send") else work) is not None
