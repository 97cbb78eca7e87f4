"""A recipe that is served: its layer alone, under more than it bears, caches, what watches it, and the tools that measure it.

    python -m benchmarks.serving [--quick] [--only=layer,cached] [--soak=600]

Each section is recorded as soon as it is measured; --only measures these anew. Services run in processes of their own
(`benchmarks/_served.py`), requests come from another. layer: 50 requests a second for a minute, Poisson, to a service without model and
index. cached: 32 clients that wait for each answer, over searches made before. overload: a service with two servers and times drawn, up
to twice and five times what it bears, clients trying three times again. driver: what the load test tells of a server whose waits are
calculated. capacity: p95 simulated from the slowest rate's service times. semantic: questions of two corpora with a negation, a number
or a name planted, to a cache that holds the questions. stale: a corpus changed ten times, asked 100 times after each. hit_rate: the
model from what was asked first, held against a cache over what was asked then. canaries: simulated. spans: as `benchmarks.spans`.
soak: 40 requests a second to one service for --soak seconds, whose memory is read. --quick: a tenth or less of all that.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil

from benchmarks import DATASETS
from benchmarks import spans as spans_benchmark
from benchmarks._options import options
from benchmarks._sections import measured
from benchmarks._served import AT_ONCE, CORPUS, SPREAD, served
from core.config import TrialConfig, with_settings
from core.embedding.vectors import encode_all
from core.progress import drain
from core.serving import load as lab
from core.serving.arrivals import moments
from core.serving.caches import AnswerCache
from core.serving.planning import service_times
from core.statistics.cache_model import che, zipf
from core.statistics.canary import ALPHA, e_process
from core.statistics.proportion import wilson
from core.statistics.queue_simulation import Station, simulate_queue
from core.workbench import Workbench
from tests.support import failing
from tests.support.loaded import server

SERVICE_S, BEARS = 0.05, AT_ONCE / 0.05  # of the queue: mean time, searches a second
TIMEOUT_S, SLO_MS, BACK_S = 15.0, 1000.0, 30.0
WINDOW_S, IN_TIME = 5, 0.99
CLIENTS = 32
FLOOR, LOST, CANARIES, LOOKS = 0.005, 0.05, 200, 2000
SIMILARITY = 0.8  # the default of caches that are in use, at which a threshold alone lets reversed questions hit
ITEMS, SIZES, SKEWS = 3000, (30, 150, 600), (0.6, 0.9, 1.2)


class Measuring:
    """size: 1.0, or less of everything. soak_s: seconds of the soak."""

    def __init__(self, size: float, soak_s: float) -> None:
        self.size, self.soak_s = size, soak_s

    def times(self, number: float, least: float = 1) -> int:
        return int(max(least, number * self.size))


# Load ----------------------------------------------------------------------------------------------------------------


def loaded(home: Path, url: str, rates: tuple[float, ...], seconds: float, **plan: Any) -> list[dict[str, Any]]:
    """The recorded points of a load test with questions of the corpus, the slowest rate first."""
    from core.serving.planning import points_of

    (questions := home / "questions.txt").write_text("\n".join(f"What is meant by word {number}?" for number in range(500)))
    bench = Workbench(home / "load")
    asked = lab.LoadPlan(f"{url}/search", str(questions), rates, seconds, timeout_s=TIMEOUT_S, slo_ms=SLO_MS, **plan)
    return points_of(bench, drain(lab.load(bench, asked))["run"])


def layer(how: Measuring, home: Path) -> dict[str, Any]:
    with served("stub", home) as (url, _):
        [row] = loaded(home, url, (50.0,), how.times(60, 4))
    told = ("requests", "outcomes", "limit", "p50_ms", "p95_ms", "p99_ms", "sent_p50_ms", "sent_p99_ms", "late_p99_ms")
    return {name: row[name] for name in told}


class Flood(asyncio.Protocol):
    """A client that asks again as soon as it has its answer."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests, self.waiting, self.took, self.began, self.over = requests, b"", [], 0.0, False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, _, body = self.waiting.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head.lower())
        if not size or len(body) < int(size[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode("latin-1"))
        self.waiting = b""
        self.took.append(time.perf_counter() - self.began)
        if not self.over:
            self.ask()


async def flooded(port: int, bodies: list[bytes], seconds: float) -> list[Flood]:
    head = "POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    order, loop = iter(np.random.default_rng(0).integers(len(requests), size=10_000_000)), asyncio.get_running_loop()

    def client() -> Flood:
        return Flood(requests[place] for place in order)

    clients = [(await loop.create_connection(client, "127.0.0.1", port))[1] for _ in range(CLIENTS)]
    await asyncio.sleep(seconds)
    for client in clients:
        client.over = True
    await asyncio.sleep(0.5)
    return clients


def cached(how: Measuring, home: Path) -> dict[str, Any]:
    texts = [
        query.text for query in Workbench(home / "read").corpus(with_settings(TrialConfig(), {"corpus.dataset": CORPUS})).queries
    ]
    bodies = [json.dumps({"question": text, "k": 5}).encode() for text in texts[:200]]
    with served("corpus", home) as (url, process):
        with httpx2.Client(base_url=url, timeout=60.0) as client:
            for body in bodies:
                client.post("/search", content=body, headers={"content-type": "application/json"}).raise_for_status()
        seconds, cpu = how.times(20, 3), psutil.Process(process).cpu_times()
        clients = asyncio.run(flooded(int(url.rpartition(":")[2]), bodies, seconds))
        after = psutil.Process(process).cpu_times()
    took = np.array([each for client in clients for each in client.took])
    used = after.user + after.system - cpu.user - cpu.system
    about = {
        "clients": CLIENTS,
        "searches": len(took),
        "p50_ms": 1000 * np.median(took),
        "p99_ms": 1000 * np.quantile(took, 0.99),
    }
    return {"a_second": len(took) / seconds, **about, "processor_us": 1e6 * used / len(took)}


def overload(how: Measuring, home: Path) -> dict[str, Any]:
    """Goodput is answers with 200 a second, of all phases of a load that is sent again; its best is that of rates around what it bears."""
    seconds, made = how.times(30, 6), {}
    with served("queue", home, SERVICE_S) as (url, _):
        bear = loaded(home, url, tuple(BEARS * share for share in (0.8, 1.0, 1.2)), seconds)
        best = max(row["throughput"] or 0.0 for row in bear)
        for times in (2, 5):
            [row] = loaded(home, url, (BEARS * times,), seconds, retries=3)
            lost = sum(count for outcome, count in row["outcomes"].items() if not outcome.isdigit())
            goodput = row["throughput"] and row["throughput"] / best
            back = returned(home, url, times, seconds)
            made[f"times_{times}"] = {"goodput_share": goodput, "unanswered": lost, "outcomes": row["outcomes"], **back}
    shares, backs = ([each[name] for each in made.values()] for name in ("goodput_share", "back_s"))
    unanswered = sum(each["unanswered"] for each in made.values())
    worst = {"goodput_share": None if None in shares else min(shares), "back_s": None if None in backs else max(backs)}
    return {"best_a_second": best, "unanswered": unanswered, **worst, **made}


def returned(home: Path, url: str, times: float, seconds: float) -> dict[str, Any]:
    """A burst between two calm times, clients trying again: seconds from its end until the first WINDOW_S in which IN_TIME of those who
    come are answered in time; BACK_S where there are none."""
    rates = ((0.5, seconds), (times, seconds), (0.5, BACK_S))
    phases, start = [], 0.0
    for number, (share, long) in enumerate(rates):
        phases.append(start + moments("poisson", BEARS * share, long, seed=number))
        start += long
    at = np.concatenate(phases)
    # a replay begins at 0; without a rate it stays as it is
    [row] = loaded(home, url, (0.0,), start, arrivals="replay", recorded=tuple((at - at[0]).tolist()), retries=3)
    if row["limit"]:
        return {"back_s": None, "limit": row["limit"]}
    good, came = np.array([(each["good"], each["requests"]) for each in row["by_second"]]).T
    end = 2 * seconds - at[0]
    for first in range(int(np.ceil(end)), len(came) - WINDOW_S + 1):
        within = slice(first, first + WINDOW_S)
        if good[within].sum() >= IN_TIME * came[within].sum():
            return {"back_s": first - end, "limit": ""}
    return {"back_s": BACK_S, "limit": ""}


# The tools that measure ----------------------------------------------------------------------------------------------


def driver(how: Measuring, home: Path) -> dict[str, Any]:
    """Off: the share by which what is told lies off what is calculated. Seed and services are those of tests/serving/test_queues_peers.py;
    a short run has another queue than the formula's, so that its own (Lindley 1952) is told, too."""
    from tests.serving.test_queues_peers import LOAD, SECONDS, SEED, SERVICE_S, expected, mean_wait, services

    made = {}
    with server(stall=(5.0, 2.0)) as (url, _):
        [row] = loaded(home, url, (50.0,), 20.0 if how.size == 1 else 8.0, arrivals="constant")
        share = 2.0 / (20.0 if how.size == 1 else 8.0)  # of requests that meet the stall, and wait 2 s to 0 s, evenly
    calculated = 2000 * (1 - 0.01 / share)
    made["stall"] = {"p99_ms": row["p99_ms"], "calculated_ms": calculated, "off": off(row["p99_ms"], calculated)}
    for law in ("M/M/1", "M/D/1"):
        seconds = SECONDS if how.size == 1 else 10.0
        at = moments("poisson", LOAD / SERVICE_S, seconds, SEED)
        times = services(law, len(at))
        with server(lambda number, times=times: times[number - 1] if number else 0.0) as (url, _):
            [row] = loaded(home, url, (LOAD / SERVICE_S,), seconds, seed=SEED)
        waited = row["mean_ms"] and row["mean_ms"] / 1000 - times.mean()
        own = mean_wait(at, times)
        about = {"wait_s": waited, "formula_s": expected(law), "own_queue_s": own, "limit": row["limit"]}
        made[law.replace("/", "")] = {**about, "off": off(waited, expected(law)), "off_own": off(waited, own)}
    return made


def off(value: float | None, right: float) -> float | None:
    return None if value is None else abs(value / right - 1)


def capacity(how: Measuring, home: Path) -> dict[str, Any]:
    """The simulator gets the moments at which the measured requests came and the times for which they held their places, so that what
    differs is no luck of arrivals and of services; what it foretells from the slowest rate's times alone stands beside it, with the
    middle 95% of its runs."""
    shares, seconds, rows = (0.1, 0.5, 0.7, 0.9), how.times(90, 8), []
    with served("queue", home, SERVICE_S) as (url, _):
        points = loaded(home, url, tuple(BEARS * share for share in shares), seconds)
    alone, beside_ms = service_times(points[0])

    def p95_ms(arrivals: list[float], services: np.ndarray, in_order: bool, seed: int = 0) -> float:
        run = simulate_queue(np.array(arrivals), {1: services}, Station(AT_ONCE, in_order=in_order), seed)
        return 1000 * float(np.quantile(run.latency_s, 0.95)) + beside_ms

    for point, share in zip(points[1:], shares[1:], strict=True):
        services, came = service_times(point)[0], point["intended_s"]
        simulated = p95_ms(came, services, True) if len(services) == len(came) else None
        foretold = np.quantile([p95_ms(came, alone, False, seed) for seed in range(200)], [0.5, 0.025, 0.975]).tolist()
        about = {"p95_ms": point["p95_ms"], "simulated_ms": simulated, "foretold_ms": foretold, "limit": point["limit"]}
        rows.append({"load": share, **about, "off": off(point["p95_ms"], simulated) if simulated else None})
    every = [row["off"] for row in rows]
    about = {"services": len(alone), "beside_ms": beside_ms, "spread": SPREAD, "loads": rows}
    return {"off": None if None in every else max(every), **about}


# Caches --------------------------------------------------------------------------------------------------------------

AUXILIARY = re.compile(r"\b(is|are|was|were|did|does|do|can|could|may|might|will|would|has|have|had|should|must)\b")
NUMBER = re.compile(r"\d+")
NAME = re.compile(r"(?<=\s)[A-Z][a-z]+")
TURNED = {"before": "after", "after": "before", "with": "without", "over": "under", "from": "to", "above": "below"}


def planted(text: str, names: list[str], draw: np.random.Generator) -> dict[str, str]:
    """Other questions that share nearly all words with this one, by what was planted."""
    made = {}
    if AUXILIARY.search(text):
        made["negation"] = AUXILIARY.sub(r"\1 not", text, count=1)
    if NUMBER.search(text):
        made["number"] = NUMBER.sub(lambda match: str(int(match[0]) + 1 + int(draw.integers(9))), text, count=1)
    if (own := NAME.findall(text)) and (others := [name for name in names if name not in text]):
        made["name"] = text.replace(own[-1], others[int(draw.integers(len(others)))])
        if len(set(own)) > 1:
            first, last = own[0], own[-1]
            swapped = re.sub(f"{first}|{last}", lambda match: last if match[0] == first else first, text)
            made["order"] = swapped
    for word, other in TURNED.items():
        if re.search(rf"\b{word}\b", text):
            made["relation"] = re.sub(rf"\b{word}\b", other, text, count=1)
            break
    return {what: question for what, question in made.items() if question != text}


def semantic(how: Measuring, home: Path) -> dict[str, Any]:
    bench, config, draw = Workbench(home), TrialConfig(), np.random.default_rng(0)
    corpora = [bench.corpus(with_settings(config, {"corpus.dataset": name})) for name in ("xquad-en", CORPUS)]
    texts = [query.text for corpus in corpora for query in corpus.queries][:: max(1, round(1 / how.size / 2))]
    names = sorted({name for text in texts for name in NAME.findall(text)})
    others = [(text, what, other) for text in texts for what, other in planted(text, names, draw).items() if other not in texts]
    same = [f"Can you tell me {text[0].lower()}{text[1:]}" for text in texts]
    every = [*texts, *(other for *_, other in others), *same]
    matrix = encode_all(config.embedding, every, query=True)
    vectors = dict(
        zip((" ".join(text.split()) for text in every), matrix / np.linalg.norm(matrix, axis=1, keepdims=True), strict=True)
    )
    cache = AnswerCache(similarity=SIMILARITY, encode=vectors.__getitem__)
    for text in texts:
        cache.put(text, "corpus", {})
    asked, false = Counter(what for _, what, _ in others), Counter()
    for _, what, other in others:
        false[what] += cache.get(other, "corpus") is not None
    alone = sum(vectors[" ".join(text.split())] @ vectors[" ".join(other.split())] >= SIMILARITY for text, _, other in others)
    bound = wilson(sum(false.values()), len(others))
    kinds = {what: {"asked": number, "false": false[what]} for what, number in asked.items()}
    about = {"asked": len(others), "false": sum(false.values()), "false_by_similarity_alone": int(alone), "kinds": kinds}
    right = sum(cache.get(text, "corpus") is not None for text in same)
    return {"upper": bound.high, **about, "same_in_other_words": {"asked": len(same), "hits": right}}


def stale(how: Measuring, home: Path) -> dict[str, Any]:
    bench, question, told, old = failing.failing(home), "When does the market of Lund open?", 0, 0
    drain(bench.prepare(failing.recipe()))
    with served("towns", home) as (url, _), httpx2.Client(base_url=url, timeout=60.0) as client:
        for change in range(10):
            hour = f"hour {change}"
            files = [(name, text.replace("five", hour).encode()) for name, text in failing.TEXTS.items()]
            drain(bench.library.ingest("towns", files, None))
            for _ in range(how.times(50, 5)):
                passages = client.post("/search", json={"question": question, "k": 1}).raise_for_status().json()["passages"]
                answer = client.post("/answer", json={"question": question}).raise_for_status().json()
                old += (hour not in passages[0]["text"]) + (hour not in answer["answer"])
                told += 2
        caches = client.get("/ready").json()["caches"]
    return {"stale": old, "asked": told, "caches": caches}


def hit_rate(how: Measuring, home: Path) -> dict[str, Any]:
    """Half of the requests tell the law, the cache is warmed by them, and meets the other half."""
    rows, number = [], how.times(40_000, 4_000)
    for skew in SKEWS:
        weights = np.arange(1, ITEMS + 1) ** -skew
        asked = np.random.default_rng([0, round(10 * skew)]).choice(ITEMS, size=number, p=weights / weights.sum()).tolist()
        first, then = asked[: number // 2], asked[number // 2 :]
        law = zipf(list(Counter(first).values()))
        for size in SIZES:
            cache, hits = AnswerCache(size), 0
            for place, item in enumerate(asked):
                hit = cache.get(str(item), "") is not None
                hits += hit and place >= number // 2
                if not hit:
                    cache.put(str(item), "", {})
            measured, told = hits / len(then), che(law.popularity(), min(size, law.items)).hit_rate
            rows.append(
                {"skew": skew, "size": size, "measured": measured, "predicted": told, "points": 100 * abs(told - measured)}
            )
    return {"points": max(row["points"] for row in rows), "requests": number, "caches": rows}


# What watches, and what lasts ----------------------------------------------------------------------------------------


def canaries(how: Measuring, home: Path) -> dict[str, Any]:
    draw, runs = np.random.default_rng(1), how.times(2000, 200)

    def alarmed(rate: float, n: int) -> np.ndarray:
        return e_process((draw.random((runs, n)) < rate) * 1.0, FLOOR) >= np.log(1 / ALPHA)

    worse, same = alarmed(FLOOR + LOST, CANARIES), alarmed(FLOOR, LOOKS)
    found = worse.any(axis=1)
    median = float(np.median(worse.argmax(axis=1)[found])) + 1
    return {"found": float(found.mean()), "median_canary": median, "false_alarms": float(same.any(axis=1).mean()), "runs": runs}


def spans(how: Measuring, home: Path) -> dict[str, Any]:
    made = spans_benchmark.recording(home)
    return {**made, "lost": made["dropped"] + made["failed"], "drawn": spans_benchmark.drawing(home)}


def soak(how: Measuring, home: Path) -> dict[str, Any]:
    """Growth: memory at the end over that after a fifth of the time, when caches and pools are filled."""
    failing.failing(home)
    seconds, taken = how.soak_s, []
    texts = [f"When does the market of Lund open, {number}?" for number in range(2000)]
    with served("towns", home) as (url, process), httpx2.Client(base_url=url, timeout=60.0) as client:
        watched, began, number = psutil.Process(process), time.monotonic(), 0
        while time.monotonic() - began < seconds:
            body = {"question": texts[number % len(texts)]}
            client.post(("/search", "/answer")[number % 2], json=body).raise_for_status()
            number += 1
            if number % 10 == 0:
                taken.append((watched.memory_info().rss / 1e6, watched.num_fds()))
            time.sleep(max(0.0, began + number / 40 - time.monotonic()))
        counts = client.get("/ready").json()["caches"]
    memory, files = np.array(taken).T
    tenth = max(1, len(taken) // 10)
    warm, late = slice(2 * tenth, 3 * tenth), slice(-tenth, None)
    first, last = float(np.median(memory[warm])), float(np.median(memory[late]))
    more_files = int(np.median(files[late]) - np.median(files[warm]))
    about = {"asked_for_s": seconds, "requests": number, "mb": {"warm": first, "end": last}, "caches": counts}
    return {"growth": last / first - 1, "more_files": more_files, **about}


SECTIONS: dict[str, Callable[[Measuring, Path], dict[str, Any]]] = {
    section.__name__: section
    for section in (layer, cached, overload, driver, capacity, semantic, stale, hit_rate, canaries, spans, soak)
}


def main(only: str, soak: int, quick: bool) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    how = Measuring(0.05 if quick else 1.0, 20.0 if quick else soak)
    return measured("serving", {name: partial(section, how) for name, section in SECTIONS.items()}, only, quick)


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", only="", soak=600)))))
