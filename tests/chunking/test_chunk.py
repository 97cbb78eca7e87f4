import numpy as np

from core.chunking.chunk import chunk_documents, chunk_texts
from core.chunking.fixed import Fixed
from core.chunking.semantic import Semantic
from core.chunking.sliding_window import SlidingWindow
from core.chunking.tools import Remembered
from core.chunking.whole_document import WholeDocument
from core.labs.corpus.chunks import (
    compare_cuts,
    contained,
    cut_spans,
    gold_spans,
    longer_than,
    readable_tokens,
    size_bins,
    size_rows,
    spans_of,
    summarize,
    tokens_repeated,
)
from core.progress import Running
from core.records import Chunks, Document, Gold, Query
from tests.chunking.test_tools import WhitespaceTools

DOCUMENTS = (
    Document("a", "one two three four five six seven eight nine ten"),
    Document("b", " \n"),
    Document("c", "aa bb cc dd ee ff gg hh ii jj kk ll mm nn "),
)


def run(chunker, documents=DOCUMENTS, tools=None) -> Chunks:
    steps = chunk_documents(documents, chunker, tools or WhitespaceTools())
    for step in (running := Running(steps)):
        assert step.total == len(documents)
    return running.result


def make(*rows: tuple[int, int, int, int]) -> Chunks:
    return Chunks(*np.array(rows, np.int32).reshape(-1, 4).T)


def gold(*spans: tuple[str, int, int], grade: int = 1) -> Query:
    return Query("q", "?", tuple(Gold(*span, grade) for span in spans))


def test_columns_texts_and_token_counts():
    chunks = run(Fixed(size_tokens=8))
    assert chunks.document.tolist() == [0, 0, 2, 2] and chunks.document.dtype == np.int32
    assert chunk_texts(chunks, DOCUMENTS) == [
        "one two three four five six seve",
        "n eight nine ten",
        "aa bb cc dd ee ff gg hh",
        "ii jj kk ll mm nn",
    ]
    assert chunks.tokens.tolist() == [8, 5, 8, 6]
    assert spans_of(chunks, 0) == [(0, 32), (32, 48)] and spans_of(chunks, 1) == []


def test_no_documents_and_empty_documents():
    assert len(run(Fixed(), ())) == 0
    assert len(run(Fixed(), (Document("x", ""),))) == 0
    assert tokens_repeated(run(Fixed(), ()), (), WhitespaceTools()) == 0


def test_groups_of_documents_join_without_a_seam(monkeypatch):
    whole = run(Semantic(min_tokens=4, size_tokens=8))
    monkeypatch.setattr("core.chunking.chunk._GROUP_EMBEDDED", 1)
    apart = run(Semantic(min_tokens=4, size_tokens=8))
    assert all(np.array_equal(getattr(whole, c), getattr(apart, c)) for c in ("document", "start", "end", "tokens"))


def test_a_second_chunker_costs_no_tokens():
    tools = WhitespaceTools()
    known = Remembered(tools)
    run(Fixed(), tools=known)
    calls = tools.calls
    run(SlidingWindow(), tools=known)
    assert tools.calls == calls


def test_tokens_repeated_are_the_tokens_beyond_the_first_reading():
    for overlap in range(8):
        chunks = run(SlidingWindow(size_tokens=8, overlap_tokens=overlap))
        assert tokens_repeated(chunks, DOCUMENTS, WhitespaceTools()) == chunks.tokens.sum() - run(WholeDocument()).tokens.sum()


def test_contained_asks_for_one_chunk_that_holds_the_whole_span():
    chunks = make((0, 0, 10, 1), (0, 10, 20, 1), (0, 15, 18, 1), (2, 5, 30, 1))
    spans = np.array([(0, 0, 10), (0, 9, 11), (0, 10, 20), (0, 16, 20), (0, 15, 21), (1, 5, 6), (2, 5, 30), (2, 4, 30)])
    assert contained(chunks, *spans.T).tolist() == [True, False, True, True, False, False, True, False]
    assert contained(make(), *spans.T).tolist() == [False] * 8


def test_gold_spans_are_distinct_relevant_parts_of_documents():
    queries = [
        gold(("a", 0, 7), ("a", 8, 23)),
        gold(("a", 8, 23), ("a", 4, 19)),  # the last ends in white space
        gold(("c", 0, 42), ("c", 0, 41)),
        gold(("unknown", 0, 3)),
        gold(("a", 10, 30), grade=0),
    ]
    found = gold_spans(DOCUMENTS, queries)
    assert list(zip(*found[:3], strict=True)) == [(0, 0, 7), (0, 4, 18), (0, 8, 23)] and found.whole_documents == 1
    chunks = make((0, 0, 18, 4), (0, 19, 48, 8), (2, 0, 41, 14))
    assert cut_spans(chunks, found).tolist() == [False, False, True]
    assert len(cut_spans(chunks, gold_spans(DOCUMENTS, []))) == 0
    assert compare_cuts(chunks, make((0, 0, 48, 13)), found) == (1, 0, 1.0)


def test_summary():
    chunks = run(SlidingWindow(size_tokens=8, overlap_tokens=2))
    found = summarize(chunks, gold_spans(DOCUMENTS, [gold(("a", 0, 3), ("a", 0, 40))]), DOCUMENTS, WhitespaceTools(), 7)
    assert (found.chunks, found.tokens, found.repeated, found.too_long) == (4, 31, 4, 3)
    assert found.cut.mean == 0.5 and 0 < found.cut.low < 0.5 < found.cut.high < 1 and found.cut.n == 2
    nothing = summarize(make(), gold_spans((), []), (), WhitespaceTools(), None)
    assert nothing.mean_tokens == 0 and nothing.cut.mean is None and nothing.too_long is None


def test_what_is_put_before_a_chunk_takes_of_what_the_encoder_reads():
    from core.embedding.minilm import bundled_folder
    from core.embedding.sentence_transformers import SentenceTransformers

    part = SentenceTransformers(model=str(bundled_folder()), dtype="float32", max_tokens=16, passage_prefix="passage: ")
    read = readable_tokens(part)
    assert read == 16 - 2 - 2 and readable_tokens(part.model_copy(update={"passage_prefix": ""})) == 14
    texts = [" ".join(["tea"] * size + ["bread"]) for size in (read - 1, read)] + [" ".join(["tea"] * read)]
    vectors = np.zeros((3, 384), np.float32)
    for rows, some in part.load().encode(texts):
        vectors[rows] = some
    assert np.abs(vectors[1] - vectors[2]).max() < 1e-5 < np.abs(vectors[0] - vectors[2]).max(), "the last word is not read"


def test_longer_than():
    assert longer_than(make((0, 0, 5, 255), (0, 5, 9, 254), (1, 0, 9, 253)), 254) == 1


def test_bins_are_whole_and_shared_and_lose_no_chunk():
    one, two = make(*((0, i, i + 1, i) for i in range(1, 101))), make((0, 0, 1, 40))
    edges = size_bins([two, one], bins=40)
    assert set(np.diff(edges)) == {3} and np.histogram(one.tokens, edges)[0].sum() == 100
    assert len(size_bins([make()])) == 3 - 1


def test_a_bin_ends_at_the_limit_of_the_encoder():
    chunks = make(*((0, i, i + 1, i) for i in range(1, 256)))
    edges = size_bins([chunks], 254)
    assert 254.5 in edges and set(np.diff(edges)) == {7} and np.histogram(chunks.tokens, edges)[0].sum() == 255
    assert sum(row["chunks"] for row in size_rows([("fixed", chunks)], 254) if row["to_tokens"] > 254) == 1
    assert [row["from_tokens"] for row in size_rows([("fixed", chunks)], 254)][:2] == [0.0, 3.0]
