"""A fact that was read in a document is stale when the document says something else."""

import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.memory import store as stores
from core.memory.facts import FactDraft
from core.memory.sources import check_sources, read_in
from core.progress import drain
from core.workbench import Workbench
from tests.support.failing import RECIPE, failing
from tests.support.remembered import by_words


def test_drift_is_met_by_the_characters_and_goes_on_to_what_was_derived(tmp_path, monkeypatch):
    failing(tmp_path / "home")
    bench = Workbench(tmp_path / "home")
    store = stores.FactStore(bench.home, by_words)
    monkeypatch.setitem(stores._of_home, bench.home.absolute(), store)
    config = with_settings(TrialConfig(), RECIPE)
    about = dict(document="Lund.txt", start=0, end=33)
    read = store.write(read_in(bench, config, FactDraft("Lund's market opens at five.", **about)))
    below = store.write(FactDraft("Be in Lund before five o'clock.", derived_from=(read.id,)))
    assert drain(check_sources(bench, config)) == {"facts": 1, "drifted": 0, "stale": 0, "ids": []}
    with pytest.raises(WorkbenchError, match="no such characters"):
        read_in(bench, config, FactDraft("It says more than it has.", document="Lund.txt", start=0, end=10_000))
    [path] = [path for path in (tmp_path / "home").rglob("Lund.txt")] or [None]
    if path is None:
        monkeypatch.setattr("core.memory.sources._checksum", lambda text: "another")
    else:
        path.write_text("The market of Lund opens at nine.", "utf-8")
    assert set(drain(check_sources(bench, config))["ids"]) == {read.id, below.id}
    assert "source" in store.fact(read.id).stale and "changed" in store.because(store.fact(read.id))
