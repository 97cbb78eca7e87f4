"""One suite for every index: a part joins by existing. `core/index/protocol.py` says the contract in words."""

import threading

import numpy as np
import pytest

from core import registry
from core.index.exact import Exact
from core.index.protocol import Index, Searcher
from tests.support.parts import is_described

METRICS = ["cosine", "dot", "l2"]
DIM = 24
rng = np.random.default_rng(11)
CENTRES = rng.normal(size=(12, DIM))
VECTORS = (CENTRES[rng.integers(12, size=400)] + 0.6 * rng.normal(size=(400, DIM))).astype(np.float32)
QUERIES = (CENTRES[rng.integers(12, size=30)] + 0.6 * rng.normal(size=(30, DIM))).astype(np.float32)
TIGHT = dict(atol=3e-6, rtol=1e-5)  # the scores are the same numbers
WIDE = {"nprobe": 400, "ef_search": 400, "rescore": 20, "refine": 20, "ef_construction": 200, "beam_size": 400}
NARROW = {
    "nprobe": 1,
    "ef_search": 1,
    "rescore": 1,
    "refine": 1,
    "iterative_scan": "off",
    "plan": "index",
    "beam_size": 1,
    "acorn": True,
}
pytestmark = pytest.mark.parametrize("name", list(registry.parts("index")))


def part(name, values=WIDE, **more):
    """The part with every knob of `values` that it has."""
    cls = registry.find("index", name)
    return cls(**{knob: value for knob, value in values.items() if knob in cls.model_fields}, **more)


def built(name, folder, vectors=VECTORS, **more):
    return part(name, **more).build(vectors, folder)


def exact(metric="cosine", vectors=VECTORS):
    return Exact(metric=metric).build(vectors, None)


def recall(found, wanted):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.chunk, wanted.chunk, strict=True)])


def well_formed(found, shape):
    assert found.chunk.shape == found.score.shape == shape, (
        f"search gives chunks {found.chunk.shape} and scores {found.score.shape}, wanted is {shape}: a row a question, as wide "
        "as min(depth, what the index holds), padded where less is found"
    )
    assert found.chunk.dtype == np.int32 and found.score.dtype == np.float32, (
        f"search gives {found.chunk.dtype} and {found.score.dtype}: give int32 and float32 (`ordered` in common.py does)"
    )
    assert (np.isnan(found.score) == (found.chunk < 0)).all(), (
        "the pads are not pads: put NaN into `score` where `chunk` is -1, and nowhere else (`ordered` does)"
    )
    for chunks, scores in zip(found.chunk, found.score, strict=True):
        there = chunks >= 0
        assert len(set(chunks[there])) == there.sum(), "a row is found twice for one question: return each once"
        assert (np.diff(there.astype(int)) <= 0).all() and (np.diff(scores[there]) <= 0).all(), (
            "results are out of order: best first, pads last; pass them through `ordered`"
        )


def test_it_is_described(name):
    is_described("index", name, Index)
    settings = registry.find("index", name).query_settings
    unknown = set(settings) - set(registry.find("index", name).model_fields)
    assert not unknown, f"`query_settings` names {unknown}, which are no knobs"


def test_it_is_built_and_asked_with_nothing_else_given(name):
    try:
        searcher = built(name, None)
    except Exception as error:
        raise AssertionError(
            f"build ends in {type(error).__name__}: write it, and every method of `Searcher`, as core/index/protocol.py says: {error}"
        ) from error
    try:
        searcher.search(QUERIES, 5)
    except Exception as error:
        raise AssertionError(
            f"search(queries, depth) ends in {type(error).__name__}: use the part's own settings where `settings` is None, rank "
            f"without `tie_order`, search all where `among` is None: {error}"
        ) from error


@pytest.mark.parametrize("metric", METRICS)
def test_finds_the_nearest_with_the_scores_of_exact(name, metric, tmp_path):
    wanted = exact(metric).search(QUERIES, 10)
    found = built(name, tmp_path, metric=metric).search(QUERIES, 10)
    well_formed(found, (30, 10))
    assert recall(found, wanted) > 0.97, (
        f"with wide settings it finds {recall(found, wanted):.2f} of the nearest by {metric}: normalise for cosine (`checked`, "
        "`asked`), rank distances backwards, and give test_indexes.WIDE a value at which your knob looks everywhere"
    )
    every = exact(metric).search(QUERIES, len(VECTORS))
    for row in range(len(QUERIES)):
        score = dict(zip(every.chunk[row], every.score[row], strict=True))
        assert np.allclose(found.score[row], [score[chunk] for chunk in found.chunk[row]], **TIGHT), (
            f"scores by {metric} are not those of `exact`: turn the engine's distances into them by `score_of` (common.py)"
        )


def test_one_question_finds_what_it_finds_in_a_batch(name, tmp_path):
    searcher = built(name, tmp_path)
    together = searcher.search(QUERIES, 5)
    for row in range(5):
        alone = searcher.search(QUERIES[row : row + 1], 5)
        assert (alone.chunk[0] == together.chunk[row]).all() and np.allclose(alone.score[0], together.score[row], **TIGHT), (
            "a question finds other rows when others are asked with it: let no question's result depend on the rest"
        )


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_tie_and_the_larger_tie_order_is_first(name, metric, tmp_path):
    whole = rng.integers(-4, 5, size=(60, DIM)).astype(np.float32)  # dot products and squares without rounding
    vectors = np.concatenate([whole, whole])
    tie_order = rng.permutation(120).astype(np.int32)
    # cosine ties from rounding to 20 bits, whatever the order of summing: questions of a few bits keep clear of its edges
    questions = whole[:20] if metric == "l2" else whole[:20] + np.float32(1)
    searcher = built(name, tmp_path, vectors, metric=metric)
    for order in (tie_order, None):
        found = searcher.search(questions, 8, order)
        place = found.chunk if order is None else np.where(found.chunk >= 0, order[found.chunk], -1)
        equal = found.score[:, 1:] == found.score[:, :-1]
        assert equal.sum() > 40 and (place[:, :-1][equal] > place[:, 1:][equal]).all(), (
            "equal vectors do not tie, or ties are not in the given order (the larger first): pass cosines through `rounded`, "
            "results through `ordered`"
        )


@pytest.mark.parametrize("metric", METRICS)
def test_a_zero_question_gets_an_answer(name, metric, tmp_path):
    found = built(name, tmp_path, metric=metric).search(np.zeros((1, DIM), np.float32), 5)
    well_formed(found, (1, 5))
    if metric != "l2":
        assert (found.score[found.chunk >= 0] == 0).all(), (
            f"a question of zeros has other scores than 0 by {metric}: leave it as it is when normalising (`asked` does)"
        )


@pytest.mark.parametrize("metric", METRICS)
def test_empty_one_vector_and_fewer_than_asked(name, metric, tmp_path):
    none = built(name, tmp_path / "none", VECTORS[:0], metric=metric)
    assert none.size == 0 and none.dim == DIM, "an index of no vectors has size 0 and their dimension"
    well_formed(none.search(QUERIES, 5), (30, 0))
    one = built(name, tmp_path / "one", VECTORS[:1], metric=metric)
    found = one.search(QUERIES, 5)
    well_formed(found, (30, 1))
    assert (found.chunk == 0).all(), "an index of one vector does not find it for every question: do not train on so few"
    few = built(name, tmp_path / "few", VECTORS[:7], metric=metric).search(QUERIES, 50)
    well_formed(few, (30, 7))
    assert recall(few, exact(metric, VECTORS[:7]).search(QUERIES, 50)) > 0.99, (
        "of seven vectors not all are found: look at every one where there are fewer than the structure needs"
    )
    assert built(name, tmp_path / "some").search(QUERIES[:0], 5).chunk.shape == (0, 5), "no question is no error: give [0, depth]"


def test_query_settings_hold_for_their_call(name, tmp_path):
    settings = registry.find("index", name).query_settings
    searcher = built(name, tmp_path)
    narrow = part(name, WIDE | {setting: NARROW[setting] for setting in settings})
    wanted = exact().search(QUERIES, 10)
    before, few, after = (searcher.search(QUERIES, 10, settings=s) for s in (None, narrow, None))
    well_formed(few, (30, 10))
    assert recall(few, wanted) <= recall(before, wanted), (
        f"narrow {settings} find more than wide ones: give test_indexes.WIDE and NARROW values of your knob the right way round"
    )
    assert (before.chunk == after.chunk).all(), (
        "settings of one call stay for the next: hold nothing of `settings` in the searcher"
    )
    if settings and name != "faiss_sq":  # 8 bits a number lose nothing among so few vectors
        assert (few.chunk != before.chunk).any(), (
            f"`settings` with other {settings} changes nothing: read query settings from the part given to search()"
        )
    opened = built(name, tmp_path)  # the build is the same whatever its query settings
    assert (narrow.build(VECTORS, tmp_path).search(QUERIES, 10).chunk == few.chunk).all(), (
        "opened with other query settings it searches with the old ones: save none of them, or set them when it is opened"
    )
    assert (opened.search(QUERIES, 10).chunk == before.chunk).all(), (
        "a build with other query settings changed a searcher that was opened before: share nothing that holds settings"
    )


def test_two_threads_search_with_two_settings_at_once(name, tmp_path):
    searcher, settings = built(name, tmp_path), [part(name), part(name, WIDE | NARROW)]
    alone = [searcher.search(QUERIES, 10, settings=setting).chunk for setting in settings]
    wrong = []

    def ask(which):
        for _ in range(20):
            if (searcher.search(QUERIES, 10, settings=settings[which]).chunk != alone[which]).any():
                wrong.append(which)

    threads = [threading.Thread(target=ask, args=(which,)) for which in (0, 1)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong, "two threads with two settings disturb each other: keep the settings of a call in that call"


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_filter_leaves_only_what_may_be_found(name, share, tmp_path):
    among = np.random.default_rng(3).random(len(VECTORS)) < share
    searcher = built(name, tmp_path)
    found = searcher.search(QUERIES, 10, among=among)
    well_formed(found, (30, 10))
    assert among[found.chunk[found.chunk >= 0]].all(), "rows that `among` forbids are found: leave them out before ranking"
    assert recall(found, exact().search(QUERIES, 10, among=among)) > 0.9, (
        "under a filter it misses what may be found: look at more where few may be found, down to all of them"
    )
    nothing = searcher.search(QUERIES, 10, among=np.zeros(len(VECTORS), bool))
    well_formed(nothing, (30, 10))
    assert (nothing.chunk == -1).all(), "where `among` allows no row some are found: give pads only"
    every = searcher.search(QUERIES, 10, among=np.ones(len(VECTORS), bool))
    assert recall(every, searcher.search(QUERIES, 10)) > 0.97, (
        "a filter that allows all finds less than none: look as far with it"
    )


@pytest.mark.parametrize("metric", METRICS)
def test_add_remove_and_update(name, metric, tmp_path):
    searcher, truth = built(name, tmp_path, VECTORS[:300], metric=metric), exact(metric, VECTORS[:300])
    for change in range(3):
        for each in (searcher, truth):
            new = each.add(VECTORS[300 + 20 * change : 320 + 20 * change])
            assert (new == np.arange(300 + 20 * change, 320 + 20 * change)).all() and new.dtype == np.int32, (
                f"add gives {new.dtype} ids {new[:3]} …: count on from the last row ever added, int32, and use no id twice"
            )
            each.remove(np.arange(10 * change, 10 * change + 10))
            each.update(np.arange(100, 110), VECTORS[390 - change : 400 - change])
            each.update(new[:3], VECTORS[360:363])
        assert searcher.size == truth.size == 300 + 10 * (change + 1), (
            f"size is {searcher.size}, {truth.size} vectors can be found: count what was added, less what was removed"
        )
        found, wanted = searcher.search(QUERIES, 10), truth.search(QUERIES, 10)
        well_formed(found, (30, 10))
        assert recall(found, wanted) > 0.95, "after changes it does not find what is nearest now: look at add, remove and update"
    assert (searcher.search(VECTORS[388:389], 1).chunk == 100).all() or metric == "dot", (
        "an updated vector is not found at its id: `update` puts the new one in the place of the old, under the same id"
    )
    among = np.zeros(360, bool)
    among[:200] = True
    filtered = searcher.search(QUERIES, 10, among=among)
    assert recall(filtered, truth.search(QUERIES, 10, among=among)) > 0.9, (
        "after changes it misses what may be found: `among` counts ids, those of removed rows too"
    )
    gone = np.isin(filtered.chunk, np.arange(30))
    assert not gone.any(), "removed rows are found again under a filter: leave out what is removed, whatever `among` says"
    searcher.remove(np.arange(30, 360))
    assert searcher.size == 0 and searcher.search(QUERIES, 5).chunk.shape == (30, 0), (
        "with all rows removed it has a size, or results: give [questions, 0]"
    )


def test_an_empty_index_can_be_added_to(name, tmp_path):
    searcher = built(name, tmp_path, VECTORS[:0])
    assert (searcher.add(VECTORS[:50]) == np.arange(50)).all(), "the first ids of an index that was empty are not 0, 1, 2 …"
    assert recall(searcher.search(QUERIES, 5), exact(vectors=VECTORS[:50]).search(QUERIES, 5)) > 0.9, (
        "what is added to an empty index is not found: train, or build anew, at the first `add`"
    )


def test_saved_and_opened_is_the_same_and_changes_are_not_taken_for_it(name, tmp_path):
    first = built(name, tmp_path)
    assert isinstance(first, Searcher), "build gives no `Searcher`: derive what it gives from core.index.protocol.Searcher"
    before = first.search(QUERIES, 10)
    assert first.memory_bytes > 0 and first.disk_bytes >= 0, (
        "`memory_bytes` is not positive, or `disk_bytes` negative: count them"
    )
    part_of = registry.find("index", name)
    assert not part_of.engine or part_of.quick or list(tmp_path.glob("*/ready.json")), (
        "what it saves does not count as built, so that each process builds it again: `SavedIndex`, `stored` and `write_note` (stores.py) "
        "leave the note by which it does"
    )
    again = built(name, tmp_path)
    after = again.search(QUERIES, 10)
    assert (before.chunk == after.chunk).all() and (before.score == after.score).all(), (
        "built again in the same folder it finds other rows: open what is saved there (`SavedIndex`), or build the same"
    )
    again.add(QUERIES)
    again.remove(before.chunk[:, 0][:1])
    third = built(name, tmp_path)
    assert third.size == len(VECTORS) and (third.search(QUERIES, 10).chunk == before.chunk).all(), (
        "changes of one searcher reached the saved index, which belongs to its vectors: change a copy"
    )


def test_without_a_folder_nothing_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    searcher = built(name, None)
    assert recall(searcher.search(QUERIES, 5), exact().search(QUERIES, 5)) > 0.95, (
        "with folder None it finds less than with one: build the same in memory"
    )
    assert not list(tmp_path.iterdir()), "with folder None it writes: keep it in memory, or in `temporary_folder()`"
    if not registry.find("index", name).on_disk:
        assert searcher.disk_bytes == 0, (
            "with folder None `disk_bytes` is not 0: nothing of it is on the disk, or it says `on_disk = True`"
        )


def test_the_given_vectors_stay_as_they_are(name, tmp_path):
    given = VECTORS.copy()
    searcher = built(name, tmp_path, given)
    searcher.update(np.arange(5), QUERIES[:5])
    searcher.add(QUERIES)
    assert (given == VECTORS).all(), "the given vectors are changed, which are the caller's: copy before writing"


def test_searching_while_changing_finds_no_nonsense(name, tmp_path):
    searcher, done, wrong = built(name, tmp_path), threading.Event(), []

    def ask():
        while not done.is_set():
            try:
                well_formed(searcher.search(QUERIES, 10), (30, 10))
            except Exception as error:  # handed to the test's own thread
                wrong.append(error)
                return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for start in range(0, 30, 5):
            searcher.remove(searcher.add(QUERIES[start : start + 5])[:2])
            searcher.update(np.arange(start, start + 5), VECTORS[start + 100 : start + 105])
    finally:
        done.set()
        thread.join()
    assert not wrong, (
        f"a search during a change ends in {type(wrong[0]).__name__}: {wrong[0]}. Put new arrays in the place of the old, or take "
        "a lock for both"
    )
