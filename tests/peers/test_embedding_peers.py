"""Against sentence-transformers, the reference for every model it reads."""

import json

import numpy as np
import pytest

from core.embedding.minilm import MiniLM, _folder
from core.embedding.sentence_transformers import SentenceTransformers

TEXTS = [
    "",
    "What is recall?",
    "naïve café 東京 😀",
    "long " * 700,
    *("A sentence of a few words, " * n for n in range(1, 30)),
]

FEW = [*TEXTS[:3], *TEXTS[-2:]]


@pytest.fixture(scope="module")
def library():
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)  # its threads wait for each other, which takes minutes on a busy machine
    return SentenceTransformer(str(_folder()), device="cpu", local_files_only=True)


def vectors_of(part, texts, query=False):
    encoder = part.load()
    out = np.empty((len(texts), encoder.dim), np.float32)
    for indices, vectors in encoder.encode(texts, query=query):
        out[indices] = vectors
    return out


def test_float32_is_the_library_to_rounding(library):
    assert np.abs(vectors_of(MiniLM(dtype="float32"), TEXTS) - library.encode(TEXTS)).max() < 1e-5


def test_bfloat16_points_the_same_way(library):
    ours = vectors_of(MiniLM(dtype="bfloat16"), TEXTS)
    assert (ours * library.encode(TEXTS)).sum(1).min() > 0.999
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5


def test_token_offsets_are_the_librarys(library):
    for text, offsets in zip(TEXTS, MiniLM().load().token_offsets(TEXTS), strict=True):
        expected = library.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, truncation=False)
        assert offsets.tolist() == [list(pair) for pair in expected["offset_mapping"]]


def test_bfloat16_changes_hardly_a_ranking(datasets_root):
    data = json.loads((datasets_root / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    paragraphs = [p for article in data for p in article["paragraphs"]]
    questions = [qa["question"] for p in paragraphs for qa in p["qas"]][::4]  # all of them: benchmarks/encoding.py
    tops = []
    for dtype in ("float32", "bfloat16"):
        part = MiniLM(dtype=dtype)
        scores = vectors_of(part, questions) @ vectors_of(part, [p["context"] for p in paragraphs[::2]]).T
        tops.append(np.argsort(-scores, axis=1)[:, :10])
    assert np.mean([np.isin(a, b).mean() for a, b in zip(*tops, strict=True)]) >= 0.99


def test_the_general_part_gives_the_librarys_vectors(library):
    part = SentenceTransformers(model=str(_folder()), dtype="float32")
    assert np.abs(vectors_of(part, FEW) - library.encode(FEW)).max() < 1e-5
    prefixed = SentenceTransformers(model=str(_folder()), dtype="float32", query_prefix="query: ")
    expected = library.encode(["query: " + text for text in FEW])
    assert np.abs(vectors_of(prefixed, FEW, query=True) - expected).max() < 1e-5
    assert np.abs(vectors_of(prefixed, FEW) - library.encode(FEW)).max() < 1e-5
    encoder = part.load()
    assert (encoder.dim, encoder.max_tokens) == (384, 256)
    bf16 = vectors_of(SentenceTransformers(model=str(_folder()), dtype="bfloat16"), FEW)
    assert (bf16 * library.encode(FEW)).sum(1).min() > 0.999


def test_the_general_part_reads_the_prompts_that_a_model_declares(tmp_path):
    for file in _folder().iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config_sentence_transformers.json").unlink()
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: ", "passage": "p: "}}')
    part = SentenceTransformers(model=str(tmp_path))
    assert (part.prefix(True), part.prefix(False)) == ("q: ", "p: ")
    assert SentenceTransformers(model=str(tmp_path), query_prefix="Q ").prefix(True) == "Q "
    assert part.identity() != SentenceTransformers(model=str(_folder())).identity()
    offsets = part.load().token_offsets(["two words"])
    assert offsets[0].tolist() == [[0, 3], [4, 9]]
