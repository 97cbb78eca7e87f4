"""What holds for the passages of any ranking under any settings of the context. No model is loaded."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import ContextConfig
from core.context.citations import cited, marks, plain
from core.context.prompt import INSTRUCTIONS, REMINDERS, build
from core.context.surroundings import Surroundings
from core.records import Chunks, Document, Hit

TEXTS = st.lists(
    st.sampled_from(
        ["Tea is hot. ", "# Bread\n", "Milk [1] (2) is white. ", "See [Bread]. ", "\n\n", "a b ", "Is it? ", "<|x|> "]
    ),
    min_size=1,
    max_size=25,
).map("".join)
CONTEXTS = st.builds(
    ContextConfig,
    passages=st.integers(1, 6),
    max_tokens=st.integers(64, 90),
    hand_on=st.sampled_from(["chunk", "merged", "neighbours", "section", "document"]),
    duplicates=st.sampled_from([0.3, 0.8, 1.0]),
    compress=st.sampled_from([0.3, 0.6, 1.0]),
    nearest_by=st.sampled_from(["words", "encoder"]),
    order=st.sampled_from(["best_first", "best_last", "interleaved"]),
    citations=st.sampled_from(["brackets", "parentheses", "footnotes", "titles"]),
    passage=st.sampled_from(["", "$mark $title: $text"]),
)


def words(text: str) -> int:
    return len(text.split())


def encoded(texts: list[str], query: bool) -> np.ndarray:
    vectors = np.array([[text.count(letter) + 1.0 for letter in "aeiot"] for text in texts]).reshape(-1, 5)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def corpus(texts: list[str], size: int) -> tuple[list[Document], Surroundings, list[Hit]]:
    """Documents cut into chunks of so many characters that overlap by a few, and all of them as hits."""
    documents = [Document(f"d{n}", text, ["Bread", "", "Tea [old]"][n % 3]) for n, text in enumerate(texts)]
    spans = [(n, a, min(a + size, len(d.text))) for n, d in enumerate(documents) for a in range(0, len(d.text), size - 3)]
    chunks = Chunks(*np.array([(*span, 1) for span in spans], np.int32).T)
    hits = [
        Hit(rank, -rank, documents[n].id, documents[n].title, a, b, documents[n].text[a:b])
        for rank, (n, a, b) in enumerate(spans, 1)
        if documents[n].text[a:b].strip()
    ]
    return documents, Surroundings(documents, chunks, encoded), hits


@pytest.mark.slow
@given(texts=st.lists(TEXTS, min_size=1, max_size=3), size=st.integers(8, 60), context=CONTEXTS, data=st.data())
@settings(max_examples=150)
def test_passages_are_pieces_of_their_documents_within_the_room(texts, size, context, data):
    documents, source, hits = corpus(texts, size)
    if not hits:
        return
    hits = [replace(hit, rank=rank) for rank, hit in enumerate(data.draw(st.permutations(hits)), 1)]
    prompt = build("Is tea hot?", hits, context, words, source)
    by_id = {document.id: document.text for document in documents}
    for hit in prompt.used:
        text = by_id[hit.document_id]
        assert hit.text == text[hit.start : hit.end] != ""
        assert all(hit.start <= a < b <= hit.end for a, b in hit.excerpts)
        assert hit.shown == (" … ".join(text[a:b] for a, b in hit.excerpts) if hit.excerpts else hit.text)
    assert prompt.passage_tokens <= context.max_tokens or len(prompt.used) == 1
    assert 1 <= len(prompt.used) <= context.passages and prompt.used, "some text is always given"
    content = prompt.messages[0]["content"]
    for number, mark in enumerate(marks(context.citations, prompt.used), 1):
        assert mark in content and cited(f"So it is {mark}.", prompt.used, context.citations) == (number,)
    if context.hand_on != "chunk" and context.compress == 1:
        for hit in prompt.used:  # no two touch
            others = [other for other in prompt.used if other is not hit and other.document_id == hit.document_id]
            assert not any(other.start <= hit.end and hit.start <= other.end for other in others)
    if context.hand_on == "chunk" and context.compress == 1:
        assert {hit.rank for hit in prompt.used}.isdisjoint(hit.rank for hit in prompt.left_out)


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), size=st.integers(8, 60))
@settings(max_examples=50)
def test_with_the_defaults_the_prompt_is_what_it_was_before_there_were_settings(texts, size):
    _, source, hits = corpus(texts, size)
    prompt = build("Is tea hot?", hits, ContextConfig(), words, source)
    passages = "".join(f"[{n}] {plain(hit.text)}\n\n" for n, hit in enumerate(hits[:3], 1))
    assert prompt.messages == [
        {"role": "user", "content": f"{INSTRUCTIONS}\n\n{passages}Question: Is tea hot?\n{REMINDERS['few_words']}"}
    ]
