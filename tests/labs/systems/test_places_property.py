"""A passage cut from a document is found where it was cut, whatever its white space became; what is found says the same words."""

from hypothesis import given
from hypothesis import strategies as st

from core.labs.systems.places import DocumentPlaces
from core.labs.systems.replies import SystemPassage
from core.records import Document

WORDS = st.lists(st.sampled_from(["a", "bb", "a.", "(c", "\u00e9", "d-d"]), min_size=1, max_size=12)
SPACE = st.sampled_from([" ", "\n", "  \t", "\u2003"])


@given(st.lists(WORDS, min_size=1, max_size=4), st.data())
def test_a_passage_is_found_where_it_was_cut(texts, data):
    documents = [Document(f"{n}.txt", data.draw(SPACE).join(words)) for n, words in enumerate(texts)]
    chosen = data.draw(st.sampled_from(range(len(texts))))
    start = data.draw(st.integers(0, len(texts[chosen]) - 1))
    cut = texts[chosen][start : data.draw(st.integers(start + 1, len(texts[chosen])))]
    passage = SystemPassage(data.draw(SPACE).join(cut), data.draw(st.sampled_from(["", f"{chosen}.txt", "other"])))
    places = DocumentPlaces(documents).of(passage)
    by_id = {document.id: document.text for document in documents}
    assert places and all(by_id[name][a:b].split() == cut for name, a, b in places)
    if passage.document == f"{chosen}.txt" or len(texts) == 1:
        assert {name for name, _, _ in places} == {f"{chosen}.txt"}
