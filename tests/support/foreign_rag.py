"""A small RAG of somebody else's: it finds a town's document by name, and answers with its first sentence. As a callable, and over HTTP."""

import json
import re

from tests.support.failing import TEXTS


def answered(question: str) -> tuple[str, list[dict[str, object]]]:
    """The first sentence on the town that is named, and two passages: that document, and one that stands in no corpus."""
    town = next((name for name in re.findall(r"[A-Z][a-z]{3}\b", question) if f"{name}.txt" in TEXTS), "Zoos")
    text = TEXTS[f"{town}.txt"]
    return text.partition(".")[0] + ".", [{"text": text, "document": f"{town}.txt"}, {"text": "Something else."}]


def said(tree, status: int = 200):
    """A reply of `fake_endpoint.serving` with this body, or what a function makes of the request's."""

    def send(handler) -> None:
        body = json.dumps(tree(handler.server.requests[-1][2]) if callable(tree) else tree).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def foreign(body: dict) -> dict:
    """{"q": …} -> its own form of a reply."""
    answer, passages = answered(body["q"])
    sources = [{"content": each["text"], "meta": {"file": each.get("document")}} for each in passages]
    return {"result": {"text": answer, "sources": sources}}


PLACES = {"answer": "result.text", "passages": "result.sources", "text": "content", "document": "meta.file"}
BODY = '{"q": "{question}"}'
