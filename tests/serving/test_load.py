"""Load on a server of this test: what became of each request, what is told of a rate, what is recorded, and what is refused."""

import json
import socket
import time

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.progress import Running, drain
from core.serving import driver
from core.serving import load as lab
from core.serving.arrivals import moments
from core.serving.asking import KEY
from core.serving.driver import Noted, Sender
from core.workbench import Workbench
from tests.support.loaded import reply, server

LATE_MS, ATTEMPTS = 50.0, 6  # of a driver whose percentiles can be compared with a calculation
PLAN = lab.LoadPlan("http://127.0.0.1:9/search", "questions.txt", (50.0,), seconds=1.0)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """(workbench, a plan of half a second at 50/s); a machine that runs tests is busy: a driver may be late, and answers slow."""
    monkeypatch.setattr(lab, "LATE_MS", 3000.0)
    questions = tmp_path / "questions.csv"
    questions.write_text("id,question\n1,Who was Ada?\n2,Where is Lund?\n")
    return Workbench(tmp_path / "home"), PLAN._replace(
        questions=str(questions), seconds=0.5, arrivals="constant", timeout_s=5.0, slo_ms=3000.0
    )


def loaded(asked, url, **changes):
    bench, plan = asked
    return drain(lab.load(bench, plan._replace(url=url + "/search", **changes)))


def noted(latency_ms, outcome="200", late_ms=0.0, cpu=0.1, schedule=None):
    """What a driver notes where request i takes latency_ms[i] from sending."""
    schedule = np.arange(len(latency_ms)) / 50 if schedule is None else schedule
    outcomes = [outcome] * len(latency_ms) if isinstance(outcome, str) else outcome
    sent = schedule + np.broadcast_to(late_ms, len(latency_ms)) / 1000
    done = np.where([each.isdigit() for each in outcomes], sent + np.asarray(latency_ms) / 1000, np.nan)
    ones = np.ones(len(latency_ms), int)
    return schedule, Noted(sent, done, done, np.full(len(ones), np.nan), outcomes, [""] * len(ones), ones, ones, cpu)


def told(latency_ms, *more, **kinds):
    schedule, made = noted(latency_ms, *more, **kinds)
    return lab.point(PLAN._replace(seconds=float(schedule[-1]) + 0.02), 50.0, schedule, made)


HEADERS = "X-Groundwork-Way: local", "Server-Timing: db;dur=1.5, work;dur=2.5"


def test_every_request_is_told_recorded_and_compared_in_sql(asked):
    fail = {3: reply(503), 5: None, 7: b"HELLO", 9: reply(200, b"<p>sorry</p>")}  # the first is the one before all others
    with server(answer=lambda n: fail.get(n, reply(200, b"{}", *HEADERS))) as (url, queue):
        record = loaded(asked, url, rates=(40.0, 60.0))
    first, second = record["points"]
    assert first["outcomes"] == {"200": 16, "503": 1, "reset": 1, "garbage": 2} and second["outcomes"] == {"200": 30}
    assert first["ways"] == {"local": 16} and first["good"] == 0.8 and len(queue.arrived) == 51
    assert first["throughput"] <= 32 and sum(row["requests"] for row in first["by_second"]) == 20
    assert "at 40/s" in record["told"][0] and "At 40/s 3 requests had no answer" in record["told"][-1]
    rows = asked[0].store.query(
        "SELECT rate, outcomes, p50_ms, machine, unnest(work_s) AS work_s, unnest(outcome) AS outcome, unnest(bytes) AS bytes, "
        "unnest(attempts) AS attempts, unnest(sent_s) - unnest(intended_s) AS late, unnest(done_s) - unnest(sent_s) AS took "
        "FROM load_tests ORDER BY rate"
    )
    assert [row["outcome"] for row in rows[:9]] == ["200", "200", "503", "200", "reset", "200", "garbage", "200", "garbage"]
    assert {row["took"] is None for row in rows if row["outcome"] == "reset"} == {True} and rows[0]["bytes"] > 60
    assert all(0 <= row["late"] < 1 and row["attempts"] == 1 for row in rows) and rows[-1]["p50_ms"] == second["p50_ms"]
    assert {row["work_s"] for row in rows if row["outcome"] == "200"} == {0.0025} and rows[4]["work_s"] is None
    assert json.loads(rows[0]["outcomes"]) == first["outcomes"] and rows[0]["machine"]


def test_a_service_that_wants_a_key_gets_that_of_the_environment_and_without_it_is_told_so(asked, monkeypatch):
    heads = []
    monkeypatch.setattr(
        lab, "Sender", lambda address, requests, *more: heads.extend(requests) or Sender(address, requests, *more)
    )
    monkeypatch.delenv(KEY, raising=False)
    with server(answer=lambda n: reply(401)) as (url, _), pytest.raises(WorkbenchError, match="It wants a key") as wanted:
        loaded(asked, url)
    monkeypatch.setenv(KEY, "gw-secret")
    with server() as (url, _):
        record = loaded(asked, url)
    assert KEY in wanted.value.todo and record["points"][0]["good"] == 1.0 and "gw-secret" not in json.dumps(record)
    assert [b"Authorization: Bearer gw-secret\r\n" in head for head in heads[:2]] == [False, True]


def test_a_stall_of_two_seconds_reproduces_the_calculated_p99(asked):
    """5 s at 50/s with a stall from 1 s to 3 s: 40% of requests meet it and wait 2 s to 0 s, evenly; 1% wait longer than
    2 (1 - 0.01 / 0.4) = 1.95 s. Who waits for answers before it sends on meets the stall once, and tells a p99 of some ms."""
    for _ in range(ATTEMPTS):  # beside other work the driver may be late, and says so
        with server(stall=(1.0, 2.0)) as (url, queue):
            # the queue's first request is the one before all others, which the loaded ones follow after LEAD_S or more
            [row] = loaded(asked, url, seconds=5.0)["points"]
            stalled = [1000 * (end - at) for at, end in zip(queue.arrived, queue.served, strict=True)]
        if row["late_p99_ms"] < LATE_MS:
            break
    assert row["p99_ms"] == pytest.approx(1950, rel=0.05) and row["p50_ms"] < 300
    assert row["p95_ms"] == pytest.approx(2000 * (1 - 0.05 / 0.4), rel=0.05)
    assert row["p99_ms"] == pytest.approx(np.quantile(stalled[1:], 0.99), rel=0.05), "what the server itself saw"


def test_clients_try_again_and_wait_as_they_are_told(asked):
    def refusing(number):
        return reply(429, b"{}", "Retry-After: 1") if number in (1, 2) else reply()

    with server(answer=refusing) as (url, queue):
        [patient] = loaded(asked, url, rates=(4.0,), retries=1)["points"]
        waited = queue.arrived[3] - queue.arrived[1]
    with server(answer=refusing) as (url, queue):
        [hasty] = loaded(asked, url, rates=(4.0,), retries=1, honours=False)["points"]
    with server(answer=refusing) as (url, _):
        [gone] = loaded(asked, url, rates=(4.0,), retries=1, timeout_s=0.9)["points"]
    assert patient["outcomes"] == {"200": 2} and patient["retried"] == 2 and patient["p50_ms"] > 1000 and waited >= 1
    assert hasty["retried"] >= 1 and hasty["p50_ms"] < 1000
    assert gone["outcomes"] == {"429": 2} and gone["retried"] == 0, "nobody waits longer than the time-out"


def test_who_leaves_ends_the_sending(asked):
    bench, plan = asked
    with server() as (url, queue):
        for step in (running := Running(lab.load(bench, plan._replace(url=url + "/x", seconds=60.0)))):
            if step.done >= 10 and step.total > 1:
                break
        assert not hasattr(running, "result") and step.total == 3000 and "50/s" in step.message
        time.sleep(0.5)
        count = len(queue.arrived)
        time.sleep(0.5)
        assert len(queue.arrived) == count
    assert bench.store.query("SELECT count(*) AS n FROM load_tests") == [{"n": 0}]


@pytest.mark.parametrize(("answer", "words"), [
    (None, "closed the connection"), (b"220 mail ready\r\n", "no JSON over HTTP"), (b"", "did not answer within 0.5 s"),
    (reply(404), "status 404"), (reply(301), "status 301"), (reply(200, b"<html>"), "no JSON over HTTP"),
])  # fmt: skip
def test_a_server_that_does_not_answer_questions_is_not_loaded(asked, answer, words):
    with server(answer=lambda number: answer) as (url, queue):
        with pytest.raises(WorkbenchError, match=words) as error:
            loaded(asked, url, timeout_s=0.5)
        assert len(queue.arrived) == 1 and error.value.todo and error.value.where == url + "/search"


@pytest.mark.parametrize("seed", range(4))
def test_one_question_that_is_refused_for_its_length_ends_no_load(asked, tmp_path, monkeypatch, seed):
    bench, plan = asked
    (tmp_path / "questions.csv").write_text(f"question\n{'Who? ' * 3000}\nWhere is Lund?\n")

    def sent(run, sender, message):
        yield from ()
        long = [len(request) > 10_000 for request in sender.requests]
        return noted([1.0] * len(sender.moments), ["422" if long[n % len(long)] else "200" for n in range(len(sender.moments))])[
            1
        ]

    monkeypatch.setattr(lab, "_driven", sent)
    [row] = drain(lab.load(bench, plan._replace(seed=seed)))["points"]
    assert row["outcomes"].keys() == {"200", "422"}


def test_where_nothing_listens_it_is_said(asked):
    with server() as (url, _):
        pass
    with pytest.raises(WorkbenchError, match="Nothing listens there"):
        loaded(asked, url)


@pytest.mark.parametrize(("changes", "where"), [
    ({"url": "https://127.0.0.1/x"}, "--url, --path"), ({"url": "http://127.0.0.1:99999/x"}, "--url"),
    ({"url": "http://127.0.0.1:80x y"}, "--url"), ({"url": "http://127.0.0.1/a\r\nHost: b"}, "--url, --path"),
    ({"url": "http://user@127.0.0.1/x"}, "--url, --path"), ({"url": "http://192.0.2.1/x"}, "--url"),
    ({"url": "http:///x"}, "--url, --path"), ({"rates": (0.0,)}, "--rate"), ({"rates": (1e9,)}, "--seconds"),
    ({"timeout_s": 0.0}, "--timeout"), ({"slo_share": 1.0}, "--slo-share"), ({"retries": -1}, "--retries"),
    ({"slo_ms": float("nan")}, "--slo-ms"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(asked, changes, where):
    bench, plan = asked
    with pytest.raises(WorkbenchError) as error:
        drain(lab.load(bench, plan._replace(**changes)))
    assert error.value.where == where and error.value.todo


def test_only_this_machine_is_loaded_unless_another_is_meant():
    assert lab._target("http://127.0.0.1:8600/a", False) == (("127.0.0.1", 8600), "127.0.0.1:8600", "/a")
    assert lab._target("http://127.0.0.1:8600/a?b=c", False).path == "/a?b=c"
    assert lab._target("http://localhost/a", False).address[1] == 80
    with pytest.raises(WorkbenchError, match="another machine"):
        lab._target("http://192.0.2.1/a", False)
    assert lab._target("http://192.0.2.1/a", True).address == ("192.0.2.1", 80)


def test_questions_are_lines_rows_or_those_of_a_corpus(tmp_path):
    bench, lines, table = Workbench(tmp_path / "home"), tmp_path / "lines.txt", tmp_path / "rows.jsonl"
    lines.write_text("Who?\n\n  Where? \n")
    table.write_text('{"id": 1, "question": "Who?"}\n{"id": 2}\n')
    assert drain(lab._questions(bench, str(lines))) == ["Who?", "Where?"]
    assert drain(lab._questions(bench, str(table))) == ["Who?"]
    lines.write_text("\n")
    for name in (str(lines), "no-such-corpus"):
        with pytest.raises(WorkbenchError):
            drain(lab._questions(bench, name))
    lines.write_text("0.5\nlater\n")
    with pytest.raises(WorkbenchError, match="later"):
        lab.read_moments(lines)


def test_latency_counts_from_the_intended_moment_and_from_sending():
    row = told(np.full(200, 100.0), late_ms=3.0)
    assert (
        row["p50_ms"] == pytest.approx(103) and row["sent_p50_ms"] == pytest.approx(100) and row["mean_ms"] == pytest.approx(103)
    )
    assert row["late_p50_ms"] == pytest.approx(3) and row["limit"] == "" and row["by_second"][0]["max_ms"] == pytest.approx(103)


@pytest.mark.parametrize(("latency", "kinds", "words"), [
    (10.0, {"late_ms": 5.0}, "5.0 ms late"), (10.0, {"cpu": 0.95}, "95% of a core"), (10.0, {"outcome": "unsent"}, "200 requests"),
])  # fmt: skip
def test_where_the_driver_was_the_limit_no_number_is_told(latency, kinds, words):
    row = told(np.full(200, latency), **kinds)
    assert words in row["limit"]
    counted = {"rate", "requests", "outcomes", "ways", "retried", "late_p50_ms", "late_p99_ms", "driver_cpu", "limit"}
    assert {name for name, value in row.items() if value is not None} == counted
    assert lab.sentences([row], 500, 0.99) == [
        f"At 50/s the load generator was the limit, so no number is reported: {row['limit']}. Lower the rate, or end other work."
    ]
    assert lab.sentences([row, row | {"rate": 100}, row | {"rate": 200, "limit": "why"}], 500, 0.99) == [
        f"At 50, 100, 200/s the load generator was the limit, so no number is reported: {row['limit']} (at 50, 100/s); why (at 200/s). "
        "Lower the rate, or end other work."
    ]
    assert [lab.table([row]).rows[0][name] for name in ("good interval", "p99 interval")] == ["", ""]


def test_a_driver_that_is_late_beside_what_it_measures_is_no_limit():
    assert told(np.full(200, 1000.0), late_ms=20.0)["limit"] == "" and told(np.full(200, 100.0), late_ms=20.0)["limit"]
    lost = told(np.full(200, 100.0), ["200"] * 80 + ["time-out"] * 120, late_ms=20.0)  # an overload: a client waits for 30 s
    assert lost["limit"] == "" and lost["good"] == 0.4 and told(np.full(200, 100.0), "reset", late_ms=20.0)["limit"]


def test_no_answer_is_slower_than_any_and_a_refusal_is_no_latency():
    half = told(np.full(200, 50.0), ["200", "429"] * 100)
    assert half["p99_ms"] == pytest.approx(50) and half["good"] == 0.5
    lost = told(np.full(200, 50.0), ["200"] * 180 + ["time-out"] * 20)
    assert lost["p50_ms"] == pytest.approx(50) and lost["p95_ms"] is lost["p99_ms"] is None and lost["good"] == 0.9
    nobody = told(np.full(200, 50.0), "time-out")
    assert nobody["p50_ms"] is nobody["mean_ms"] is None and nobody["throughput"] == nobody["good"] == 0


def rate_row(rate, good, half, throughput, mean):
    shares = {"good": good, "good_low": good - half, "good_high": min(1.0, good + half)}
    return {"rate": rate, **shares, "throughput": throughput, "mean_ms": mean, "limit": "", "outcomes": {"200": 100}}


def test_capacity_and_knee_are_a_sentence_each():
    rows = [rate_row(20, 0.999, 0.002, 20, 50), rate_row(40, 0.998, 0.002, 40, 70), rate_row(60, 0.9, 0.02, 50, 300)]
    capacity, knee = lab.sentences(rows, 500, 0.99)
    assert capacity == (
        "Capacity: 40 requests/s. There 99.8% (99.6% to 100.0%) were answered within 500 ms, where 99.0% are wanted; "
        "at 60/s, with 90.0% (88.0% to 92.0%), it is missed."
    )
    assert knee == "Knee: 40/s, where throughput over mean latency is highest."
    assert "No knee up to 40/s" in lab.knee([rate_row(10, 1, 0, 10, 50), *rows[:2]]) and lab.knee(rows[:2]) == ""
    assert lab.capacity(rows[:2], 500, 0.99).endswith("no higher rate was tried.")
    doubtful = rate_row(10, 0.99, 0.01, 10, 50)
    unsure = lab.capacity([doubtful], 500, 0.99)
    assert unsure.startswith("No capacity is shown") and "neither shown" in unsure


def test_the_share_in_time_has_blocks_of_requests_as_units():
    """Ten misses in one second say less of the rate than ten apart."""
    together, apart = np.full(1000, 10.0), np.full(1000, 10.0)
    together[500:550] = apart[::20] = 900.0
    rows = [told(values) for values in (together, apart)]
    assert [row["good"] for row in rows] == [0.95, 0.95]
    assert rows[0]["good_low"] < rows[1]["good_low"] - 0.02 and told(np.full(1000, 10.0))["good_low"] > 0.99


def test_the_command_shows_a_table_and_exits_by_what_was_measured(asked, monkeypatch, capsys):
    bench, plan = asked
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    words = ["serving", "load", "--questions", plan.questions, "--rate", "20,40", "--seconds", "0.5", "--field", "k=3"]
    with server() as (url, _):
        assert main([*words, "--url", url, "--slo-ms", "2000"]) == 0
        shown = capsys.readouterr().out
        assert "Late p99 ms" in shown and shown.splitlines()[-1].startswith(("Capacity: ", "No capacity is shown"))
        monkeypatch.setattr(lab, "CPU", 0.0)
        assert main([*words, "--url", url, "--json"]) == 1
        record = json.loads(capsys.readouterr().out)
    assert [row["rate"] for row in record["points"]] == [20, 40] and all(row["p99_ms"] is None for row in record["points"])
    rows = bench.store.query("SELECT DISTINCT url, fields, seconds FROM load_tests")
    assert [row["fields"] for row in rows] == ['{"k": 3}'] and rows[0]["url"].endswith("/search")


def test_a_name_with_several_addresses_is_asked_where_something_listens(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(lab.socket, "getaddrinfo", lambda *_, **__: here)
        assert lab._target(f"http://localhost:{port}", False).address == ("127.0.0.1", port)
    assert lab._target(f"http://localhost:{port}", False).address == ("127.0.0.2", port)


def test_a_replay_is_sent_at_its_moments(asked, tmp_path):
    at = moments("bursts", 30, 0.5, seed=2)
    with server() as (url, queue):
        replay = {"arrivals": "replay", "rates": (0.0,), "recorded": tuple(at.tolist()), "seconds": 30.0}  # it ends long before
        [row] = loaded(asked, url, **replay)["points"]
    assert row["requests"] == len(at) and len(queue.arrived) == len(at) + 1
    assert row["rate"] == pytest.approx((len(at) - 1) / np.ptp(at)) and row["throughput"] > len(at) / 30
    assert asked[0].store.query("SELECT seconds FROM load_tests") == [{"seconds": pytest.approx(np.ptp(at))}]


def test_more_open_requests_than_there_is_room_for_are_unsent(monkeypatch):
    monkeypatch.setattr(driver, "MOST_OPEN", 3)
    with server(answer=lambda number: b"") as (url, queue):
        sender = driver.Sender(
            ("127.0.0.1", int(url.rpartition(":")[2])), [lab._request(lab._target(url, False), {})], np.zeros(8), 1.0
        )
        made = drain(sender.run())
    assert made.outcome == ["time-out"] * 3 + ["unsent"] * 5 and len(queue.arrived) == 3 and np.isnan(made.done).all()


@pytest.mark.parametrize(("header", "low", "high"), [
    (b"Retry-After: 7\r\n", 7, 7), (b"Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n", 1e9, 1e10), (b"", 0.4, 0.4),
    (b"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 0, 0), (b"Retry-After: soon\r\n", 0.4, 0.4),
])  # fmt: skip
def test_how_long_a_reply_asks_to_wait(header, low, high):
    reply = driver.HttpReply()
    assert reply.take(b"HTTP/1.1 429 Busy\r\n" + header + b"Content-Length: 0\r\n\r\n")
    assert low <= driver._pause(reply, attempt=2) <= high
