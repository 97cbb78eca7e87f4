"""Encoders that learn from the corpus: what they learn depends on the corpus and settings alone, and is kept whole."""

import json
import subprocess
import sys

import numpy as np
import pytest

from core.embedding import fitted
from core.embedding.lsa import LSA
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.embedding.word2vec import Word2Vec, _steps, words
from core.errors import WorkbenchError
from core.progress import Running
from core.records import Progress
from core.statistics.paired import paired_difference

TEXTS = [
    "the cat sat on the mat",
    "a dog sat on a log",
    "cats and dogs are pets",
    "stocks fell on monday",
    "stocks fell as markets fell",
    "pets like a warm mat",
    "naïve café 東京",
    "...",
] * 3
PARTS = [LSA(dimensions=5), Word2Vec(dimensions=64, epochs=2, min_count=1)]


def drain(generator):
    seen = list(running := Running(generator))
    assert all(isinstance(step, Progress) for step in seen)
    return running.result


def vectors_of(part, texts, query=False):
    found = list(part.load().encode(texts, query=query))
    assert np.concatenate([i for i, _ in found]).tolist() == list(range(len(texts)))
    return np.concatenate([v for _, v in found])


@pytest.fixture(params=PARTS, ids=lambda p: p.part)
def part(request):
    return request.param


def test_a_fitted_encoder_is_an_encoder(part, tmp_path):
    made = drain(part.fit(TEXTS, tmp_path / "fit"))
    vectors = drain(embed(made, TEXTS, tmp_path / "vectors"))
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), made.load().dim)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert (made.prefix(True), made.device()) == ("", "cpu")
    scores = vectors @ vectors[3]
    assert scores[4] > scores[[0, 1, 2, 5]].max(), "texts that share words are alike"
    assert np.array_equal(made.load().token_offsets(["two words"])[0], MiniLM().load().token_offsets(["two words"])[0])


def test_texts_without_a_known_word_get_the_corpus_mean(part, tmp_path):
    made = drain(part.fit(TEXTS, tmp_path / "fit"))
    known = vectors_of(made, TEXTS[:7])
    odd = vectors_of(made, ["", "zzz unheard", "\ud800", "!?"], query=True)
    assert np.isfinite(odd).all() and np.abs(odd - odd[0]).max() == 0
    assert np.abs(odd[0] - fitted.unit(known.mean(0))).max() < 1e-5


def test_what_was_learnt_is_opened_not_learnt_again(part, tmp_path, monkeypatch):
    first = drain(part.fit(TEXTS, tmp_path / "fit"))
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [""], "nothing is left beside it"
    monkeypatch.setattr(fitted, "save", None)
    again = drain(part.fit(TEXTS, tmp_path / "fit"))
    assert again.identity() == first.identity()
    assert np.array_equal(vectors_of(first, TEXTS), vectors_of(again, TEXTS))


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "nonsense"])
def test_a_damaged_fit_is_made_anew(part, damage, tmp_path):
    first = drain(part.fit(TEXTS, tmp_path / "fit"))
    file = tmp_path / "fit" / "mean.npy"
    if damage == "missing":
        file.unlink()
    elif damage == "nonsense":
        (tmp_path / "fit" / "fit.json").write_text("[1]")
    else:
        raw = file.read_bytes()
        file.write_bytes(raw[:-3] if damage == "cut" else raw[:-1] + bytes([raw[-1] ^ 1]))
    assert fitted.opened(tmp_path / "fit", first.identity()) is None
    again = drain(part.fit(TEXTS, tmp_path / "fit"))
    assert np.array_equal(vectors_of(first, TEXTS), vectors_of(again, TEXTS))
    assert fitted.opened(tmp_path / "fit", first.identity()) is not None


def test_identity_names_corpus_and_settings(part, tmp_path):
    names = [
        fitted.identity(one, texts)
        for one in (part, part.model_copy(update={"seed": 1}), MiniLM())
        for texts in (TEXTS, TEXTS[:-1], [*TEXTS[:-1], ""], ["".join(TEXTS)])
    ]
    assert len(set(names)) == len(names)
    assert drain(part.fit(TEXTS, tmp_path / "a")).identity() == fitted.identity(part, TEXTS) != part.identity()
    other = drain(part.fit(TEXTS[:9], tmp_path / "a"))  # in the same folder: another's fit is not taken
    assert other.identity() == fitted.identity(part, TEXTS[:9])


def test_the_seed_decides(part, tmp_path):
    made = [drain(part.model_copy(update={"seed": seed}).fit(TEXTS, tmp_path / str(i))) for i, seed in enumerate((3, 3, 4))]
    a, b, c = (vectors_of(one, TEXTS) for one in made)
    assert np.array_equal(a, b)
    assert part.part == "lsa" or not np.allclose(a, c)


@pytest.mark.slow
def test_word2vec_does_not_depend_on_the_hash_seed():
    code = """
import sys, pathlib, tempfile, hashlib
sys.path.insert(0, ".")
from core.embedding.word2vec import Word2Vec
from core.progress import drain
run = Word2Vec(dimensions=8, epochs=2, min_count=1).fit(sys.argv[1:], pathlib.Path(tempfile.mkdtemp()) / "fit")
print(hashlib.sha256(drain(run).load()._vectors(sys.argv[1:]).tobytes()).hexdigest())
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, *TEXTS],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            text=True,
            capture_output=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != ""


def test_unfitted_counts_tokens_and_does_not_encode(part):
    encoder = part.load()
    assert len(encoder.token_offsets(["two words"])[0]) == 2
    with pytest.raises(WorkbenchError) as error:
        list(encoder.encode(["a"]))
    assert "fitted" in error.value.what


@pytest.mark.parametrize("texts", [[], [""], ["...", "?!"], ["once only"]], ids=str)
def test_a_corpus_with_nothing_to_learn_names_the_setting(texts, tmp_path):
    for part, where in (LSA(min_df=2), "embedding.min_df"), (Word2Vec(min_count=2), "embedding.min_count"):
        with pytest.raises(WorkbenchError) as error:
            drain(part.fit(texts, tmp_path / "fit"))
        assert error.value.where == where and where in error.value.todo
    assert list(tmp_path.iterdir()) == []


def test_a_tiny_corpus_gives_fewer_dimensions(tmp_path):
    made = drain(LSA(dimensions=300).fit(["one text", "another text"], tmp_path / "fit"))
    assert made.load().dim == 2
    one = drain(Word2Vec(min_count=1, epochs=1).fit(["alone"], tmp_path / "one"))
    assert np.isfinite(vectors_of(one, ["alone", "other"])).all()


def test_a_cancelled_training_leaves_nothing(tmp_path):
    running = Word2Vec(dimensions=8, epochs=50, min_count=1).fit(TEXTS, tmp_path / "fit")
    told = [next(running) for _ in range(5)]
    running.close()
    assert [one.done for one in told] == [0, 0, 1, 2, 3] and told[-1].total == 50 and "epoch 4 of 50" in told[-1].message
    assert list(tmp_path.iterdir()) == []


def test_steps_hold_every_word_once():
    lines = [[str(i)] * n for i, n in enumerate((3, 25_000, 0, 190_000, 40_000))]
    steps = _steps(lines)
    assert [word for step in steps for line in step for word in line] == [word for line in lines for word in line]
    assert len(steps) > 1 and max(len(line) for step in steps for line in step) <= 10_000
    assert words("Naïve __init__(Self) 東京!") == ["naïve", "__init__", "self", "東京"]


def test_lsa_is_the_decomposition_of_the_weighted_counts(tmp_path):
    """Deerwester et al. 1990: all singular vectors kept, similarities are those of the weighted words themselves."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = TfidfVectorizer(sublinear_tf=True).fit_transform(TEXTS[:7]).toarray()
    made = drain(LSA(dimensions=7).fit(TEXTS[:7], tmp_path / "fit"))
    vectors = vectors_of(made, TEXTS[:7])
    assert np.abs(vectors @ vectors.T - weights @ weights.T).max() < 1e-5


@pytest.mark.slow
def test_lsa_that_was_fitted_before_loads_no_library_until_it_encodes(tmp_path):
    """It takes most of a second, and a page whose vectors are at hand opens the encoder in its own thread."""
    drain(LSA(dimensions=5).fit(TEXTS, tmp_path / "fit"))
    code = f"""
import sys
from pathlib import Path
from core.embedding.lsa import LSA
from core.progress import drain
encoder = drain(LSA(dimensions=5).fit({TEXTS!r}, Path({str(tmp_path / "fit")!r}))).load()
print(encoder.dim, "sklearn" in sys.modules)
print(next(encoder.encode({TEXTS!r}))[1].shape, "sklearn" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == ["5 False", "(24, 5) True"]


@pytest.mark.slow
def test_training_word2vec_beats_its_random_start_on_questions_it_never_saw(datasets_root, tmp_path):
    data = json.loads((datasets_root / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    paragraphs = [p for article in data for p in article["paragraphs"]]
    texts = [p["context"] for p in paragraphs]
    questions, gold = zip(*[(qa["question"], i) for i, p in enumerate(paragraphs) for qa in p["qas"]], strict=True)
    gains = []
    for epochs in (20, 0):
        made = drain(Word2Vec(epochs=epochs, dimensions=100).fit(texts, tmp_path / str(epochs)))
        scores = vectors_of(made, list(questions), query=True) @ vectors_of(made, texts).T
        rank = 1 + (scores > scores[np.arange(len(gold)), gold][:, None]).sum(axis=1)
        gains.append(np.where(rank <= 10, 1 / np.log2(1 + rank), 0))  # nDCG@10 with one paragraph to find
    [result] = paired_difference(*gains)
    assert result.low > 0 and result.p < 0.01
