"""A stand-in for a Qdrant server: the client's HTTP is answered from the client's own local mode, which compares with every vector."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


class StandIn(BaseHTTPRequestHandler):
    def answer(self):
        from qdrant_client import models

        _, kind, *words = self.path.partition("?")[0].split("/")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        local, name = self.server.local, words[0] if words else ""
        try:
            match self.command, *words[1:]:
                case "GET", "exists":
                    made = {"exists": local.collection_exists(name)}
                case ("GET",) if kind == "collections":
                    made = local.get_collection(name)
                case ("PUT",):
                    asked = models.CreateCollection.model_validate(body)
                    made = local.create_collection(name, asked.vectors, metadata=asked.metadata)
                case ("PATCH",):
                    made = local.update_collection(name, metadata=body["metadata"])
                case ("DELETE",):
                    made = local.delete_collection(name)
                case "PUT", "index":
                    made = local.create_payload_index(name, body["field_name"])
                case "PUT", "points":
                    made = local.upsert(name, models.PointsBatch.model_validate(body).batch)
                case "POST", "points":
                    made = local.retrieve(name, body["ids"])
                case "POST", "points", "delete":
                    made = local.delete(name, models.PointIdsList.model_validate(body))
                case "POST", "points", "payload":
                    made = local.set_payload(name, body["payload"], body["points"])
                case "POST", "points", "count":
                    made = local.count(name)
                case "POST", "points", "scroll":
                    told = {name: body[name] for name in ("limit", "offset") if body.get(name) is not None}
                    made = dict(zip(("points", "next_page_offset"), local.scroll(name, with_vectors=True, **told), strict=True))
                case "POST", "points", "query":
                    made = self.found(models.QueryRequest.model_validate(body))
                case "POST", "points", "query", "batch":
                    made = [self.found(models.QueryRequest.model_validate(one)) for one in body["searches"]]
            self.say(200, {"result": made, "status": "ok", "time": 0.0})
        except ValueError as error:
            self.say(404, {"status": {"error": str(error)}, "time": 0.0})

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST = answer

    def found(self, asked):
        name = self.path.split("/")[2]
        return self.server.local.query_points(name, asked.query, query_filter=asked.filter, limit=asked.limit)

    def say(self, status, value):
        text = json.dumps(value, default=lambda each: each.model_dump(mode="json")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def qdrant(monkeypatch):
    """The stand-in; QDRANT holds its URL. `local` is the client that keeps its rows, `asked` what it was asked."""
    client = pytest.importorskip("qdrant_client", reason="python -m pip install -r requirements-stores.txt")
    server = HTTPServer(("127.0.0.1", 0), StandIn)
    server.local, server.asked = client.QdrantClient(":memory:", force_disable_check_same_thread=True), []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("QDRANT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()
