"""Whatever JSON a system answers with, it is a reply or a fault with a remedy; and the question stands in the body as it was asked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.generation.remote import Fault
from core.labs.systems.over_http import ASKED, HttpSystem, JsonPlaces, _filled
from core.labs.systems.replies import SystemReply

NAMES = st.sampled_from(["answer", "passages", "text", "document", "start", "end", "0", "other"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
TREES = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)
PATHS = st.lists(NAMES, max_size=3).map(".".join)


@given(TREES, st.builds(JsonPlaces, PATHS, PATHS, PATHS, PATHS, PATHS, PATHS))
def test_a_reply_or_a_fault(tree, places):
    try:
        reply = HttpSystem("http://x", {}, places).read(json.dumps(tree).encode())
    except Fault as fault:
        assert fault.why and fault.todo
    else:
        assert isinstance(reply, SystemReply) and (reply.answer is None) == (not places.answer)
        assert (reply.passages is None) == (not places.passages)


@given(st.binary(max_size=40))
def test_any_bytes(data):
    with pytest.raises(Fault):
        HttpSystem("http://x", {}, JsonPlaces("answer.text.of.it")).read(data)


@given(TREES, st.text())
def test_the_question_is_sent_as_it_is(tree, question):
    assert _filled([tree, {"q": ASKED}], question)[1] == {"q": question}
    assert json.loads(json.dumps(_filled({"q": ASKED, "n": tree}, question))) == {"q": question, "n": tree}
