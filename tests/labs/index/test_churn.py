"""Churn and its reading, on indexes whose faults are known."""

from typing import Literal

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.index.protocol import Index
from core.labs.index.churn import MODES, Churn, churn, when_to_rebuild
from core.labs.index.measure import Asking, recall
from core.progress import Running
from core.records import Candidates
from core.registry import find

rng = np.random.default_rng(3)
VECTORS = rng.normal(size=(400, 8)).astype(np.float32)
QUERIES = rng.normal(size=(30, 8)).astype(np.float32)


class Plain(Index):
    """Exact over what is live. `forgets`: that share of added vectors can never be found."""

    part: Literal["plain"] = "plain"
    forgets: float = 0.0

    def build(self, vectors, folder):
        if folder:
            folder.mkdir(parents=True)
            (folder / "index").write_bytes(vectors.tobytes())
        return PlainSearcher(self, vectors)


class PlainSearcher:
    def __init__(self, part, vectors):
        self.part, self.table, self.live = part, vectors.copy(), np.ones(len(vectors), bool)
        self.hidden = np.zeros(len(vectors), bool)
        self.dead = 0

    size = property(lambda self: int(self.live.sum()))
    memory_bytes = property(lambda self: self.table.nbytes)

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        table, live, hidden = self.table, self.live, self.hidden
        number = min(len(table), len(live), len(hidden))
        ids = np.flatnonzero(live[:number] & ~hidden[:number])
        found = Exact(metric=self.part.metric).build(table[ids], None).search(queries, depth)
        return Candidates(np.where(found.chunk >= 0, ids[found.chunk], -1).astype(np.int32), found.score)

    def add(self, vectors):
        ids = np.arange(len(self.table), len(self.table) + len(vectors))
        self.hidden = np.append(self.hidden, np.random.default_rng(len(ids)).random(len(ids)) < self.part.forgets)
        self.table, self.live = np.concatenate([self.table, vectors]), np.append(self.live, np.ones(len(ids), bool))
        return ids

    def remove(self, ids):
        assert self.live[ids].all(), "removed twice"
        self.live[ids] = False
        self.dead += len(ids)

    def update(self, ids, vectors):
        assert self.live[ids].all(), "updated after its removal"
        self.table[ids] = vectors


def drained(work):
    running = Running(work)
    done = [step.done for step in running]
    assert done == sorted(done)
    return running.result


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("mode", list(MODES))
def test_an_exact_index_loses_nothing_however_it_changes(mode, metric):
    life = drained(churn(Plain(metric=metric), VECTORS, QUERIES, k=5, rounds=4, share=0.3, mode=mode))
    for round_ in life.rounds:
        assert (round_.recall == 1).all() and (round_.fresh_recall == 1).all()
        assert round_.lost == 0 == round_.fresh_lost
    assert life.rounds[0].churned == 0 and life.rounds[0].live == 320
    removes, _, updates = MODES[mode]
    last = life.rounds[-1]
    assert (last.delete_s is not None, last.update_s is not None) == (removes > 0, updates > 0)
    if mode in ("replace", "update", "mixed"):
        assert last.live == 320 and last.churned == pytest.approx(4 * 0.3, abs=0.01)
    if mode == "grow":
        assert last.live == 400 and last.churned == 0.25 and last.insert_s is None  # the held-back ones are used up
    if mode == "shrink":
        assert last.live == pytest.approx(320 * 0.7**4, abs=2)
    if mode == "replace":
        assert [r.dead for r in life.rounds] == [0, 96, 192, 288, 384]


def test_vectors_that_cannot_be_reached_show_as_lost_and_as_recall():
    life = drained(churn(Plain(forgets=0.5), VECTORS, QUERIES, rounds=5, share=0.2, mode="replace"))
    lost = [round_.lost for round_ in life.rounds]
    assert lost == sorted(lost) and 0.2 < lost[-1] < 0.5
    assert life.rounds[-1].recall.mean() == pytest.approx(1 - lost[-1], abs=0.1)
    assert life.rounds[-1].fresh_recall.mean() == 1 and life.rounds[-1].fresh_lost == 0
    rebuild = when_to_rebuild(life, 0.05)
    first = next(r for r in life.rounds if r.recall.mean() < 0.95)
    assert rebuild.churned == first.churned and rebuild.lost_recall == pytest.approx(1 - first.recall.mean())
    assert rebuild.rebuild_s == first.rebuild_s and rebuild.tried == life.rounds[-1].churned
    assert rebuild.fresh_spread == 0
    never = when_to_rebuild(life, 0.9)
    assert never.churned is None and never.lost_recall == pytest.approx(1 - life.rounds[-1].recall.mean())


def test_the_chunks_of_a_document_come_change_and_go_together():
    documents, embedded = np.repeat(np.arange(100), 4), []

    def embed(rows):
        embedded.append(rows)
        return -VECTORS[rows]

    class Watching(Plain):
        def build(self, vectors, folder):
            searcher = super().build(vectors, folder)
            for name in ("add", "remove", "update"):
                setattr(searcher, name, watched(name, getattr(searcher, name)))
            return searcher

    changed = {"add": 0, "remove": 0, "update": 0}

    def watched(name, call):
        def counted(*columns):
            changed[name] += len(columns[0])
            return call(*columns)

        return counted

    life = drained(
        churn(Watching(), VECTORS, QUERIES, rounds=3, share=0.05, mode="each", documents=documents, updated=embed, fresh_every=9)
    )
    assert life.unit == "documents" and [r.live for r in life.rounds] == [320] * 4, "80 of 100 begin, 4 each go and come"
    assert changed == {"add": 48, "remove": 48, "update": 48} and life.rounds[-1].churned == pytest.approx(24 / 80)
    for rows in embedded:
        assert (np.bincount(documents[rows], minlength=100) % 4 == 0).all()
    with pytest.raises(WorkbenchError, match="is less than one") as error:
        drained(churn(Plain(), VECTORS, QUERIES, share=0.001, documents=documents))
    assert error.value.where == "share" and "2.5%" in error.value.todo  # of the 80 of 100 that it begins with, half are removed
    life = drained(churn(Plain(), VECTORS, QUERIES, share=0.025, documents=documents))
    assert life.rounds[1].churned > 0


def test_between_fresh_builds_the_last_one_is_compared_with():
    life = drained(churn(Plain(forgets=0.5), VECTORS, QUERIES, rounds=5, share=0.2, mode="replace", fresh_every=3))
    assert [r.fresh_recall is None for r in life.rounds] == [False, True, True, False, True, False]
    assert when_to_rebuild(life, 0.05).churned == life.rounds[1].churned


@pytest.mark.slow
def test_the_same_seed_repeats_and_another_does_not():
    runs = [drained(churn(Plain(forgets=0.5), VECTORS, QUERIES, rounds=3, seed=seed)) for seed in (1, 1, 2)]
    same = [[r.recall.tolist() for r in run.rounds] for run in runs]
    assert same[0] == same[1] != same[2]


def test_new_subjects_come_in_their_order_and_updates_are_the_given_ones():
    shown = []

    class Watching(Plain):
        def build(self, vectors, folder):
            searcher = super().build(vectors, folder)
            add, update = searcher.add, searcher.update
            searcher.add = lambda v: (shown.append(("add", v)), add(v))[1]
            searcher.update = lambda ids, v: (shown.append(("update", ids, v)), update(ids, v))[1]
            return searcher

    drained(churn(Watching(), VECTORS, QUERIES, rounds=1, share=0.1, mode="mixed", first=300, updated=VECTORS[::-1] * 2))
    added, updated = (next(s for s in shown if s[0] == kind) for kind in ("add", "update"))
    assert (added[1] == VECTORS[300:315]).all()
    assert (updated[2] == VECTORS[::-1][updated[1]] * 2).all()  # ids are rows here: those added are 300 and on


def test_another_thread_asks_during_the_changes():
    class Slow(Plain):
        def build(self, vectors, folder):
            searcher = super().build(vectors, folder)
            remove, calls = searcher.remove, []

            def slowly(ids):
                number = len(calls)
                while len(calls) < number + 3:
                    pass
                remove(ids)

            search = searcher.search
            searcher.search = lambda *a, **k: (calls.append(1), search(*a, **k))[1]
            searcher.remove = slowly
            return searcher

    life = drained(churn(Slow(), VECTORS, QUERIES, rounds=1, mode="replace", asking=True))
    assert life.rounds[0].during == 0 and life.rounds[0].during_p95_ms is None
    assert life.rounds[1].during >= 2 and life.rounds[1].during_p95_ms > 0
    assert life.rounds[1].during_empty == 0 and life.rounds[1].during_errors == ()


def test_what_a_search_raises_or_misses_meanwhile_is_counted():
    empty = Candidates(np.full((1, 2), -1, np.int32), np.full((1, 2), np.nan, np.float32))

    def ask(i):
        if i == 1:
            raise RuntimeError("torn")
        return empty

    with Asking(ask) as other:
        while len(other.ms) < 3:
            pass
    assert other.errors == ["RuntimeError: torn"] and other.empty == len(other.ms) - 1


def test_the_folder_is_emptied_at_the_end_and_when_cancelled(tmp_path):
    drained(churn(Plain(), VECTORS, QUERIES, rounds=1, folder=tmp_path / "a"))
    assert list((tmp_path / "a").iterdir()) == []
    work = churn(Plain(), VECTORS, QUERIES, rounds=5, folder=tmp_path / "b")
    for _ in range(4):
        next(work)
    assert len(list((tmp_path / "b").iterdir())) == 1
    work.close()
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.parametrize(("settings", "where"), [
    ({"mode": "burn"}, "mode"), ({"share": 0}, "share"), ({"share": 1.5}, "share"),
    ({"share": 0.003, "mode": "mixed"}, "share"), ({"k": 300}, "k"), ({"k": 0}, "k"),
    ({"first": 1000}, "first"), ({"updated": VECTORS[:3]}, "updated"),
])  # fmt: skip
def test_bad_settings_name_themselves(settings, where):
    with pytest.raises(WorkbenchError) as error:
        drained(churn(Plain(), VECTORS, QUERIES, **settings))
    assert error.value.where == where and error.value.todo


def test_recall_counts_equals_of_the_last_and_only_once():
    truth = Candidates(
        np.array([[7, 3, 9, 4], [1, -1, -1, -1], [-1] * 4], np.int32),
        np.array([[0.9, 0.5, 0.5, 0.1], [0.3] + [np.nan] * 3, [np.nan] * 4], np.float32),
    )
    found = Candidates(np.array([[7, 9], [1, 2], [5, -1]], np.int32), np.zeros((3, 2), np.float32))
    assert recall(found, truth, 2).tolist()[:2] == [1, 1] and np.isnan(recall(found, truth, 2)[2])
    assert recall(Candidates(np.array([[4, 3]] * 3, np.int32), found.score), truth, 2).tolist()[:2] == [0.5, 0]
    assert recall(Candidates(np.array([[3, 3]] * 3, np.int32), found.score), truth, 2)[0] == 0.5
    assert recall(Candidates(np.zeros((3, 0), np.int32), np.zeros((3, 0), np.float32)), truth, 2)[0] == 0


def test_an_unread_life_needs_no_rebuild():
    life = Churn(Plain(), 10, "mixed", 0.1, 0, drained(churn(Plain(), VECTORS, QUERIES, rounds=1)).rounds)
    assert when_to_rebuild(life, 0).churned is None
    for lost in (-0.01, np.nan):
        with pytest.raises(WorkbenchError, match="cannot be lost"):
            when_to_rebuild(life, lost)
    lucky = life.rounds[1]._replace(fresh_recall=np.array([0.75, 0.5]), recall=np.array([0.5, 0.5]))
    rebuild = when_to_rebuild(life._replace(rounds=(life.rounds[0], lucky)), 0.1)
    assert rebuild.churned == lucky.churned and rebuild.lost_recall == 0.125 and rebuild.fresh_spread == 0.375
    assert rebuild.may_be_chance and not rebuild._replace(fresh_spread=0.1).may_be_chance
    assert not when_to_rebuild(life, 0).may_be_chance


CLUSTERED = (rng.normal(size=(40, 24))[rng.integers(0, 40, 900)] + 0.5 * rng.normal(size=(900, 24))).astype(np.float32)


@pytest.mark.parametrize("name", ["exact", "faiss_hnsw", "faiss_ivf", "hnswlib"])
def test_the_engines_keep_answering_rightly_while_they_change(name):
    part = find("index", name)()
    asked = CLUSTERED[::30] + np.float32(0.1)
    life = drained(churn(part, CLUSTERED, asked, rounds=3, share=0.3, asking=True, fresh_every=3))
    assert [r.during_errors for r in life.rounds] == [()] * 4 and all(r.during_empty == 0 for r in life.rounds)
    assert min(r.during for r in life.rounds[1:]) > 0
    assert all(r.recall.mean() > 0.9 and r.lost < 0.05 and r.memory_bytes > 0 for r in life.rounds)
