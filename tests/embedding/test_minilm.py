"""The bundled encoder: what its vectors may depend on, and what must not disturb it."""

import subprocess
import sys
import textwrap
import threading
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from core.embedding.minilm import MiniLM, _head, _pieces, bundled_folder
from core.embedding.trained import Trained
from core.errors import WorkbenchError
from core.models import hardware, hub
from core.models.all_cores import workers_alone
from core.models.loading import load_once

TEXTS = ["", " ", "a", "What is nDCG?", "\ud800 lone", "naïve café 東京 😀", "word " * 400, "x" * 300, "\x00\ufffd\u200b"]


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def encoder(request):
    return MiniLM(dtype=request.param).load()


def vectors_of(encoder, texts):
    out = np.full((len(texts), encoder.dim), np.nan, np.float32)
    for indices, vectors in encoder.encode(texts):
        assert vectors.dtype == np.float32
        out[indices] = vectors
    return out


def test_every_text_gets_a_finite_unit_vector(encoder):
    vectors = vectors_of(encoder, TEXTS)
    assert np.isfinite(vectors).all()
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


@pytest.mark.slow
def test_neither_order_nor_company_changes_a_vector(encoder):
    texts = [*TEXTS, *(f"{'filler ' * (i % 40)} text number {i}" for i in range(60))]
    together, backwards = vectors_of(encoder, texts), vectors_of(encoder, texts[::-1])[::-1]
    alone = np.concatenate([vectors_of(encoder, [text]) for text in texts[:12]])
    assert (together * backwards).sum(1).min() > 0.9999
    assert (together[:12] * alone).sum(1).min() > 0.9999
    assert (together[9] * together[10]).sum() < 0.999, "different texts must stay different"


def test_only_the_head_of_a_long_text_is_read(encoder):
    head = " ".join(f"word{i}" for i in range(300))
    long = head + " and then something else entirely" * 300_000  # 10 MB
    assert len(long) > 9_000_000
    a, b = vectors_of(encoder, [head, long])
    assert a @ b > 0.9999


def test_the_shortcut_for_long_texts_gives_the_ids_of_the_whole_text():
    encoder = MiniLM().load()
    # words of over 100 characters are one token each, so the usual head holds too few tokens
    for text in ("y" * 150 + " ") * 600, "a b " * 3000, "no-space" * 2000, " " * 5000 + "end", "one two":
        whole = encoder._tokenizer.encode(text).ids
        expected = whole if len(whole) <= 256 else whole[:255] + whole[-1:]
        assert encoder._token_ids([text])[0].tolist() == expected


def test_pieces_and_head_cut_at_spaces_only():
    text = "alpha beta " * 5000
    pieces = list(_pieces(text))
    assert "".join(piece for _, piece in pieces) == text and len(pieces) > 2
    assert all(text[start:].startswith(piece) and (start == 0 or text[start] == " ") for start, piece in pieces)
    assert _head("alpha beta gamma", 8) == "alpha" and _head("alphabet", 3) == "alphabet" and _head("a", 3) == "a"


def test_token_offsets_of_a_megabyte():
    text = "The quick brown fox, 1234 unbelievable. " * 25_000
    (offsets,) = MiniLM().load().token_offsets([text])
    assert offsets.dtype == np.int32 and offsets.shape[1] == 2
    assert (np.diff(offsets[:, 0]) > 0).all() and (offsets[:, 0] < offsets[:, 1]).all()
    assert len(offsets) % 25_000 == 0, "the same sentence has the same tokens wherever it stands"


def test_threads_that_load_at_once_get_one_encoder_with_one_model():
    part, found, start = MiniLM(max_tokens=64), [], threading.Barrier(4)

    def load():
        start.wait()
        encoder = part.load()
        found.append((encoder, encoder._model()))

    threads = [threading.Thread(target=load) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len({id(encoder) for encoder, _ in found}) == len({id(model) for _, model in found}) == 1


@pytest.mark.slow
def test_encoding_leaves_the_thread_count_of_others_alone():
    import torch

    workers_alone.cache_clear()  # those of other tests may have been made when another count stood here
    encoder, before, seen = MiniLM().load(), torch.get_num_threads(), []
    vectors_of(encoder, ["some words " * 100] * 30)
    fresh = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert torch.get_num_threads() == before and seen == [before]


@pytest.mark.slow
def test_a_worker_that_is_held_to_one_thread_encodes_with_as_many_as_it_is_told():
    code = """
        import torch
        from core.labs.experiments.measuring import _limit
        from core.models.all_cores import compute_on, workers_alone
        _limit(1)
        compute_on(3)
        pool, number = workers_alone()
        print(number, torch.get_num_threads(), *pool.map(lambda _: torch.get_num_threads(), range(6)))
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert told.stdout.split() == ["3", *["1"] * 7], told.stderr


def test_identity_changes_with_what_changes_vectors_and_with_nothing_else():
    knobs = product(("float32", "bfloat16"), (128, 256), ("mean", "cls", "max"))
    assert len({MiniLM(dtype=d, max_tokens=n, pooling=p).identity() for d, n, p in knobs}) == 12
    assert MiniLM().identity() == MiniLM(dtype=hardware.fast_dtype()).identity()


def test_poolings_differ_and_share_their_weights():
    mean, cls, most = (MiniLM(pooling=pooling).load() for pooling in ("mean", "cls", "max"))
    assert mean._model() is cls._model() is most._model()
    a, b, c = (vectors_of(encoder, TEXTS) for encoder in (mean, cls, most))
    assert max((a * b).sum(1).max(), (a * c).sum(1).max(), (b * c).sum(1).max()) < 0.99


def test_one_model_that_loads_slowly_does_not_hold_up_another():
    began, go_on = threading.Event(), threading.Event()
    slow = threading.Thread(target=load_once, args=("slow", lambda: (began.set(), go_on.wait(60))))
    slow.start()
    assert began.wait(60) and load_once("quick", lambda: "made") == "made"
    go_on.set()
    slow.join()


def folder_of_minilm(path: Path, training: str = "") -> Path:
    path.mkdir(parents=True)
    for name in hub.ENCODER_FILES:
        (path / name).symlink_to(bundled_folder() / name)
    if training:
        (path / "training.json").write_text(training)
    return path


def test_a_trained_encoder_is_its_folder():
    assert hub.trained_encoders() == []
    folder_of_minilm(hub.encoders_home() / "mine")
    folder_of_minilm(hub.encoders_home() / "other", '{"settings": {"pooling": "cls", "max_tokens": 64}}')
    (hub.encoders_home() / "half").mkdir()
    folder_of_minilm(hub.encoders_home() / ".unfinished")
    assert hub.trained_encoders() == ["mine", "other"]
    mine, other = (Trained(name=name, dtype="float32") for name in ("mine", "other"))
    assert mine.identity() != other.identity()
    assert (mine.load().name, mine.load().max_tokens, other.load().max_tokens) == ("mine", 256, 64)
    for part, as_bundled in (mine, {}), (other, {"pooling": "cls", "max_tokens": 64}):
        expected = vectors_of(MiniLM(dtype="float32", **as_bundled).load(), TEXTS)
        assert np.abs(vectors_of(part.load(), TEXTS) - expected).max() < 1e-6
    before = mine.identity()
    (hub.encoders_home() / "mine" / "training.json").write_text('{"settings": {"pooling": "max"}}')
    assert mine.identity() != before, "the same name trained anew is another encoder"


@pytest.mark.parametrize("name", ["", "absent", "../encoders/mine", "half"])
def test_a_trained_encoder_that_is_not_there_names_those_that_are(name):
    with pytest.raises(WorkbenchError) as error:
        Trained(name=name).identity()
    assert "train one" in error.value.todo
    folder_of_minilm(hub.encoders_home() / "mine")
    with pytest.raises(WorkbenchError) as error:
        Trained(name=name).load()
    assert error.value.where == "embedding.name" and "mine" in error.value.todo


@pytest.mark.slow
def test_identity_offsets_and_device_import_no_torch():
    code = """
import sys
from core.embedding.minilm import MiniLM
part = MiniLM()
part.identity(); part.load().token_offsets(["a text"]); print(part.device())
assert not {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
list(part.load().encode(["a text"]))
assert "torch" in sys.modules and not {"transformers", "sentence_transformers"} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr


def test_bfloat16_only_where_the_processor_multiplies_it():
    assert hardware._cpu_dtype("flags\t\t: fpu avx512f avx512_bf16 sse\n") == "bfloat16"
    assert hardware._cpu_dtype("flags\t\t: fpu amx_bf16\n") == "bfloat16"
    assert hardware._cpu_dtype("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512_bf16\n") == "float32"
    assert hardware._cpu_dtype("flags\t\t: fpu avx2 avx512f avx512_vnni\n") == "float32"
    assert hardware._cpu_dtype("Features\t: fp asimd bf16\n") == "float32"


def test_a_model_that_is_not_here_says_what_to_do(tmp_path, monkeypatch):
    from core.embedding.sentence_transformers import SentenceTransformers

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WorkbenchError) as error:
        SentenceTransformers(model="owner/absent").identity()
    assert "download" in error.value.todo and "owner/absent" in error.value.what
    with pytest.raises(WorkbenchError) as error:
        SentenceTransformers(model="/no such folder").identity()
    assert "folder" in error.value.todo
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    allowed = SentenceTransformers(model="owner/absent", download=True)
    assert allowed.absent() and not SentenceTransformers(model="owner/absent").absent()
    with pytest.raises(WorkbenchError):  # asking for its identity, as a page does, never fetches
        allowed.identity()
    with pytest.raises(WorkbenchError) as error:
        allowed.fetch()
    assert "network" in error.value.todo
