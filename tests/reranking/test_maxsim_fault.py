"""Kept token vectors that are damaged, gone, or may not be written."""

import os

import numpy as np
import pytest

from core import files
from core.reranking.token_store import TokenStore
from tests.reranking.test_maxsim import asked_of, scores

CODES = {b"a" * 16: np.full((3, 5), 1, np.uint8), b"b" * 16: np.full((1, 5), 2, np.uint8)}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["quantiser", "codes"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_what_is_damaged_is_told_and_made_anew(tmp_path, which, damage):
    first = scores(asked_of(tmp_path))
    (path,) = (path for path in (tmp_path / "tokens").rglob("*.npz") if (path.stem == "quantiser") == (which == "quantiser"))
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if damage == "flipped" else data[: len(data) // 2])
    from core.reranking import token_store

    token_store._stores.clear()  # as a new process begins
    token_store._held.clear()
    files.notices.clear()
    assert np.array_equal(scores(asked_of(tmp_path)), first)
    assert bool(files.notices) == (damage != "gone") and all("damaged" in notice for notice in files.notices)


def test_a_shard_that_goes_while_in_use_is_missed_and_written_again(tmp_path):
    store, other = TokenStore(tmp_path / "s"), TokenStore(tmp_path / "s")
    store.write(CODES)
    assert not other.absent(CODES) and [len(codes) for codes in other.read(list(CODES))] == [3, 1]
    [path.unlink() for path in (tmp_path / "s").iterdir()]
    assert other.absent(CODES) == set(CODES) and other.read(list(CODES)) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_serves_this_process(tmp_path):
    (tmp_path / "s").mkdir(mode=0o500)
    store = TokenStore(tmp_path / "s")
    store.write(CODES)
    assert not store.absent(CODES) and (store.read(list(CODES))[1] == 2).all()
