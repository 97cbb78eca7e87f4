"""How a service bears load: requests at their moments, by rate; latencies, errors, the share within an objective, capacity and knee.

Latency counts from the moment at which a request was to be sent, and from sending besides. Where the driver and not the service was
the limit, no number is told.
"""

import json
import re
import socket
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from core import files
from core.config import TrialConfig, with_settings
from core.corpus import tables
from core.corpus.reading import Notes, Source, text_of
from core.errors import WorkbenchError
from core.files.grids import read_numbers
from core.files.ids import new_id
from core.generation.remote import bearer
from core.jobs import child
from core.models.hardware import machine
from core.pipeline.forecast import Forecast, one_phase
from core.pipeline.speed import Estimate
from core.progress import counted
from core.records import Progress, plain
from core.report.table import COUNT, ONE, PERCENT, Column, Table, between, between_ms, with_values, written
from core.serving.arrivals import Arrivals, moments
from core.serving.asking import ADDRESS, KEY, LOOK_S, own_key
from core.serving.driver import Noted, Sender
from core.statistics.bootstrap import Interval
from core.statistics.proportion import wilson, wilson_grouped
from core.statistics.quantiles import quantile_interval
from core.store.batches import batches
from core.workbench import Workbench

KIND = "load_tests"  # of the records
BLOCKS = 20  # of requests one after the other: those of a block hang together
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
LATE_MS, LATE_SHARE, CPU = 2.0, 0.05, 0.9  # a driver within these was not the limit
FEWEST_RATES = 3  # of a knee
AROUND_S = 3.0  # the driver's start, and the last replies
COLUMNS = (
    Column("rate", "Requests/s", "%g"),
    Column("requests", "Requests", COUNT),
    Column("throughput", "Answers/s", ONE, "Status 200, while requests were sent", direction=1),
    Column("good", "In time", PERCENT, "Answered with 200 within the objective, of all requests", direction=1),
    Column("good interval", "In time, 95%", width=140),
    Column("p50_ms", "p50", ONE, "Latency from the intended moment", "ms", -1),
    Column("p95_ms", "p95", ONE, unit="ms", direction=-1),
    Column("p99_ms", "p99", ONE, unit="ms", direction=-1),
    Column("p99 interval", "p99, 95%", unit="ms", width=120),
    Column("sent_p99_ms", "p99 sent", ONE, "From the moment of sending", "ms", -1),
    Column("failed", "Not answered with 200"),
    Column("late_p99_ms", "Late p99", "%.2f", "From the intended moment to sending: the driver's", "ms", -1),
    Column("driver_cpu", "Driver CPU", PERCENT, "Share of a core"),
)


class LoadPlan(NamedTuple):
    """What is asked, and how."""

    url: str
    questions: str  # a file or a corpus
    rates: tuple[float, ...]  # requests a second, each in turn; 0: a replay as recorded
    seconds: float = 30.0
    arrivals: Arrivals = "poisson"
    burstiness: float = 0.25
    recorded: tuple[float, ...] = ()
    seed: int = 0
    timeout_s: float = 30.0
    retries: int = 0
    honours: bool = True
    slo_ms: float = 500.0
    slo_share: float = 0.99
    fields: Mapping[str, Any] = {}  # sent beside each question
    anywhere: bool = False  # other machines, too


class Target(NamedTuple):
    address: tuple[str, int]
    host: str  # as the request names it
    path: str


def load(workbench: Workbench, plan: LoadPlan) -> Generator[Progress, None, dict[str, Any]]:
    """{"points": a row a rate, "told": sentences}. Each rate is recorded as soon as it is measured.

    WorkbenchError where one request before all others is not answered.
    """
    _check(plan)
    target = _target(plan.url, plan.anywhere)
    schedules = [moments(plan.arrivals, rate, plan.seconds, plan.seed, plan.burstiness, plan.recorded) for rate in plan.rates]
    texts = yield from _questions(workbench, plan.questions)
    order = asking_order(plan.seed, len(texts), max(map(len, schedules)))
    requests = [_request(target, {"question": texts[place], **plan.fields}) for place in order]
    run, points = new_id(), []
    try:
        shortest = min(requests, key=len)  # one of any length may be refused for its length alone
        first = Sender(target.address, [shortest], np.zeros(1), plan.timeout_s)
        _check_answer((yield from _driven(run, first, "Asking once")), plan)
        for rate, schedule in zip(plan.rates, schedules, strict=True):
            sender = Sender(target.address, requests, schedule, plan.timeout_s, plan.retries, plan.honours)
            noted = yield from _driven(run, sender, f"{rate:g}/s" if rate else "Replay")
            sent = plan._replace(seconds=length_s(plan, schedule))
            points.append(point(sent, rate or max(1, len(schedule) - 1) / sent.seconds, schedule, noted))
            keep(workbench, run, sent, points[-1], schedule, noted)
    finally:
        child.end_others("load")
    return {"run": run, "points": points, "told": sentences(points, plan.slo_ms, plan.slo_share)}


def length_s(plan: LoadPlan, schedule: np.ndarray) -> float:
    """Seconds in which requests are sent: a replay may end long before its time is over."""
    return float(schedule[-1]) if plan.arrivals == "replay" and schedule[-1] > 0 else plan.seconds


def asking_order(seed: int, texts: int, most: int) -> np.ndarray:
    """Places of the questions in the order in which requests ask them, over and over."""
    return np.random.default_rng([seed, 1]).permutation(texts)[:most]


def runs(workbench: Workbench) -> dict[str, str]:
    """Load test -> in words, the newest first."""
    rows = workbench.store.query(
        "SELECT run, any_value(url) AS url, list_sort(list(rate)) AS rates FROM load_tests GROUP BY run ORDER BY max(id) DESC"
    )
    return {row["run"]: f"{row['url']} at {', '.join(f'{rate:g}' for rate in row['rates'])}/s" for row in rows}


def rates_of(text: str) -> tuple[float, ...]:
    """Of "1, 2, 5" or "1:10:1", the slowest first."""
    return tuple(sorted(read_numbers(text.replace(" ", ""), "--rate")))


def cost(rates: Sequence[float], seconds: float) -> Forecast:
    """What loading at each of these rates takes."""
    number = len(rates)
    return one_phase(counted(number, "rate"), Estimate(number * seconds, number * seconds * 1.2 + AROUND_S))


def _check(plan: LoadPlan) -> None:
    for name, value in (("timeout", plan.timeout_s), ("slo-ms", plan.slo_ms)):
        if not (np.isfinite(value) and value > 0):
            raise WorkbenchError(f"{name} is {value:g}.", where=f"--{name}", todo="Give a number above 0.")
    if not 0 < plan.slo_share < 1:
        raise WorkbenchError(f"The share is {plan.slo_share:g}.", where="--slo-share", todo="Give one between 0 and 1, as 0.99.")
    if plan.retries < 0:
        raise WorkbenchError(f"A client cannot try {plan.retries} times again.", where="--retries", todo="Give 0 or more.")


def _target(url: str, anywhere: bool) -> Target:
    """Where to send: an address of this machine, unless any is allowed. Its name is resolved once."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    except ValueError as error:
        raise WorkbenchError(f"'{url:.80}' is no address: {error}.", where="--url", todo=f"For example {ADDRESS}") from None
    if parts.scheme != "http" or not host or parts.username or not re.fullmatch(r"(/[!-~]*)?", path):
        raise WorkbenchError(
            f"'{url:.80}' cannot be loaded.", where="--url, --path", todo="Give http://HOST:PORT and a path that begins with /."
        )
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WorkbenchError(f"There is no host '{host:.80}': {error}.", where="--url", todo="Compare its name.") from None
    if not anywhere and not all(_here(family, place) for family, *_, place in places):
        raise WorkbenchError(
            f"{host:.80} is another machine, where unexpected load does harm.",
            where="--url",
            todo="Give an address of this machine, or say --anywhere where its owner agrees.",
        )
    return Target(_listening(places), parts.netloc, path)


def _listening(places: Sequence[tuple]) -> tuple[str, int]:
    """Of the addresses of a name the first at which something listens, else the first: localhost may be ::1 before 127.0.0.1."""
    for family, *_, place in places if len(places) > 1 else ():
        with suppress(OSError), socket.socket(family) as asking:
            asking.settimeout(LOOK_S)
            asking.connect(place)
            return place[:2]
    return places[0][4][:2]


def _here(family: int, place: tuple) -> bool:
    """Whether this machine has the address: only then may it listen there."""
    with socket.socket(family, socket.SOCK_DGRAM) as listening:
        try:
            listening.bind((place[0], 0, *place[2:]))
        except OSError:
            return False
    return True


def _questions(workbench: Workbench, name: str) -> Generator[Progress, None, list[str]]:
    """Those of a CSV or JSONL file, of a file with a question a line, or of a corpus."""
    path = files.path_of(name, "--questions")
    if not path.exists():
        corpus = yield from workbench.read_corpus(with_settings(TrialConfig(), {"corpus.dataset": name}))
        texts = [query.text for query in corpus.queries]
    elif path.suffix.lower() in (".csv", ".tsv", ".jsonl"):
        source = Source(files.regular(path), Notes())
        rows = (row.fields for member in source.sizes for row in tables.rows(source, member))
        texts = [text_of(fields, "question", "query", "text") for fields in rows]
    else:
        texts = files.read_text(path, "The questions").splitlines()
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise WorkbenchError("There is no question.", where=name, todo="Give a CSV or JSONL file with a column question.")
    return texts


def read_moments(path: Path) -> tuple[float, ...]:
    """Of a file with a number of seconds a line."""
    lines = files.read_text(path, "The moments").split()
    try:
        return tuple(map(float, lines))
    except ValueError as error:
        raise WorkbenchError(
            f"The moments cannot be read: {error}.", where=str(path), todo="Give a number of seconds a line."
        ) from None


def _request(target: Target, body: Mapping[str, Any]) -> bytes:
    data, key = json.dumps(body, ensure_ascii=False).encode(), own_key()
    lines = (
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.host}",
        "User-Agent: groundwork-load",
        "Accept: application/json",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *(f"{name}: {value}" for name, value in bearer(key).items()),
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def _driven(run: str, sender: Sender, message: str) -> Generator[Progress, None, Noted]:
    words = child.Words("The process that sends requests", sender.address[0], "Try again with a lower rate.")
    with child.asked(("load", run), words, sender, "run") as answers:
        while True:
            kind, heard = answers.recv()
            if kind == "returned":
                return heard
            sent, waiting = heard
            yield Progress(sent, len(sender.moments), f"{message}, {waiting:,} open")


def _check_answer(noted: Noted, plan: LoadPlan) -> None:
    """Whether it is worth while to go on."""
    [outcome] = noted.outcome
    words = {
        "refused": ("Nothing listens there.", "Start the service, or compare the port."),
        "time-out": (f"It did not answer within {plan.timeout_s:g} s.", "Look at the service, or give a longer --timeout."),
        "reset": ("It closed the connection without an answer.", "Look at the service's log."),
        "garbage": ("What it answers is no JSON over HTTP.", "Compare port and path."),
        "unsent": ("The system has no connection for it.", "End other programs that have many open."),
    }
    if outcome == "401":
        words[outcome] = ("It wants a key.", f"Set {KEY} to a key of this service, which `serving make-key` makes.")
    elif outcome.isdigit() and outcome[0] in "34" and outcome != "429":
        words[outcome] = (f"It answered a question with status {outcome}.", "Compare --path and --field with what it takes.")
    if outcome in words:
        raise WorkbenchError(words[outcome][0], where=plan.url, todo=words[outcome][1])


def point(plan: LoadPlan, rate: float, schedule: np.ndarray, noted: Noted) -> dict[str, Any]:
    """What a rate showed, as the columns of `load_tests` name it; numbers are None where the driver was the limit."""
    outcome, n = np.array(noted.outcome), len(schedule)
    right = outcome == "200"
    latency, from_sending = 1000 * (noted.done - schedule), 1000 * (noted.done - noted.sent)
    late = 1000 * (noted.sent - schedule)
    good = right & (latency <= plan.slo_ms)
    counts = {
        "rate": rate,
        "requests": n,
        "outcomes": dict(Counter(noted.outcome).most_common()),
        "ways": dict(Counter(filter(None, noted.way)).most_common()),
        "retried": int((noted.attempts - 1).clip(0).sum()),
        "late_p50_ms": float(np.median(late)),
        "late_p99_ms": float(np.quantile(late, 0.99)),
        "driver_cpu": noted.cpu,
    }
    numbers = {"throughput": float((noted.done[right] <= plan.seconds).sum() / plan.seconds), "by_second": []}
    share = _share(good)
    numbers |= {"good": share.mean, "good_low": share.low, "good_high": share.high}
    numbers["mean_ms"] = float(latency[right].mean()) if right.any() else None
    # no answer is slower than any; a refusal in time is no latency of an answer
    counted = right | ~np.char.isdigit(outcome)
    for prefix, values in (("", latency), ("sent_", from_sending)):
        values = np.where(right, values, np.inf)[counted]
        told = percentiles(values)
        numbers |= told if not prefix else {f"{prefix}{name}_ms": told[f"{name}_ms"] for name in SHARES}
    numbers["by_second"] = _by_second(schedule, latency, right, good)
    spent = np.where(right, from_sending, np.where(outcome == "time-out", 1000 * plan.timeout_s, 0.0))[counted]
    if limit := driver_limit(counts, float(np.median(spent)) if len(spent) else None):
        numbers = dict.fromkeys(numbers)
    return plain(counts | {"limit": limit} | numbers)


def driver_limit(counts: Mapping[str, Any], median_ms: float | None) -> str:
    """Why the driver and not the service was the limit; "" where it was not. median_ms: from sending to the answer, or to the time-out.

    A driver later than LATE_MS is still none where that changes no latency by more than LATE_SHARE.
    """
    if unsent := counts["outcomes"].get("unsent"):
        return f"{unsent:,} requests could not be sent: too many were open"
    if counts["driver_cpu"] > CPU:
        return f"it used {counts['driver_cpu']:.0%} of a core"
    if counts["late_p99_ms"] > max(LATE_MS, LATE_SHARE * (median_ms or 0.0)):
        return f"it sent 1% of requests more than {counts['late_p99_ms']:.1f} ms late"
    return ""


def percentiles(ms: Sequence[float] | np.ndarray) -> dict[str, float | None]:
    """p50_ms, p50_low, p50_high and so on of latencies in the order of time, with blocks of requests as units of the intervals."""
    values, row = np.asarray(ms, np.float64), dict[str, float | None]()
    for name, share in SHARES.items():
        interval = quantile_interval(values, share, _blocks(len(values)))
        row |= {f"{name}_ms": interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return row


def _blocks(n: int) -> np.ndarray:
    return np.arange(n) * BLOCKS // max(1, n)


def _share(good: np.ndarray) -> Interval:
    """With the block as the unit; where all requests end alike nothing shows how far they hang together."""
    return wilson_grouped(good, _blocks(len(good))) if good.any() and not good.all() else wilson(good.sum(), len(good))


def _by_second(schedule: np.ndarray, latency: np.ndarray, right: np.ndarray, good: np.ndarray) -> list[dict[str, Any]]:
    second, rows = schedule.astype(int), []
    for number in range(int(second.max()) + 1):
        here = second == number
        times = latency[here & right]
        rows.append(
            {
                "second": number,
                "requests": int(here.sum()),
                "answered": len(times),
                "good": int(good[here].sum()),
                "p50_ms": round(float(np.median(times)), 3) if len(times) else None,
                "max_ms": round(float(times.max()), 3) if len(times) else None,
            }
        )
    return rows


def keep(workbench: Workbench, run: str, plan: LoadPlan, row: dict[str, Any], schedule: np.ndarray, noted: Noted) -> None:
    about = {name: value for name, value in plan._asdict().items() if name not in ("rates", "recorded", "anywhere")}
    lists = {
        "intended_s": _rounded(schedule),
        "sent_s": _rounded(noted.sent),
        "first_byte_s": _rounded(noted.first_byte),
        "done_s": _rounded(noted.done),
        "work_s": _rounded(noted.work),
        "outcome": noted.outcome,
        "bytes": noted.size.tolist(),
        "attempts": noted.attempts.tolist(),
    }
    key = f"{run}/{row['rate']:g}"
    batches(workbench.home).keep(KIND, {key: row | lists}, run=run, machine=machine(), **about)


def _rounded(moment: np.ndarray) -> list[float | None]:
    """To the microsecond."""
    return plain(np.round(moment, 6).tolist())


def table(points: Sequence[Mapping[str, Any]], command: str = "") -> Table:
    rows = [
        {
            **row,
            "good interval": between(row["good_low"], row["good_high"], PERCENT),
            "p99 interval": between_ms(row["p99_low"], row["p99_high"]),
            "failed": ", ".join(f"{count:,} {outcome}" for outcome, count in row["outcomes"].items() if outcome != "200"),
        }
        for row in points
    ]
    return Table("load", with_values(COLUMNS, rows), rows, "Load", "Latency from the intended moment of each request", command)


def sentences(points: Sequence[Mapping[str, Any]], slo_ms: float, slo_share: float) -> list[str]:
    """Capacity and knee, what has no percentile, where the driver was the limit."""
    measured = sorted((row for row in points if not row["limit"]), key=lambda row: row["rate"])
    told = [word for word in (capacity(measured, slo_ms, slo_share), knee(measured)) if word]
    for row in measured:
        lost = sum(count for outcome, count in row["outcomes"].items() if not outcome.isdigit())
        if lost:
            told.append(f"At {row['rate']:g}/s {lost:,} requests had no answer; a percentile among them has no value.")
    if limited := [row for row in points if row["limit"]]:
        reasons: dict[str, list[str]] = defaultdict(list)
        for row in limited:
            reasons[row["limit"]].append(f"{row['rate']:g}")
        rates = ", ".join(f"{row['rate']:g}" for row in limited)
        why = "; ".join(f"{limit} (at {', '.join(some)}/s)" if len(reasons) > 1 else limit for limit, some in reasons.items())
        told.append(
            f"At {rates}/s the load generator was the limit, so no number is reported: {why}. Lower the rate, or end other work."
        )
    return told


def capacity(measured: Sequence[Mapping[str, Any]], slo_ms: float, slo_share: float) -> str:
    """Up to which rate the objective is met: the interval of the share lies above it there and at all lower rates."""
    if not measured:
        return ""
    aim = f"{written(slo_share, PERCENT)} answered within {slo_ms:g} ms"
    beyond = next((row for row in measured if row["good_low"] < slo_share), None)
    held = measured[: measured.index(beyond)] if beyond else measured
    after = ""
    if beyond:
        verdict = "is missed" if beyond["good_high"] < slo_share else "can be neither shown nor ruled out in so short a time"
        after = f"at {beyond['rate']:g}/s, with {_in_time(beyond)}, it {verdict}"
    if not held:
        return f"No capacity is shown for {aim}: {after}."
    best = held[-1]
    served = f"There {_in_time(best)} were answered within {slo_ms:g} ms, where {written(slo_share, PERCENT)} are wanted"
    return f"Capacity: {best['rate']:g} requests/s. {served}; {after or 'no higher rate was tried'}."


def _in_time(row: Mapping[str, Any]) -> str:
    return f"{written(row['good'], PERCENT)} ({between(row['good_low'], row['good_high'], PERCENT)})"


def knee(measured: Sequence[Mapping[str, Any]]) -> str:
    """The rate with the highest power, throughput over mean latency. Source: Kleinrock 1979, "Power and deterministic rules of thumb
    for probabilistic problems in computer communications"."""
    answered = [row for row in measured if row["mean_ms"]]
    if len(answered) < FEWEST_RATES:
        return ""
    best = max(answered, key=lambda row: row["throughput"] / row["mean_ms"])
    if best is answered[-1]:
        return f"No knee up to {best['rate']:g}/s: throughput over mean latency still grows."
    return f"Knee: {best['rate']:g}/s, where throughput over mean latency is highest."
