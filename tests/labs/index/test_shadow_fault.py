"""A switch of encoder under fire: threads search, insert and delete while it runs.

The two encoders put their vectors into disjoint halves of one space, so that a question embedded by one and searched in
the index of the other scores 0 everywhere: a mixed pair cannot go unseen.
"""

import threading
import time

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.labs.index.measure import Asking
from core.labs.index.shadow import Pair, Serving, switch, switch_words
from core.progress import Running, drain
from core.records import Candidates, Progress

DIM = 16
TEXTS = [f"document {i}" for i in range(120)]


class Half:
    """Encoder of words into one half of the space; a text's nearest document is itself, with score 1."""

    def __init__(self, name, first):
        self.name, self.first = name, first

    def identity(self):
        return self.name

    def vector(self, text):
        seed = int.from_bytes(text.encode()[-7:], "big")
        part = np.random.default_rng([seed, self.first]).normal(size=DIM // 2)
        whole = np.zeros(DIM, np.float32)
        whole[self.first : self.first + DIM // 2] = part / np.linalg.norm(part)
        return whole


OLD, NEW = Half("old", 0), Half("new", DIM // 2)


def embed(encoder, texts, query):
    vectors = np.zeros((len(texts), DIM), np.float32)
    for i, text in enumerate(texts):
        vectors[i] = encoder.vector(text)
        if not query and i % 10 == 0:
            yield Progress(i, len(texts), "encoding")
    return vectors


class Table:
    """Exact search with rows that can be added and removed while others search."""

    def __init__(self, vectors):
        self.state = (vectors.reshape(-1, DIM), np.ones(len(vectors), bool))

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        table, live = self.state
        ids = np.flatnonzero(live)
        found = Exact().build(table[ids], None).search(queries, depth)
        return Candidates(np.where(found.chunk >= 0, ids[found.chunk], -1).astype(np.int32), found.score)

    def add(self, vectors):
        table, live = self.state
        self.state = np.concatenate([table, vectors]), np.append(live, np.ones(len(vectors), bool))
        time.sleep(0.001)  # searches see the row before its number is known
        return np.arange(len(table), len(table) + len(vectors))

    def remove(self, ids):
        table, live = self.state
        live = live.copy()
        assert live[ids].all()
        live[ids] = False
        self.state = table, live


def serving(texts=TEXTS, encoder=OLD):
    return Serving(encoder, Table(np.array([encoder.vector(t) for t in texts]).reshape(-1, DIM)), list(texts), embed)


def whole(found, number, encoder=None):
    """The question was the text of document `number`: a consistent pair puts it first, with score 1."""
    return (
        found.candidates.chunk[0, 0] == number
        and abs(found.candidates.score[0, 0] - 1) < 1e-5
        and (encoder is None or found.encoder == encoder)
    )


def test_the_check_sees_a_mixed_pair():
    place = serving()
    place._pair.encoder = NEW  # what a swap of encoder and index in two steps would show in between
    assert not any(whole(place.search([TEXTS[i]], 5), i) for i in range(len(TEXTS)))


@pytest.mark.slow
def test_every_search_is_whole_while_threads_search_insert_and_delete():
    place, wrong, stop = serving(), [], threading.Event()
    names, inserted, deleted = set(), {}, set()

    def ask(seed):
        rng = np.random.default_rng(seed)
        while not stop.is_set() and len(wrong) < 9:
            i = int(rng.integers(60, len(TEXTS)))  # those that nobody deletes
            try:
                found = place.search([TEXTS[i]], 5)
                names.add(found.encoder)
                if not whole(found, i) or (found.candidates.chunk < 0).any():
                    wrong.append((i, found))
            except Exception as error:
                wrong.append(error)

    def write():
        for i in range(60):
            if stop.is_set():
                return
            try:
                (number,) = place.insert([f"late {i}"])
                inserted[number] = f"late {i}"
                place.delete([i])
                deleted.add(i)
                if i % 3 == 0:  # inserted and deleted within the switch
                    place.delete(list(inserted)[-1:])
                    deleted.add(inserted.popitem()[0])
            except Exception as error:
                wrong.append(error)
            time.sleep(0.002)

    threads = [threading.Thread(target=ask, args=(s,)) for s in range(4)] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    reports = []
    try:
        for encoder in (NEW, OLD, NEW):
            time.sleep(0.03)
            for _ in work_steps(switch(place, encoder, Table, questions=TEXTS[60:70], k=5), reports):
                time.sleep(0.001)
        threads[-1].join()
        time.sleep(0.03)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[0]
    assert names == {"old", "new"} and [r.new for r in reports] == ["new", "old", "new"]
    for report in reports:
        assert report.switched and report.searches == report.by_old + report.by_new > 0 and report.by_old > 0
        assert report.without_results == 0 == report.failed and report.longest_ms >= report.p50_ms > 0
        assert report.overlap.shape == (10,) and (report.overlap >= 0.2).all()  # the document itself, at least
    assert sum(r.inserted for r in reports) > 0 and sum(r.deleted for r in reports) > 0
    # nothing is lost, nothing comes back
    documents = place.documents
    assert set(documents) == set(range(60, len(TEXTS))) | set(inserted)
    for number, text in documents.items():
        assert whole(place.search([text], 5), number, "new")
    assert deleted.isdisjoint(place.search(TEXTS[:60], 30).candidates.chunk.ravel().tolist())


def work_steps(work, reports):
    yield from (running := Running(work))
    reports.append(running.result)


def test_rows_of_the_other_generation_are_met_and_never_an_answer_during_and_after_a_switch():
    place, reports, plants = serving(), [], TEXTS[60:80]
    control = serving()
    assert control._plant(control._pair, plants, "new") == 20
    nearest = control._pair.searcher.search(np.array([OLD.vector(t) for t in plants]), 1).chunk
    assert (nearest >= len(TEXTS)).all(), "by their numbers alone they would be first"
    for _ in work_steps(switch(place, NEW, Table, questions=TEXTS[80:90], k=5, plants=plants), reports):
        for number in range(60, 80):
            answer = place.search([TEXTS[number]], 5)
            assert whole(answer, number) and (answer.candidates.chunk >= 0).all() and answer.met
    [report] = reports
    assert report.switched and report.planted == 40 and report.by_new >= 20
    assert report.met >= report.by_old + report.by_new and report.wrong == 0 == report.without_results
    assert place._pair.foreign == 0 and whole(place.search([TEXTS[60]], 5), 60, "new")
    assert any("among the nearest, and none answered with one" in words for words in switch_words(report))


def test_where_too_few_documents_are_there_no_other_row_takes_their_place():
    place = serving(TEXTS[:3])
    place._plant(place._pair, TEXTS[:2], "new")
    chunk, score = vars(place.search([TEXTS[0]], 5).candidates).values()
    assert sorted(chunk[0].tolist()) == [-1, -1, 0, 1, 2] and np.isnan(score[0][chunk[0] < 0]).all()


@pytest.mark.parametrize("steps", range(1, 18))
def test_cancelled_anywhere_the_old_one_serves_and_another_switch_can_follow(steps):
    place = serving(TEXTS[:50])
    work = switch(place, NEW, Table)
    for _ in range(steps):
        if next(work, None) is None:
            break
    else:
        work.close()
        assert place.encoder == "old" and whole(place.search([TEXTS[3]], 5), 3, "old")
        place.insert(["after"])
        assert drain(switch(place, NEW, Table)).switched
        assert whole(place.search(["after"], 5), 50)
    assert whole(place.search([TEXTS[3]], 5), 3, "new")


def test_documents_changed_between_any_two_steps_are_in_the_new_index():
    place, reports, number = serving(TEXTS[:30]), [], 0
    for number, _ in enumerate(work_steps(switch(place, NEW, Table, questions=TEXTS[20:22]), reports)):
        place.insert([f"step {number}"])
        place.delete([number])
    assert reports[0].inserted == number + 1 and reports[0].deleted == number + 1
    assert reports[0].documents == 30
    for document, text in place.documents.items():
        assert whole(place.search([text], 3), document, "new")


@pytest.mark.parametrize("broken", ["embed", "build"])
def test_a_failing_encoder_or_index_leaves_the_old_one_serving(broken):
    def failing(*_):
        raise WorkbenchError("No room.")

    place = serving()
    encoder = NEW
    if broken == "embed":
        encoder = Half("new", DIM // 2)
        encoder.vector = failing
    with pytest.raises(WorkbenchError):
        drain(switch(place, encoder, failing if broken == "build" else Table))
    assert whole(place.search([TEXTS[9]], 5), 9, "old")
    assert drain(switch(place, NEW, Table)).switched


def test_too_little_overlap_keeps_the_old_one():
    place = serving()
    report = drain(switch(place, NEW, Table, questions=TEXTS[:20], k=10, least_overlap=0.9))
    assert not report.switched and "overlap@10" in report.reason and place.encoder == "old"
    assert 0.1 <= report.overlap.mean() < 0.9
    assert (drain(switch(place, Half("same", 0), Table, questions=TEXTS[:20], least_overlap=1.0)).overlap == 1).all()


def test_two_switches_at_once_are_refused_and_unknown_documents_too():
    place = serving()
    work = switch(place, NEW, Table)
    next(work)
    with pytest.raises(WorkbenchError):
        next(switch(place, NEW, Table))
    drain(work)
    place.delete([4, 4])
    with pytest.raises(WorkbenchError):
        place.delete([4])
    assert drain(switch(place, OLD, Table)).documents == len(TEXTS) - 1


def test_searches_without_results_and_failed_ones_are_counted():
    class Empty(Table):
        def search(self, queries, depth, *_, **__):
            if depth == 1:
                raise RuntimeError("engine")
            shape = (len(queries), depth)
            return Candidates(np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32))

    place = serving()
    place._pair = Pair(OLD, Empty(np.zeros((1, DIM), np.float32)), np.arange(len(TEXTS)))
    work = switch(place, NEW, Table)
    next(work)
    place.search(["x"], 5)
    with pytest.raises(RuntimeError):
        place.search(["x"], 1)
    report = drain(work)
    assert (report.searches, report.without_results, report.failed, report.by_old) == (2, 1, 1, 2)


def test_an_empty_corpus_can_be_switched_and_filled():
    place = serving([])
    with Asking(lambda i: place.search(["x"], 3).candidates, pause_s=0.001) as other:
        assert drain(switch(place, NEW, Table)).without_results == 0  # there was nothing to find
        assert place.insert(["first"]) == [0]
    assert other.errors == [] and whole(place.search(["first"], 3), 0, "new")
