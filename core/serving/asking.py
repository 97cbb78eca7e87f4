"""A service as it is seen from outside: what it says of itself, and what it answers."""

import os
import time
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.generation.remote import key, retry_after_s
from core.report.table import COUNT, PERCENT, Column, Table, between
from core.statistics.proportion import wilson

PORT = 8600
ADDRESS = f"http://127.0.0.1:{PORT}"  # of a service, where nothing else is said
KEY = "GROUNDWORK_SERVICE_KEY"  # the variable that holds the key for a service that wants one
LOOK_S = 1.0
TRIES, WAIT_S, MOST_WAIT_S = 5, 1.0, 10.0
CACHES = {
    "answer": "Answers",
    "search": "Whole searches",
    "embedding": "Vectors of questions",
    "retrieval": "Candidates",
    "reranking": "Reranked scores",
    "prefix": "Prompts (tokens)",
}


class ServiceState(NamedTuple):
    """What `/ready` says. why: what it is not ready for, or that nothing answers."""

    ready: bool
    why: str = ""
    name: str = ""
    corpus: str = ""
    question: str = ""  # one that its corpus answers
    breakers: dict[str, str] = {}
    batches: dict[str, int] = {}
    cached: int = 0
    caches: dict[str, dict[str, int]] = {}  # hits, misses and entries by cache


def own_key() -> str:
    """For a service that wants one; "" without."""
    return key(os.environ.get(KEY, ""), KEY, ADDRESS, ADDRESS)


def service_state(url: str) -> ServiceState:
    import httpx2  # 0.1 s, which a start need not wait for

    try:
        body = httpx2.get(f"{url.rstrip('/')}/ready", timeout=LOOK_S).json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return ServiceState(False, "Nothing answers there yet.")
    body = body if isinstance(body, dict) else {}
    if body.get("status") != "ready":
        return ServiceState(False, str(body.get("error", "Another program answers there.")))
    return ServiceState(True, **{name: body[name] for name in ServiceState._fields[2:] if name in body})


def caches_table(said: ServiceState) -> Table:
    """What each cache of the service was asked for since it is up, and what share was there."""
    columns = (
        Column("cache", width=170),
        Column("asked", "Looked up", COUNT),
        Column("share", "Hit rate", PERCENT, direction=1),
        Column("bounds", "95%", help="Wilson's interval of the hit rate; of tokens, which come together, there is none."),
        Column("entries", "Held", COUNT),
    )
    rows = []
    for name, use in said.caches.items():
        if asked := use["hits"] + use["misses"]:
            rate, tokens = wilson(use["hits"], asked), name == "prefix"
            bounds = "" if tokens else between(rate.low, rate.high, PERCENT)
            held = None if tokens else use["entries"]
            rows.append({"cache": CACHES.get(name, name), "asked": asked, "share": rate.mean, "bounds": bounds, "entries": held})
    return Table("service_caches", columns, rows, "Caches")


def replied(client: Any, method: str, path: str, **how: Any) -> dict[str, Any]:
    """client: of httpx2. The body of a reply with status 200; what is wrong with another as an error for people. A service that lets in no
    more just now is asked again when it says."""
    import httpx2

    try:
        for _ in range(TRIES):
            response = client.request(method, path, **how)
            if response.status_code != 429:
                break
            time.sleep(min(retry_after_s(response.headers.get("retry-after")) or WAIT_S, MOST_WAIT_S))
        body = response.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise WorkbenchError(f"The service did not answer {path}: {error}.", todo="Is it up? `python -m core serve`.") from None
    if not isinstance(body, dict):
        raise WorkbenchError(f"What answered {path} is no service of a recipe.", todo="Compare the address.")
    if response.status_code != 200:
        raise WorkbenchError(
            f"The service answered {path} with {response.status_code}: {body.get('error', '')}", todo="Look at its log."
        )
    return body
