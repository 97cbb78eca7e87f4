"""MaxSim against the plain loops, its codes by known answers, what an edit leaves, and who cannot offer it."""

import numpy as np
import pytest

from core import registry
from core.config import TrialConfig, doing, fingerprint
from core.embedding.minilm import MiniLM
from core.embedding.vectors import encode_all
from core.errors import WorkbenchError
from core.pipeline.recipe_words import recipe_fingerprint
from core.progress import Unready, drain
from core.records import Query
from core.reranking.maxsim import Matching, MaxSim, blocks, maxsim, words
from core.reranking.protocol import Asked, RankTools
from core.reranking.token_codes import Quantiser, fit, lloyd
from core.reranking.token_vectors import token_encoder
from core.retrieval.pool import Pool
from core.scratch.models import maxsim as plain
from tests.support.small_corpora import THINGS, WAYS

TEXTS = [f"{thing.capitalize()} {way}." for thing, way in zip(THINGS, WAYS * 3, strict=True)]
ENCODER = MiniLM(dtype="float32", max_tokens=16)


def tokens(rng, lengths, dim=16):
    vectors = [rng.normal(size=(n, dim)).astype(np.float32) for n in lengths]
    return [some / np.linalg.norm(some, axis=1, keepdims=True) for some in vectors]


def test_maxsim_is_that_of_the_plain_loop():
    rng = np.random.default_rng(0)
    passages, questions = tokens(rng, [3, 1, 7, 5]), tokens(rng, [2, 4, 1])
    quantiser = fit(np.concatenate(passages), 16, 4, 3)
    codes = [quantiser.encode(passage) for passage in passages]
    asked = [quantiser.questions(question) for question in questions]
    row, column = np.array([0, 2, 1, 1, 0, 2, 2]), np.array([3, 0, 1, 2, 0, 2, 3])
    scores = np.empty(len(row), np.float32)
    for cells, values in maxsim(quantiser, asked, codes, row, column):
        scores[cells] = values
    decoded = [quantiser.decode(some) for some in codes]
    assert scores == pytest.approx([plain.maxsim(asked[q], decoded[p]) for q, p in zip(row, column, strict=True)], abs=1e-5)
    one = column[row == 0]  # a single question takes another way
    (found,) = maxsim(quantiser, asked[:1], [codes[p] for p in one], np.zeros(2, int), np.arange(2))
    assert found[1][np.argsort(found[0])] == pytest.approx(scores[row == 0], abs=1e-5)


def test_codes_hold_the_nearest_centroid_and_levels():
    levels, centroids = np.array([-0.5, -0.1, 0.1, 0.5], np.float32), np.eye(2, 8, dtype=np.float32)
    quantiser = Quantiser(np.eye(8, dtype=np.float32), centroids, levels)
    vector = np.array([[0.45, 0.9, 0.12, -0.6, 0, 0, 0.29, 0.31]], np.float32)
    # nearest to the second centroid; left over are 0.45, -0.1, 0.12, -0.6, 0, 0, 0.29, 0.31
    assert quantiser.encode(vector).tolist() == [[1, 3 | 1 << 2 | 2 << 4 | 0 << 6, 1 | 1 << 2 | 2 << 4 | 3 << 6]]
    wanted = np.array([0.5, 0.9, 0.1, -0.5, -0.1, -0.1, 0.1, 0.5])
    assert quantiser.decode(quantiser.encode(vector)) == pytest.approx((wanted / np.linalg.norm(wanted))[None], abs=1e-6)
    assert (quantiser.width, quantiser.bits) == (3, 2)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_codes_are_those_of_the_plain_loop(bits):
    rng = np.random.default_rng(bits)
    (vectors,) = tokens(rng, [60], 24)
    quantiser = fit(vectors, 16, bits, 300)
    codes, projected = quantiser.encode(vectors), vectors @ quantiser.projection
    assert codes.shape == (60, quantiser.width) and quantiser.width == 1 + 16 * bits // 8
    for vector, decoded in zip(projected, quantiser.decode(codes), strict=True):
        centre = min(quantiser.centroids, key=lambda each: sum((vector - each) ** 2))
        near = centre + [min(quantiser.levels, key=lambda level: abs(left - level)) for left in vector - centre]
        assert decoded == pytest.approx(near / np.sqrt(sum(near**2)), abs=1e-5)


def test_more_than_256_centroids_take_two_bytes():
    (vectors,) = tokens(np.random.default_rng(1), [600], 16)
    quantiser = fit(vectors, 16, 1, 400)
    assert quantiser.width == 2 + 2 and quantiser.encode(vectors)[:, 1].max() == 1
    assert (quantiser.decode(quantiser.encode(vectors)) * (vectors @ quantiser.projection)).sum(1).mean() > 0.9


def test_levels_have_the_least_squared_error():
    assert lloyd(np.array([0.0, 1.0, 9.0, 11.0]), 2).tolist() == [0.5, 10.0]


def test_blocks_hold_each_passage_once():
    assert [i for block in blocks([1, 5000, 10, 4000, 200]) for i in block] == [0, 1, 2, 3, 4]


def test_a_long_text_is_read_in_windows_and_special_tokens_count_for_nothing():
    long = " ".join(TEXTS)
    (read,) = (words(tokens) for _, tokens in token_encoder(ENCODER).read([long]))
    assert [long[start:end] for start, end in read.spans] == [
        long[start:end] for start, end in ENCODER.load().token_offsets([long])[0]
    ]
    assert np.linalg.norm(read.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    ((_, short),) = token_encoder(ENCODER).read([TEXTS[0]])
    pooled = short.vectors  # of length 1 each, so their mean is near to the pooled vector, and no more
    assert pooled.mean(0) @ encode_all(ENCODER, [TEXTS[0]])[0] > 0.9 * np.linalg.norm(pooled.mean(0))
    ((_, empty),) = token_encoder(ENCODER).read([""])
    assert len(words(empty).vectors) == 2  # of a text without words the special ones


def asked_of(folder, most=None, encoder=ENCODER, texts=TEXTS, reads=None):
    def embed(part, wanted, query=False):
        yield from ()
        (reads if reads is not None else []).append(len(wanted))
        return encode_all(part, wanted, query)

    queries = (Query("a", "What of cheese?"), Query("b", "Which is made from old recipes?"))
    chunk = np.tile(np.arange(6, dtype=np.int32), (2, 1))
    tools = RankTools(texts, encoder, embed, folder, folder, None, 0, most)
    return Asked(None, None, queries, Pool(chunk, {}, {}), np.zeros((2, 6), np.float32), tools)


def scores(asked, **knobs):
    rows, columns = np.nonzero(asked.pool.chunk >= 0)
    return drain(MaxSim(**{"length_penalty": 0, **knobs}).scores(asked, rows, columns)).reshape(asked.pool.chunk.shape)


def test_it_ranks_by_the_words_that_meet_and_codes_lose_little(tmp_path):
    close = scores(asked_of(tmp_path), dimensions=384, bits=4)
    read = [words(tokens) for _, tokens in sorted(token_encoder(ENCODER).read([*TEXTS[:6], "What of cheese?"]))]
    exact = [plain.maxsim(read[-1].vectors, passage.vectors) for passage in read[:-1]]
    assert close[0] == pytest.approx(exact, abs=0.1)
    assert TEXTS[np.argmax(exact)].startswith("Cheese") and np.argmax(close[0]) == np.argmax(exact)


def test_what_is_kept_serves_until_the_sample_changes(tmp_path, monkeypatch):
    first = scores(asked_of(tmp_path))
    folder = tmp_path / "tokens"
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}
    assert len(files) == 2  # the quantiser, and what was read to fit it
    assert np.array_equal(scores(asked_of(tmp_path, most=2)), first)
    assert {path: path.stat().st_size for path in folder.rglob("*.npz")}.keys() == files.keys()
    with pytest.raises(Unready, match="12 passages"):
        scores(asked_of(tmp_path, most=2, texts=[f"{text} Again." for text in TEXTS]))


def test_an_encoder_of_one_vector_says_what_to_choose(tmp_path):
    fitted = drain(registry.find("encoder", "lsa")().fit(TEXTS, tmp_path))
    with pytest.raises(WorkbenchError, match=r"one vector.*minilm"):
        scores(asked_of(tmp_path, encoder=fitted))


def test_the_matching_has_a_name_of_its_settings(tmp_path):
    names = set()
    for knobs in ({}, {"bits": 4}, {"dimensions": 64}):
        matching = Matching(MaxSim(**knobs), ENCODER, tmp_path)
        drain(matching.open(TEXTS))
        names.add(matching.identity())
    assert len(names) == 3


def test_a_word_loses_for_each_doubling_of_the_passage(tmp_path):
    texts = [*TEXTS[:5], " ".join(TEXTS)]
    asked = asked_of(tmp_path, texts=texts)
    whole, less = scores(asked), scores(asked, length_penalty=0.02)
    sizes = [len(offsets) for offsets in ENCODER.load().token_offsets(texts)]
    words_asked = [len(offsets) for offsets in ENCODER.load().token_offsets([query.text for query in asked.queries])]
    assert whole - less == pytest.approx(0.02 * np.outer(words_asked, np.log2(sizes)), abs=1e-5)


def test_a_longer_passage_matches_better_by_chance_and_the_penalty_takes_that_back(tmp_path):
    """Questions of nothing that any passage says: what ranks the passages is their length alone."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(TEXTS)[: 1 + n % 6]) for n in range(40)]
    chunk = np.arange(40, dtype=np.int32)[None]
    asked = asked_of(tmp_path, texts=texts)._replace(
        queries=(Query("x", "Quarterly revenue of a steel company in Ohio"),),
        pool=Pool(chunk, {}, {}),
        scores=np.zeros((1, 40), np.float32),
    )
    lengths = np.log([len(text) for text in texts])
    favoured, held = (np.corrcoef(lengths, scores(asked, length_penalty=p)[0])[0, 1] for p in (0.0, 0.02))
    assert favoured > 0.6 > held > 0


def test_a_recipe_from_before_the_penalty_is_the_same_one():
    old = {name: value for name, value in MaxSim().model_dump().items() if name != "length_penalty"} | {"weight": 1.0}
    read = TrialConfig(rerank=old)
    assert read.rerank.length_penalty == 0.0 and MaxSim(weight=1.0).length_penalty == MaxSim().length_penalty
    whole = read.model_dump(mode="json")
    before = whole | {"rerank": {name: value for name, value in whole["rerank"].items() if name != "length_penalty"}}
    assert (
        recipe_fingerprint(before)
        == recipe_fingerprint(read)
        != recipe_fingerprint(TrialConfig(rerank=MaxSim(weight=1.0, length_penalty=0.02)))
    )
    assert fingerprint(read) == fingerprint(doing(before))
