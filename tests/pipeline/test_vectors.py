"""The store of vectors by content, with an encoder that counts what it is asked to encode."""

import hashlib
import time

import numpy as np
import pytest

from core.embedding import vectors
from core.embedding.vectors import embed, missing
from core.errors import WorkbenchError
from core.progress import Running


class Counting:
    """Stands for a part and its encoder: a text's vector is its length, five texts a batch, reversed order."""

    dim, max_tokens = 2, 256

    def __init__(self, name="counting"):
        self.name, self.encoded, self.loads = name, [], 0

    def identity(self):
        return self.name

    def prefix(self, query):
        return "query: " if query else ""

    def load(self):
        self.loads += 1
        return self

    def encode(self, texts, query=False):
        order = np.arange(len(texts))[::-1]
        for i in range(0, len(order), 5):
            batch = order[i : i + 5]
            self.encoded += [texts[j] for j in batch]
            yield batch, np.array([[len(texts[j]), query] for j in batch], np.float32)


def drain(generator):
    seen = list(running := Running(generator))
    return running.result, seen


def fresh_process():
    vectors._stores.clear()


def test_vectors_come_in_order_and_each_distinct_text_is_encoded_once(tmp_path):
    part, texts = Counting(), ["aa", "b", "aa", "", "\ud800cc", "b"]
    assert len(missing(part, texts, tmp_path)) == 4 and part.loads == 0
    got, seen = drain(embed(part, texts, tmp_path))
    assert got.tolist() == [[2, 0], [1, 0], [2, 0], [0, 0], [3, 0], [1, 0]] and got.dtype == np.float32
    assert sorted(part.encoded) == sorted({"aa", "b", "", "\ud800cc"})
    assert seen[-1].done == seen[-1].total == 4
    again, _ = drain(embed(part, texts[::-1], tmp_path))
    assert (again == got[::-1]).all() and len(part.encoded) == 4 and part.loads == 1
    assert len(missing(part, texts, tmp_path)) == 0


def test_nothing_to_embed_has_the_right_width(tmp_path):
    assert drain(embed(Counting(), [], tmp_path))[0].shape == (0, 2)


def test_queries_and_encoders_keep_apart(tmp_path):
    part = Counting()
    drain(embed(part, ["a"], tmp_path))
    assert len(missing(part, ["a"], tmp_path, query=True)) == 1 and len(missing(Counting("other"), ["a"], tmp_path)) == 1
    assert drain(embed(part, ["a"], tmp_path, query=True))[0].tolist() == [[1, 1]]


def test_a_cancelled_run_resumes_with_the_rest_only(tmp_path):
    part, texts = Counting(), [f"text {i}" for i in range(40)]
    running = embed(part, texts, tmp_path)
    while next(running).done < 15:
        pass
    running.close()
    fresh_process()
    assert len(missing(part, texts, tmp_path)) == 25
    part.encoded.clear()
    got, _ = drain(embed(part, texts, tmp_path))
    assert len(part.encoded) == 25 and (got[:, 0] == [len(text) for text in texts]).all()


def test_an_encoder_that_fails_half_way_loses_nothing_encoded(tmp_path):
    class Failing(Counting):
        def encode(self, texts, query=False):
            yield next(super().encode(texts, query))
            raise RuntimeError("out of memory")

    texts = [f"text {i}" for i in range(40)]
    with pytest.raises(WorkbenchError, match="out of memory"):
        drain(embed(Failing(), texts, tmp_path))
    assert len(missing(Counting(), texts, tmp_path)) == 35


def test_a_slow_encoder_may_yield_before_it_has_a_vector(tmp_path, monkeypatch):
    class Slow(Counting):
        def encode(self, texts, query=False):
            yield np.empty(0, int), np.empty((0, 2), np.float32)
            yield from super().encode(texts, query)

    monkeypatch.setattr(vectors, "SHARD_SECONDS", -1)
    assert drain(embed(Slow(), ["aa", "b"], tmp_path))[0].tolist() == [[2, 0], [1, 0]]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_a_damaged_shard_is_ignored_and_its_texts_encoded_again(tmp_path, damage, monkeypatch):
    monkeypatch.setattr(vectors, "SHARD_VECTORS", 10)
    part, texts = Counting(), [f"text {i}" for i in range(20)]
    drain(embed(part, texts, tmp_path))
    first, second = sorted((tmp_path / "counting").glob("*.npz"))
    whole = first.read_bytes()
    half = len(whole) - 400  # inside the vectors
    first.write_bytes(
        {
            "flip": whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :],
            "cut": whole[:half],
            "empty": b"",
            "text": b"hello",
        }[damage]
    )
    for fresh in (True, False):  # found out at once, and in a process that had it in its index
        if fresh:
            fresh_process()
        part.encoded.clear()
        got, _ = drain(embed(part, texts, tmp_path))
        assert len(part.encoded) == (10 if fresh else 0)
        assert (got[:, 0] == [len(text) for text in texts]).all()
    assert second.exists()
    fresh_process()
    part.encoded.clear()
    drain(embed(part, texts, tmp_path))
    assert part.encoded == [], "the texts of the damaged shard are in a later one"


def test_shards_of_other_processes_are_seen_and_removed_ones_forgotten(tmp_path):
    part, texts = Counting(), ["a", "bb"]
    assert len(missing(part, texts, tmp_path)) == 2
    ours = dict(vectors._stores)
    fresh_process()
    drain(embed(part, texts, tmp_path))  # the other process
    vectors._stores.update(ours)
    assert len(missing(part, texts, tmp_path)) == 0
    for shard in (tmp_path / "counting").iterdir():
        shard.unlink()
    assert len(missing(part, texts, tmp_path)) == 2
    assert drain(embed(part, texts, tmp_path))[0].tolist() == [[1, 0], [2, 0]]


def test_after_an_edit_of_one_percent_only_the_chunks_it_touched_are_encoded(tmp_path):
    from core.chunking.recursive import Recursive

    words = [f"w{i % 997}" for i in range(60_000)]
    documents = [" ".join(words[i : i + 600]) + "." for i in range(0, len(words), 600)]

    class Tools:
        def token_offsets(self, text):
            import re

            return np.array([m.span() for m in re.finditer(r"\S+", text)], np.int32)

    def chunks():
        return [f"{n} {d[s:e]}" for n, d in enumerate(documents) for s, e in Recursive(size_tokens=64).split(d, Tools())]

    part = Counting()
    drain(embed(part, before := chunks(), tmp_path))
    assert len(before) > 900
    documents[37] = documents[37].replace("w3", "v3")  # one document of a hundred
    part.encoded.clear()
    drain(embed(part, chunks(), tmp_path))
    assert 0 < len(part.encoded) <= 0.02 * len(before)


def test_loading_is_a_phase_of_its_own_and_each_batch_is_counted(tmp_path):
    _, (loading, *seen) = drain(embed(Counting(), [f"text {i}" for i in range(1100)], tmp_path))
    assert loading == (0, 0, "Loading the model") and {(p.total, p.message) for p in seen} == {(1100, "Reading texts")}
    assert 500 in [p.done for p in seen] and [p.done for p in seen] == sorted(p.done for p in seen) and seen[-1].done == 1100


@pytest.mark.slow
def test_looking_up_a_large_corpus_takes_a_fraction_of_a_second(tmp_path):
    class Wide(Counting):
        dim = 384

        def encode(self, texts, query=False):
            for i in range(0, len(texts), 1024):
                batch = np.arange(i, min(i + 1024, len(texts)))
                yield batch, np.zeros((len(batch), 384), np.float32)

    texts = [f"{i} " * 250 for i in range(16_407)]
    drain(embed(Wide(), texts, tmp_path))
    times, hashing = [], []
    for _ in range(3):
        fresh_process()
        began = time.process_time()  # not the clock: others may use the machine
        drain(embed(Wide(), texts, tmp_path))
        times.append(time.process_time() - began)
        began = time.process_time()
        assert [hashlib.sha256(text.encode()).digest() for text in texts]
        hashing.append(time.process_time() - began)
    assert min(times) < 12 * min(hashing)  # which takes 25 ms where looking up takes 0.1 s


def test_no_byte_of_a_shard_can_change_a_vector(tmp_path):
    """Each byte flipped: the vectors are as they were, or encoded again."""
    texts = ["one", "two words"]
    wanted, _ = drain(embed(Counting(), texts, tmp_path))
    [shard] = (tmp_path / "counting").glob("*.npz")
    data = shard.read_bytes()
    for place in range(len(data)):
        shard.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        fresh_process()
        found = {}
        store, keys = vectors._store(tmp_path / "counting"), vectors._keys("", texts)
        assert store.read(keys, lambda some, rows, found=found: found.update(zip(some, rows, strict=True))) == found.keys()
        assert all(found[key].tolist() == row.tolist() for key, row in zip(keys, wanted, strict=True) if key in found), (
            f"byte {place}"
        )
