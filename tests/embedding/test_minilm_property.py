"""Tokens of arbitrary Unicode: the shortcuts give what the plain way gives."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.embedding import minilm
from core.embedding.minilm import MiniLM
from core.models.text import encodable

texts = st.text(st.characters(exclude_categories=[]), max_size=200) | st.text(" \n\tab́İß東[SEP]CL.,1", max_size=200)


@settings(max_examples=200)
@given(texts)
def test_offsets_in_pieces_are_those_of_the_whole_and_lie_in_the_text(text):
    encoder = MiniLM().load()
    (whole,) = encoder.token_offsets([text])
    before, minilm.PIECE_CHARACTERS = minilm.PIECE_CHARACTERS, 10
    try:
        (pieces,) = encoder.token_offsets([text])
    finally:
        minilm.PIECE_CHARACTERS = before
    assert pieces.tolist() == whole.tolist()
    assert ((whole >= 0) & (whole <= len(text))).all() and (whole[:, 0] <= whole[:, 1]).all()
    assert (whole[1:] >= whole[:-1]).all()


@settings(max_examples=200)
@given(texts)
def test_ids_from_the_head_of_a_text_are_those_of_the_whole(text):
    encoder = MiniLM(max_tokens=16, dtype="float32").load()
    whole = encoder._tokenizer.encode(encodable(text)).ids
    assert encoder._token_ids([text])[0].tolist() == (whole if len(whole) <= 16 else whole[:15] + whole[-1:])
