"""Replies as their bytes come in: cut anywhere they are the same, and what is no HTTP is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.serving.driver import HttpReply

JSON = b'{"answer": "a\\r\\nb"}'
WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Groundwork-Way: local\r\n\r\n%s" % (len(JSON), JSON),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"
    % (JSON[:5], len(JSON) - 5, JSON[5:]),
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nA: b\r\n\r\n" % (len(JSON), JSON),
    "early hints": b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(JSON), JSON),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


def taken(data, cuts):
    reply, ends = HttpReply(), sorted({*cuts, len(data)})
    whole = [reply.take(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    assert not any(whole[:-1])
    return reply, whole[-1]


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_a_reply_is_the_same_wherever_it_is_cut(name, draw):
    data = WHOLE[name]
    reply, whole = taken(data, draw.draw(st.lists(st.integers(1, len(data) - 1), max_size=8)))
    assert whole and reply.keeps and reply.outcome() == ("204" if name == "no content" else "200")
    assert (reply.headers.get(b"x-groundwork-way") == b"local") == (name == "length")


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data):
    for begin in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        try:
            HttpReply().take(begin + data)
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize("data", [
    b"SSH-2.0-OpenSSH", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2_0\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000,
])  # fmt: skip
def test_what_is_no_reply_is_told(data):
    with pytest.raises(ValueError, match=r"\w"):
        HttpReply().take(data)


@pytest.mark.parametrize(("head", "keeps", "closing"), [
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n", False, False), (b"HTTP/1.1 200 OK\r\n\r\n", False, True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", False, False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\n", True, False),
])  # fmt: skip
def test_who_closes_is_read_off_the_head(head, keeps, closing):
    reply = HttpReply()
    assert not reply.take(head) and (reply.keeps, reply.ends_by_closing) == (keeps, closing)


def test_a_page_in_place_of_json_is_garbage():
    reply = HttpReply()
    assert reply.take(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsorry!") and reply.outcome() == "garbage"
