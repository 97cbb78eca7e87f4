"""Every store under test does what the benchmark asks of it: the same rows, filters, changes and memory."""

import copy

import numpy as np
import pytest

from core.labs.stores.bench import STORES

DIM, N = 16, 300
rng = np.random.default_rng(5)
VECTORS = rng.normal(size=(N, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
BUCKETS = np.arange(N) * 1000 // N
HERE = [name for name in STORES if name != "cockroach"]
pytestmark = pytest.mark.slow  # a server each


@pytest.mark.parametrize("name", HERE)
def test_rows_are_found_filtered_changed_and_gone(name, run_of):
    kind, running = run_of(name)
    with running as where:
        store = kind(where.place)
        store.create(DIM)
        store.load(np.arange(N), VECTORS, BUCKETS)
        store.index()
        assert store.ids() == set(range(N))
        truth = np.argsort(-(VECTORS @ VECTORS[7]))
        found = store.search(VECTORS[7], 10, kind.efforts[-1])
        assert found[0] == 7 and len(set(found) & set(truth[:10].tolist())) >= 9
        below = store.search(VECTORS[7], 5, kind.efforts[-1], 500)
        assert len(below) == 5 and all(BUCKETS[row] < 500 for row in below)
        new = -VECTORS[7]
        store.insert(1000, new, 3)
        assert store.search(new, 1, kind.efforts[-1]) == [1000]
        store.update(1000, VECTORS[7], 3)
        assert set(store.search(VECTORS[7], 2, kind.efforts[-1])) == {7, 1000}
        store.delete(1000)
        assert 1000 not in store.search(VECTORS[7], 5, kind.efforts[-1]) and store.ids() == set(range(N))
        assert store.size() >= 0 and isinstance(store.plan(VECTORS[0], 5, kind.usual_effort), str)
        if kind.lasts:
            store.close()
            again = copy.copy(store)  # by `__getstate__`, as it is sent to another process
            assert again.search(VECTORS[7], 1, kind.efforts[-1]) == [7]
            again.close()


@pytest.mark.parametrize("name", [name for name in HERE if STORES[name].several])
def test_the_memory_of_agents_is_read_as_it_was_written(name, run_of):
    kind, running = run_of(name)
    with running as where:
        store, other = kind(where.place), kind(where.place)
        store.remember(["counter", "list"], "0")
        assert store.read("counter") == store.read("list") == "0"
        store.write("counter", "a b c")
        assert other.read("counter") == "a b c" and other.read("list") == "0"
        made, tries = store.exclusively(lambda: (store.read("counter"), store.write("counter", "5")))
        assert made[0] == "a b c" and tries == 0 and other.read("counter") == "5"
        store.remember(["counter"], "0")
        assert kind(where.place).read("counter") == "0"


@pytest.mark.parametrize("name", [name for name in HERE if name != "qdrant_server"])
def test_a_table_made_anew_is_of_the_size_of_the_first(name, run_of):
    kind, running = run_of(name)
    with running as where:
        store, sizes = kind(where.place), []
        for _ in range(3):
            store.create(DIM)
            store.load(np.arange(N), VECTORS, BUCKETS)
            store.index()
            sizes.append(store.size())
        assert 0 < max(sizes) < 1.1 * sizes[0]
        store.close()
