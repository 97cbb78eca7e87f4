"""What counts as a reply: of a callable, and of retrievers that have the methods of LangChain's and LlamaIndex'."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.labs.systems.replies import SystemPassage, called, passage


class LangChain:
    def invoke(self, question):
        return [SimpleNamespace(page_content=f"On {question}", metadata={"source": "a.txt", "start_index": 3})]


class OldLangChain:
    def get_relevant_documents(self, question):
        return [SimpleNamespace(page_content="Old", metadata={})]


class LlamaIndex:
    def retrieve(self, question):
        about = {"metadata": {"file_name": "a.txt"}, "start_char_idx": 2, "end_char_idx": 9, "ref_doc_id": None}
        return [SimpleNamespace(node=SimpleNamespace(get_content=lambda: "A node", **about), score=0.5)]


@pytest.mark.parametrize(("system", "answer", "passages"), [
    (lambda q: f"To {q}", "To why", None),
    (lambda q: ("So", ["a", {"text": "b", "document": "d", "start": np.int64(1), "end": 2}]), "So",
     (SystemPassage("a"), SystemPassage("b", "d", 1, 2))),
    (lambda q: ("", []), "", ()),
    (lambda q: ["a"], None, (SystemPassage("a"),)),
    (LangChain(), None, (SystemPassage("On why", "a.txt", 3, None),)),
    (OldLangChain(), None, (SystemPassage("Old"),)),
    (LlamaIndex(), None, (SystemPassage("A node", "a.txt", 2, 9),)),
])  # fmt: skip
def test_an_answer_passages_or_both(system, answer, passages):
    reply = called(system, "why")
    assert (reply.answer, reply.passages) == (answer, passages) and reply.seconds >= 0


@pytest.mark.parametrize("system", [
    lambda q: None, lambda q: 3, lambda q: (None, None), lambda q: ("So", "a text"), lambda q: ("So", [7]), lambda q: [{"start": 1}],
    lambda q: ({"answer": "So"}, []), 5,
])  # fmt: skip
def test_what_is_no_reply_is_told(system):
    with pytest.raises(WorkbenchError, match=r"returns|no passage|cannot be asked"):
        called(system, "why")


def test_a_document_alone_is_a_passage_and_odd_places_are_none():
    assert passage({"document": 7, "start": True, "end": -1}) == SystemPassage("", "7")
    assert passage("\ud800") == SystemPassage("\ufffd"), "as documents are read"
