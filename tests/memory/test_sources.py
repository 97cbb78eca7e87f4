"""A fact that was read in a document is stale when the document says something else."""

import sqlite3

import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.memory import store as stores
from core.memory.facts import FactDraft
from core.memory.shown import place_of
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
    assert drain(check_sources(bench, config)) == {"facts": 1, "drifted": 0, "stale": 0, "ids": [], "elsewhere": 0}
    with pytest.raises(WorkbenchError, match="no such characters"):
        read_in(bench, config, FactDraft("It says more than it has.", document="Lund.txt", start=0, end=10_000))
    [path] = [path for path in (tmp_path / "home").rglob("Lund.txt")] or [None]
    if path is None:
        monkeypatch.setattr("core.memory.sources._checksum", lambda text: "another")
    else:
        path.write_text("The market of Lund opens at nine.", "utf-8")
    assert set(drain(check_sources(bench, config))["ids"]) == {read.id, below.id}
    assert "source" in store.fact(read.id).stale and "changed" in store.because(store.fact(read.id))


def test_a_corpus_with_documents_of_the_same_names_says_nothing_of_a_fact(tmp_path, monkeypatch):
    failing(tmp_path / "home")
    bench = Workbench(tmp_path / "home")
    store = stores.FactStore(bench.home, by_words)
    monkeypatch.setitem(stores._of_home, bench.home.absolute(), store)
    towns, silent = (with_settings(TrialConfig(), RECIPE | {"corpus.dataset": name}) for name in ("towns", "silent"))
    draft = read_in(bench, towns, FactDraft("Lund's market opens at five.", document="Lund.txt", start=0, end=33))
    read = store.write(draft)
    unknown = store.write(draft._replace(text="Lund has a market, and it opens early.", corpus="", span=""))  # as one imported
    monkeypatch.setattr("core.memory.sources._checksum", lambda text: "another")
    assert drain(check_sources(bench, silent)) == {"facts": 0, "drifted": 0, "stale": 0, "ids": [], "elsewhere": 2}
    assert drain(check_sources(bench, towns)) == {"facts": 1, "drifted": 1, "stale": 1, "ids": [read.id], "elsewhere": 1}
    assert place_of(store.fact(read.id)) == "Lund.txt [0, 33) of towns"
    assert place_of(store.fact(unknown.id)) == "Lund.txt [0, 33) of an unknown corpus"


def test_facts_of_a_memory_before_corpora_were_recorded_are_of_an_unknown_one(tmp_path):
    store = stores.FactStore(tmp_path, None)
    store.write(FactDraft("Lund's market opens at five.", document="Lund.txt", span="a", corpus="towns"))
    store.close()
    with sqlite3.connect(store.path) as before:
        before.executescript("ALTER TABLE facts DROP COLUMN corpus; PRAGMA user_version = 1")
    again = stores.FactStore(tmp_path, None)
    [fact] = again.sourced()
    assert (fact.text, fact.span, fact.corpus) == ("Lund's market opens at five.", "a", "")
    again.write(FactDraft("Gent's market opens at six.", document="Gent.txt", corpus="towns"))
    again.close()
    assert [fact.corpus for fact in stores.FactStore(tmp_path, None).sourced()] == ["", "towns"]
