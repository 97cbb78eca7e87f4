"""Reads that do not wait for what others record: old answers are said to be old, and what one recorded oneself is in."""

import shutil
import threading

import duckdb
import pytest

from benchmarks.store import small
from core.files import hold
from core.files.ids import new_id
from core.store.database import Store
from core.store.journal import Journal

COUNT = "SELECT count(*) AS n FROM trials"


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path)
    store.add("trial", small(0))
    assert store.query(COUNT)[0]["n"] == 1
    store.patience_s = 0.0
    return store


def settled(store: Store) -> int:
    """The count once nothing is being folded any more."""
    while True:
        count = store.query(COUNT)[0]["n"]
        if not store.stale:
            return count
        store._aside.join()


@pytest.mark.slow
def test_what_a_process_recorded_itself_is_in_its_next_answer(store):
    for number in range(2, 6):
        Store(store.home).add("trial", small(number))
        own = store.add("trial", small(number))
        assert store.query("SELECT count(*) AS n FROM trials WHERE id = ?", [own])[0]["n"] == 1
    assert settled(store) == 9


def test_while_others_hold_up_the_fold_the_last_state_is_given_and_said_to_be_old(store):
    with hold(store.home / "locks" / "fold", purpose="a test", seconds=10):
        assert store.late == 0
        Store(store.home).add("trial", small(1))
        assert (
            store.query(COUNT)[0]["n"] == 1
            and store.late == 1
            and "not in every answer" in store.stale
            and store.stale in store.told()
        )
    assert settled(store) == 2 and not store.stale


def test_without_the_word_an_answer_holds_all_that_is_recorded(store):
    Store(store.home).add("trial", small(1))
    assert Store(store.home).query(COUNT)[0]["n"] == 2  # a process that reads for the first time, too
    own = Store(store.home)
    own.patience_s = 0.0
    assert own.query(COUNT)[0]["n"] == 2


def test_who_reads_while_this_process_folds_reads_what_was_committed_last(store):
    seen = []
    with store.file.writer("a test") as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM trials")
        reader = threading.Thread(target=lambda: seen.append(store.query(COUNT)[0]["n"]))
        reader.start()
        reader.join(60)
        assert seen == [1]
        connection.execute("ROLLBACK")
    assert store.query(COUNT)[0]["n"] == 1


@pytest.mark.slow
def test_a_file_that_took_the_place_is_read_while_others_still_read_the_old_one(store, tmp_path):
    other = Store(tmp_path / "other")
    other.add("trial", small(1)), other.add("trial", small(2))
    assert other.query(COUNT)[0]["n"] == 2
    with store.file.reader() as old:
        shutil.copy(other.file.path, tmp_path / "copy")
        store.file.put_in_place(tmp_path / "copy")
        with store.file.reader() as new:
            assert new.execute(COUNT).fetchone() == (2,)
        assert old.execute(COUNT).fetchone() == (1,)
    with store.file.reader() as again:
        assert again.execute(COUNT).fetchone() == (2,)


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('/etc/hostname')", "COPY trials TO '/tmp/out.csv'", "SET threads = 1"])
def test_a_reader_reaches_nothing_but_the_database(store, sql):
    with pytest.raises(duckdb.Error):
        store.query(sql)


def test_a_listing_is_the_same_however_records_came(tmp_path):
    journal, other = Journal(tmp_path / "one"), Journal(tmp_path / "other")
    older = [other.add("trial", small(n)) for n in range(3)]
    for number in range(3):
        journal.add("trial", small(number))
        assert journal.listing() == Journal(journal.folder).listing()
    [day] = other.folder.iterdir()
    for name in older:  # copied in from elsewhere, between and before those that are here
        place = journal.folder / day.name
        place.mkdir(exist_ok=True)
        shutil.copy(day / f"{name}.trial.jsonl.gz", place)
        assert list(journal.listing().items()) == list(Journal(journal.folder).listing().items())
    (place / f"{older[1]}.trial.jsonl.gz").unlink()
    assert list(journal.listing()) == sorted(journal.listing()) and older[1] not in journal.listing()
    assert new_id() > max(journal.listing())


def test_a_journal_in_which_nothing_is_new_is_looked_through_once(store):
    assert store.query(COUNT)[0]["n"] == 1
    looked = store.folding._waiting
    assert store.query(COUNT)[0]["n"] == 1 and store.folding._waiting is looked
    added = Store(store.home).add("trial", small(1))
    assert store.folding.news(store._seen.folded) == [added] and settled(store) == 2
    assert store.folding.news(frozenset()) == list(store.journal.listing())
