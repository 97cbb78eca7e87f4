"""A server on this machine that plays an endpoint: good streams, refusals, silence, bytes one at a time."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def events(api: str, *pieces: str, reason: str = "stop", usage: bool = True) -> list[bytes]:
    """The server-sent events of a good answer."""
    if api == "openai":
        chunks = [{"model": "m-1", "choices": [{"delta": {"content": piece}}]} for piece in pieces]
        chunks.append({"choices": [{"delta": {}, "finish_reason": reason}]})
        chunks += [
            {
                "choices": [],
                "usage": {"prompt_tokens": 10, "completion_tokens": len(pieces), "prompt_tokens_details": {"cached_tokens": 4}},
            }
        ] * usage
        return [*(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks), b"data: [DONE]\n\n"]
    reason = {"stop": "end_turn", "length": "max_tokens"}.get(reason, reason)
    start = {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "m-1",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 1},
    }
    chunks = [{"type": "message_start", "message": start}, {"type": "ping"}]
    chunks += [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}] * bool(pieces)
    chunks += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces]
    chunks.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": len(pieces)},
        }
    )
    return [f"event: {c['type']}\ndata: {json.dumps(c)}\n\n".encode() for c in [*chunks, {"type": "message_stop"}]]


def stream(parts: list[bytes], pause_s: float = 0.0, leave_open: bool = False):
    """A reply that sends the parts as a stream, one after the other."""

    def send(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()
            handler.server.closing.wait(pause_s)
        if leave_open:
            handler.server.closing.wait()

    return send


def status(code: int, message: str = "no", **headers: str):
    def send(handler) -> None:
        body = json.dumps({"type": "error", "error": {"type": "some_error", "message": message}}).encode()
        handler.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def hang(handler) -> None:
    handler.server.closing.wait()


@contextmanager
def serving(*replies):
    """A server on this machine that gives each request the next of the replies, the last one for good."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            try:
                replies[min(len(self.server.requests), len(replies)) - 1](self)
            except OSError:
                self.server.dropped.set()  # the client has gone

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.requests = True, []
    server.closing, server.dropped = threading.Event(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
