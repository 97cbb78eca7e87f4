"""One suite for every encoder: a part joins by existing. `core/embedding/protocol.py` says the contract in words.

Encoders without a model of their own get a small one (`MODELS`); one whose model is not on this machine is skipped.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from core import registry
from core.embedding.protocol import Encoder
from core.errors import WorkbenchError
from core.progress import Running, drain
from core.records import Progress
from tests.generation.test_torch_lm import tiny_model
from tests.support.parts import is_described, others
from tests.support.small_corpora import THINGS, WAYS, small_bert

pytestmark = pytest.mark.parametrize("name", list(registry.parts("encoder")))
TEXTS = [f"The {thing} of the town {way}." for thing in THINGS for way in WAYS]
ODD = ["", "  \n\t", "今日 Häuser", "\U0001f469\u200d\U0001f680", "\x00", "\ud800 alone", "word " * 600]
CHOICES = ("model", "name", "download", "dtype", "seed", "epochs", "negative", "window")  # left alone by the test of identities
MODELS = {
    "sentence_transformers": lambda folder: {"model": _once(small_bert, folder / "bert")},
    "trained": lambda folder: {"name": _once(small_bert, folder / "encoders" / "small") and "small"},
    "llm_hidden": lambda folder: {"model": _once(tiny_model, folder / "llama")},
}


def _once(make, folder) -> str:
    if not folder.exists():
        make(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def shared(tmp_path_factory, monkeypatch):
    """One data folder for the suite, so that small models are made once."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path_factory.getbasetemp() / "contract-encoders"))


def part(name: str, **knobs) -> Encoder:
    made = registry.find("encoder", name)(**MODELS.get(name, lambda _: {})(Path(os.environ["GROUNDWORK_HOME"])), **knobs)
    if made.absent():
        pytest.skip(f"the model of {name} is not on this machine: give the suite a small one in MODELS")
    return made


def ready(made: Encoder, folder, texts=TEXTS):
    """The part as it encodes: fitted, where it learns."""
    return drain(made.fit(texts, folder / "fit")) if made.learns else made


def encode(ready, texts=TEXTS, query=False) -> np.ndarray:
    """[len(texts), dim], in the order of the texts; checks what comes on the way."""
    encoder, found = ready.load(), {}
    for indices, vectors in encoder.encode(list(texts), query=query):
        assert isinstance(vectors, np.ndarray) and vectors.dtype == np.float32, (
            f"encode yields vectors of {getattr(vectors, 'dtype', type(vectors))}: make them float32"
        )
        assert vectors.shape == (len(indices), encoder.dim), (
            f"encode yields vectors of {vectors.shape} for {len(indices)} texts: give [{len(indices)}, dim = {encoder.dim}]"
        )
        assert np.isfinite(vectors).all(), "a vector holds NaN or infinity: what is divided by 0?"
        for index, vector in zip(indices, vectors, strict=True):
            assert index not in found, f"text {index} is yielded twice: yield (indices, vectors) with each text's place once"
            found[int(index)] = vector
    assert sorted(found) == list(range(len(texts))), (
        f"{len(found)} of {len(texts)} texts have a vector: yield the place of each text beside its vector"
    )
    return np.stack([found[i] for i in range(len(texts))]) if texts else np.zeros((0, encoder.dim), np.float32)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """The smallest cosine of two vectors in the same place."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float((np.einsum("ij,ij->i", a, b) / np.maximum(lengths, 1e-12)).min())


def test_it_is_described(name):
    is_described("encoder", name, Encoder)


@pytest.mark.slow
def test_its_identity_names_a_folder_and_stays(name):
    first, again = part(name).identity(), part(name).identity()
    assert first == again, "identity changes by itself: make it of settings and contents only, or all is encoded again"
    assert re.fullmatch(r"[\w.-]{1,150}", first), (
        f"identity is {first!r}: it names a folder, so make it of letters, digits and dashes, such as `name-{{fingerprint(…)}}`"
    )
    assert part(name).reads() is None or part(name).reads() > 0, "reads() is a number of tokens, or None where all are read"


def test_each_text_has_its_vector_once(name, tmp_path):
    vectors = encode(ready(part(name), tmp_path))
    assert len({row.tobytes() for row in vectors}) > len(TEXTS) // 2, "most texts have the same vector: does it read them?"


def test_a_vector_does_not_depend_on_the_texts_beside_it(name, tmp_path):
    made = ready(part(name), tmp_path)
    together = encode(made)
    places = [40, 3, 17, 3]
    other = encode(made, [TEXTS[place] for place in places])
    assert alike(other, together[places]) > 0.999, (
        "a text has another vector beside other texts: yield the texts' own places, and let no mean or padding reach across"
    )


def test_the_same_comes_again_and_the_texts_stay(name, tmp_path):
    made, texts = ready(part(name), tmp_path), list(TEXTS)
    list(made.load().encode(texts))
    assert texts == TEXTS, "encode changes the list of texts: sort a copy"
    assert alike(encode(made), encode(made)) > 0.99999, "two calls give two vectors: draw nothing at random, or from a seed"


def test_a_question_is_a_text_with_its_prefix(name, tmp_path):
    """Vectors are kept by prefix and text: what else tells questions from chunks would mix them up."""
    made = ready(part(name), tmp_path)
    same = made.prefix(True) == made.prefix(False)
    asked, told = encode(made, TEXTS[:6], query=True), encode(made, TEXTS[:6])
    assert not same or alike(asked, told) > 0.999, (
        "questions and chunks have one prefix and two vectors, and the store would mix them up: tell them apart by `prefix`"
    )


def test_odd_texts_have_vectors_too(name, tmp_path):
    try:
        encode(ready(part(name), tmp_path), ODD)
    except (WorkbenchError, AssertionError):
        raise
    except Exception as error:
        raise AssertionError(
            f"an empty text, an emoji or half a character ends in {type(error).__name__}: {error}. Pass texts through "
            "`models.text.encodable`, and give a text without tokens some vector"
        ) from error


def test_no_text_is_no_work(name, tmp_path):
    assert encode(ready(part(name), tmp_path), []).shape[0] == 0, "without a text it yields vectors: yield nothing"


def test_closing_it_ends_the_work(name, tmp_path):
    made = ready(part(name), tmp_path).load()
    working = made.encode(TEXTS * 5)
    next(working)
    working.close()
    assert len(list(made.encode(TEXTS[:1]))) == 1, "after a cancelled call it encodes no more: give back what it holds"


def test_tokens_lie_in_the_text_in_order(name):
    for text, offsets in zip([*TEXTS[:3], *ODD], part(name).load().token_offsets([*TEXTS[:3], *ODD]), strict=True):
        assert offsets.ndim == 2 and offsets.shape[1] == 2 and offsets.dtype == np.int32, (
            f"token_offsets gives {offsets.dtype} of {offsets.shape}: give [num_tokens, 2] int32, (0, 2) for no token"
        )
        assert (np.diff(offsets[:, 0]) >= 0).all() and (offsets >= 0).all() and (offsets <= len(text)).all(), (
            "tokens are characters [start, end) of the whole text, in order, special ones left out"
        )
        assert len(offsets) or not text.strip("\x00\ud800 \n\t"), f"{text[:20]!r} has no token: chunkers count them"


def test_what_changes_the_vectors_changes_the_identity(name, tmp_path):
    usual = part(name)
    mine = encode(ready(usual, tmp_path / "usual"), TEXTS[:8])
    fixed = {field: getattr(usual, field) for field in ("model", "name") if field in type(usual).model_fields}
    for number, settings in enumerate(others(type(usual), CHOICES)):
        made = settings.model_copy(update=fixed)
        if (made.identity(), made.prefix(False)) != (usual.identity(), usual.prefix(False)):
            continue
        theirs = encode(ready(made, tmp_path / str(number)), TEXTS[:8])
        assert theirs.shape == mine.shape and alike(mine, theirs) > 0.9999, (
            f"{made} has other vectors under the same identity, and would be given those of the defaults: put the setting "
            "into identity()"
        )


def test_what_learns_is_fitted_and_opened_again(name, tmp_path):
    made = part(name)
    overrides = type(made).fit is not Encoder.fit
    assert made.learns == overrides, (
        "`fit` and `learns` do not agree: an encoder that learns from the corpus writes `fit` and says `learns: ClassVar[bool] = True`"
    )
    if not made.learns:
        return
    with pytest.raises(WorkbenchError):
        list(made.load().encode(["before it is fitted"]))
    folder = tmp_path / "fit"
    steps = Running(made.fit(TEXTS, folder))
    assert all(isinstance(step, Progress) for step in steps), "fit yields Progress and returns the fitted encoder"
    first = steps.result
    again, other = drain(made.fit(TEXTS, folder)), drain(made.fit(TEXTS[::2], tmp_path / "other"))
    assert first.identity() == again.identity() != other.identity() != made.identity(), (
        "a fitted encoder's identity says what it was fitted to: make it of the part's and of the texts"
    )
    assert np.array_equal(encode(first), encode(again)), "opened again it gives other vectors: save all that decides them"
