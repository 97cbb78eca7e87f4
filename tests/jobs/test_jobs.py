"""Jobs, with a tiny verb in place of the command line: they outlive who started them and tell their state truly."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.errors import WorkbenchError
from core.jobs import jobs as module
from core.jobs.jobs import Jobs

ROOT = Path(__file__).parents[2]
# "count N": N steps, each noted in done.txt, so that a resumed count goes on where it was
VERB = """
import os, signal, sys, threading, time
from pathlib import Path
from core.errors import Refused, WorkbenchError
from core.jobs.jobs import drive
from core.records import Progress, Up

def verb(kind, total):
    folder = Path(os.environ["GROUNDWORK_HOME"])
    notes = folder / "done.txt"
    done = len(notes.read_text()) if notes.exists() else 0

    def seen(what):
        while not (folder / what).exists():
            time.sleep(0.01)

    try:
        if kind == "slow-to-load":
            yield Progress(0, 0, "Loading")
            seen("loading")
        if kind == "up":
            stopped = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: stopped.set())
            yield Up(0, 0, "Up on 127.0.0.1")
            stopped.wait()
            time.sleep(0.3)  # what was let in is finished
            return "Stopped."
        for step in range(done, total):
            yield Progress(step, total, f"step {step}")
            if kind == "deaf":
                time.sleep(60)
            if kind in ("halting", "slow-to-load") and step == 25:
                seen("half")
            time.sleep(0.01)
            with open(notes, "a") as file:
                file.write("x")
        if kind == "error":
            raise WorkbenchError("The corpus is empty.", todo="Add a document.")
        if kind == "refused":
            raise Refused("It is below its gate.")
        if kind == "bug":
            raise ZeroDivisionError("a bug")
        yield Progress(total, total, "almost")
        return "trial-1"
    finally:
        (folder / "cleaned.txt").write_text("yes")

print("hello", flush=True)
if sys.argv[1] == "crash":
    raise SystemExit("no such verb")
job = sys.argv[sys.argv.index("--job") + 1]
drive(verb(sys.argv[1], int(sys.argv[2])), job, os.environ["GROUNDWORK_HOME"])
"""
PREFIX = (sys.executable, "-c", VERB)


def wait(jobs, job_id, until=lambda job: not job.active, seconds=120):
    deadline = time.monotonic() + seconds
    while not until(job := jobs.get(job_id)):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


@pytest.fixture
def jobs(tmp_path):
    jobs = Jobs(tmp_path, PREFIX)
    yield jobs
    for job in jobs.list():
        jobs.cancel(job.id, grace_s=0)


@pytest.mark.slow
def test_the_time_left_is_that_of_the_phase(jobs):
    """Loading is no part of what a step takes: 50 steps of some hundredths of a second."""
    job_id = jobs.start(["slow-to-load", "50"], "Counting")
    loading = wait(jobs, job_id, lambda job: job.message == "Loading" and "so far" in job.words)
    told = time.time()
    (jobs.home / "loading").touch()
    middle = wait(jobs, job_id, lambda job: job.done >= 25)
    assert middle.phase_began >= told > loading.phase_began and middle.phase_first == 1  # the first may hold a loading
    assert middle.words.startswith("step ") and " of 50 · " in middle.words and middle.words.endswith(" left in this phase")
    (jobs.home / "half").touch()
    assert wait(jobs, job_id).words == "almost · 50 of 50"


def begun(job):
    return job.done >= 3 or not job.active


def test_a_job_runs_and_reports(jobs):
    job_id = jobs.start(["halting", "50"], "Counting")
    middle = wait(jobs, job_id, begun)
    assert middle.status == "running" and middle.total == 50 and 0 < middle.share < 1 and "step" in middle.message
    (jobs.home / "half").touch()
    job = wait(jobs, job_id)
    assert (job.status, job.result, job.label, job.arguments) == ("done", "trial-1", "Counting", ("halting", "50"))
    assert job.created <= job.started <= job.finished and job.error == ""
    assert "hello" in jobs.log_tail(job_id) and jobs.list() == [job]


def test_the_same_job_is_not_started_twice(jobs):
    job_id = jobs.start(["count", "100000"], "Counting")
    assert jobs.start(["count", "100000"], "Counting") == job_id == Jobs(jobs.home, PREFIX).start(["count", "100000"], "again")
    assert jobs.start(["count", "100001"], "Counting") != job_id
    jobs.cancel(job_id)
    other = jobs.start(["count", "100000"], "Counting")
    assert other != job_id and jobs.resume(job_id) == other and jobs.get(job_id).status == "cancelled"


@pytest.mark.slow
def test_a_job_outlives_its_parent_and_is_found_again(tmp_path):
    parent = f"from core.jobs.jobs import Jobs; print(Jobs({str(tmp_path)!r}, {PREFIX!r}).start(['halting', '100'], ''))"
    ended = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True, check=True)
    job_id = ended.stdout.strip()
    jobs = Jobs(tmp_path, PREFIX)
    assert wait(jobs, job_id, begun).status == "running"
    (jobs.home / "half").touch()
    assert wait(jobs, job_id).status == "done"


def test_a_dead_job_is_seen_though_its_parent_takes_no_notice(tmp_path):
    parent = f"""
import time
from core.jobs.jobs import Jobs
print(Jobs({str(tmp_path)!r}, {PREFIX!r}).start(["crash"], ""), flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert wait(Jobs(tmp_path, PREFIX), process.stdout.readline().strip()).status == "died"
    finally:
        process.kill()
        process.communicate()


def test_cancelling_closes_the_verb(jobs):
    job_id = jobs.start(["count", "100000"], "Counting")
    wait(jobs, job_id, begun)
    job = jobs.cancel(job_id, grace_s=60)
    assert job.status == "cancelled" and (jobs.home / "cleaned.txt").exists() and jobs._process(job_id) is None
    assert jobs.cancel(job_id) == job


@pytest.mark.slow
def test_what_is_up_is_told_so_and_finishes_its_work_when_it_is_stopped(jobs):
    job_id = jobs.start(["up", "0"], "Serving")
    up = wait(jobs, job_id, lambda job: job.status == "up")
    assert up.active and up.share is None and re.fullmatch(r"Up on 127.0.0.1 · for \d.*", up.words)
    assert jobs.start(["up", "0"], "Serving") == job_id
    stopped = jobs.cancel(job_id, grace_s=0)  # it has longer
    assert (stopped.status, stopped.result) == ("done", "Stopped.") and (jobs.home / "cleaned.txt").exists()


@pytest.mark.slow
def test_a_job_that_does_not_listen_is_killed_after_the_grace(jobs):
    job_id = jobs.start(["deaf", "10"], "Deaf")
    wait(jobs, job_id, lambda job: job.message)
    assert jobs.cancel(job_id, grace_s=0.2).status == "cancelled"
    assert jobs._process(job_id) is None and not (jobs.home / "cleaned.txt").exists()


def test_cancelling_before_it_has_spoken(jobs):
    job_id = jobs.start(["count", "100000"], "Counting")
    assert jobs.cancel(job_id).status == "cancelled"


@pytest.mark.slow
def test_a_killed_job_is_shown_as_died_and_resumes_where_it_was(jobs):
    job_id = jobs.start(["halting", "80"], "Counting")
    wait(jobs, job_id, begun)
    os.kill(jobs._process(job_id).pid, signal.SIGKILL)
    job = wait(jobs, job_id)
    assert job.status == "died" and job.finished and job.error
    done = len((jobs.home / "done.txt").read_text())
    (jobs.home / "half").touch()
    assert 0 < done < 80 and jobs.resume(job_id) == job_id
    job = wait(jobs, job_id, begun)
    assert job.done >= done and job.attempt == 2 and not job.error
    assert wait(jobs, job_id).status == "done" and len((jobs.home / "done.txt").read_text()) == 80


@pytest.mark.parametrize("kind, error, log", [
    ("error", "The corpus is empty. Add a document.", ""), ("bug", "ZeroDivisionError: a bug", "Traceback"),
    ("refused", "It is below its gate.", ""),
])  # fmt: skip
def test_errors_are_told(jobs, kind, error, log):
    job = wait(jobs, jobs.start([kind, "2"], "Failing"))
    assert (job.status, job.error, job.refused) == ("failed", error, kind == "refused") and log in jobs.log_tail(job.id)
    assert (jobs.home / "cleaned.txt").exists()


def test_a_job_that_never_got_going_shows_why(jobs):
    job = wait(jobs, jobs.start(["crash"], "Crashing"))
    assert job.status == "died" and "no such verb" in job.error


def test_a_heart_that_stopped_is_seen(jobs, monkeypatch):
    job_id = jobs.start(["deaf", "10"], "Deaf")
    wait(jobs, job_id, lambda job: job.heartbeat)
    process = jobs._process(job_id)
    process.suspend()
    monkeypatch.setattr(module, "STALE_S", 0.5)
    assert wait(jobs, job_id).error == "It does not respond."
    assert jobs.resume(job_id) == job_id
    assert not psutil.pid_exists(process.pid) or jobs._process(job_id).pid != process.pid


@pytest.mark.parametrize("step_s", [3600, -3600, 40])
def test_a_clock_that_is_set_makes_no_job_dead_or_hang_and_starts_none_twice(jobs, monkeypatch, step_s):
    """Set, it moves the times at which the machine and its processes began; a machine that slept wakes with an older heartbeat."""
    job_id = jobs.start(["deaf", "10"], "Deaf")
    wait(jobs, job_id, begun_at_all)
    booted, now = psutil.boot_time(), time.time
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: booted + step_s)
    monkeypatch.setattr(module.time, "time", lambda: now() + step_s)
    assert (job := jobs.get(job_id)).status == "running" and not job.hangs
    assert jobs.start(["deaf", "10"], "again") == job_id and len(jobs.list()) == 1


def test_a_job_that_hangs_is_not_started_beside_itself_and_can_be_cancelled(jobs, monkeypatch):
    for kind, cleaned in (("count", True), ("deaf", False)):
        job_id = jobs.start([kind, "100000"], "Counting")
        wait(jobs, job_id, lambda job: job.heartbeat and job.message)
        jobs._process(job_id).suspend()
        with monkeypatch.context() as patch:
            patch.setattr(module, "STALE_S", 0.5)
            assert wait(jobs, job_id).status == "died" and jobs.get(job_id).hangs
            assert jobs.start([kind, "100000"], "again") == job_id and len(jobs.list()) == 1 + (kind == "deaf")
            assert jobs.cancel(job_id, grace_s=60 if cleaned else 0.2).status == "cancelled"
        assert jobs._process(job_id) is None and not jobs.get(job_id).alive
        assert (jobs.home / "cleaned.txt").exists() == cleaned
        (jobs.home / "cleaned.txt").unlink(missing_ok=True)


def test_a_pid_that_was_given_out_again_is_not_taken_for_the_job(jobs):
    job_id = jobs.start(["count", "100000"], "Counting")
    wait(jobs, job_id, begun)
    jobs._process(job_id).kill()
    wait(jobs, job_id)
    for name in ("job.json", "state.json"):
        path = jobs.folder / job_id / name
        path.write_text(json.dumps({**json.loads(path.read_text()), "pid": os.getpid()}))
    assert jobs.get(job_id).status == "died"
    jobs.cancel(job_id)  # and does not kill us


@pytest.mark.slow
def test_old_finished_jobs_are_pruned(jobs, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    ids = []
    for number in range(3):
        ids.append(jobs.start(["crash", str(number)], "Crashing"))
        wait(jobs, ids[-1])
    ids.append(jobs.start(["count", "100000"], "Counting"))
    assert [job.id for job in jobs.list()] == ids[:0:-1]


def test_there_is_no_such_job(jobs):
    for job_id in ("nothing", "../journal", ""):
        for call in (jobs.get, jobs.cancel, jobs.resume):
            with pytest.raises(WorkbenchError):
                call(job_id)
    assert jobs.list() == [] and jobs.log_tail("nothing") == ""


@pytest.mark.slow
@pytest.mark.parametrize("content", [
    "[1, 2]", "5", "null", '"x"', "[" * 5000, "{}", '{"label": "x"}', "", "\0",
    '{"label": 1, "arguments": {}, "created": NaN, "attempt": "1", "spawned": 1e400, "pid": -1, "status": []}',
])  # fmt: skip
def test_a_job_whose_file_holds_something_else_breaks_no_list(jobs, content):
    job_id = jobs.start(["count", "100000"], "Counting")
    wait(jobs, job_id, begun)
    odd = jobs.folder / "01jodd"
    odd.mkdir()
    (odd / "job.json").write_text(content)
    assert [job.id for job in jobs.list()] == [job_id]
    with pytest.raises(WorkbenchError, match="damaged"):
        jobs.get("01jodd")
    jobs.cancel(job_id)
    (jobs.folder / job_id / "state.json").write_text(content)
    [job] = jobs.list()
    assert job.status == "died" and job.share is None


@pytest.mark.parametrize("name, words", [("SIGKILL", "free memory"), ("SIGSEGV", "")])
def test_a_job_that_was_killed_names_the_signal(jobs, name, words):
    job_id = jobs.start(["deaf", "10"], "Deaf")
    wait(jobs, job_id, begun_at_all)
    os.kill(jobs._process(job_id).pid, signal.Signals[name])
    job = wait(jobs, job_id)
    assert job.status == "died" and f"by the signal {name}" in job.error and words in job.error


def begun_at_all(job):
    return job.status == "running"
