"""Several processes on one home: writers, readers, a slow query, another program in the database, two apps, killed children."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import homes
from tests.faults.harness import Case, Lab, asked, attack, forked, told, verb


def beside(work: Callable[[], object], *, wait_for: Path | None = None) -> int:
    """Starts `work` in a process of its own and returns its id, once the file is there that it is waited for."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    end = time.monotonic() + 30
    while wait_for and not wait_for.exists():
        assert time.monotonic() < end, "what was to stand beside did not start"
        time.sleep(0.01)
    return child


def ended(*children: int, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    for child in children:
        while not os.waitpid(child, os.WNOHANG)[0]:
            assert time.monotonic() < end, f"a process did not end within {seconds:.0f} s"
            time.sleep(0.01)


@attack("processes", "writers of trials and labels beside readers and a sweep: all are there")
def crowd(lab: Lab) -> Iterator[Case]:
    def check(writers: int, each: int) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        before, labels = len(told(home, "trials", "--limit", "1000")), len(homes.labels(home))

        def write() -> None:
            from core.store.database import Store
            from tests.annotation.test_annotation_fault import PAYLOAD

            store = Store(home)
            for number in range(each):
                store.add("trial", {"status": "ok", "seed": number, "config": {"corpus": {"dataset": "towns"}}})
                store.add_label({**PAYLOAD, "item": f"{os.getpid()}-{number}"})

        def read() -> None:
            for _ in range(8):
                verb(home, "trials").well()

        children = [beside(write) for _ in range(writers)] + [beside(read)]
        verb(home, "sweep", *homes.SPARSE, *homes.GRID).well()
        ended(*children)
        assert len(told(home, "trials", "--limit", "1000")) == before + writers * each + 4, "trials are missing"
        assert len(homes.labels(home)) == labels + writers * each, "labels are missing"
        homes.verified(home)

    for number in range(1, 4):
        yield Case(str(number), lambda: check(6, 30), 120.0)


def slow_reader(home: Path, seconds: float, ready: Path) -> Callable[[], None]:
    """A page of ours whose query takes long."""

    def work() -> None:
        from core.store.database import Store

        store = Store(home)
        store.fold()
        with store.file.reader() as connection:
            connection.execute("SELECT count(*) FROM trials").fetchall()
            ready.touch()
            time.sleep(seconds)

    return work


def foreign(home: Path, seconds: float, ready: Path, read_only: bool) -> Callable[[], None]:
    """Another program, which knows nothing of our locks."""

    def work() -> None:
        import duckdb

        connection = duckdb.connect(str(home / "groundwork.duckdb"), read_only=read_only)
        ready.touch()
        time.sleep(seconds)
        connection.close()

    return work


@attack("processes", "beside a long query, or another program in the database: nothing stale in silence")
def held(lab: Lab) -> Iterator[Case]:
    def check(who: str, action: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        before, ready = homes.trials(home), Path.cwd() / "ready"
        work = {
            "reader": slow_reader(home, 25, ready),
            "reading": foreign(home, 25, ready, True),
            "writing": foreign(home, 25, ready, False),
        }[who]
        child = beside(work, wait_for=ready)
        new = 4 if action == "sweep" else 1
        arguments = ("sweep", *homes.SPARSE, *homes.GRID) if action == "sweep" else ("run", *homes.SPARSE)
        ran = verb(home, *arguments, limit_s=40).calm()
        assert ran.code == 0, f"`{action}` beside it failed: {ran.said()}"
        if action == "trials":
            listed = verb(home, "trials", "--limit", "1000", "--json", limit_s=40).calm()
            assert listed.code == 0, f"`trials` beside it failed: {listed.said()}"
            import json

            complete = len(json.loads(listed.out)) == len(before) + 1
            assert complete or listed.err.strip(), "a list without the latest trial, and no word of it"
        os.kill(child, signal.SIGKILL)
        ended(child)
        found = homes.trials(home)
        assert len(found) == len(before) + new, f"{len(found) - len(before)} new trials, {new} were run"
        if action == "sweep":
            verb(home, *arguments).well()
            assert len(homes.trials(home)) == len(found), "the sweep stored its points twice"

    for who in ("reader", "reading", "writing"):
        for action in ("run", "trials", "sweep"):
            yield Case(f"{who}-{action}", lambda who=who, action=action: check(who, action), 120.0)


@attack("processes", "the same sweep, ingestion or training twice at once")
def twice(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        home = homes.copy(lab, homes.towns, Path.cwd() / "home")
        source = Path.cwd() / "tea"
        source.mkdir()
        for thing, text in homes.texts().items():
            (source / thing).write_text(text)
        arguments = {
            "sweep": ("sweep", *homes.SPARSE, *homes.GRID),
            "ingest": ("ingest", "mine", source),
            "index": ("run", *homes.HNSW),
            "rebuild": ("rebuild",),
        }[name]
        errors: list[str] = []

        def one() -> None:
            ran = verb(home, *arguments)
            (Path.cwd() / f"said-{os.getpid()}").write_text(ran.err if ran.code else "")

        ended(*[beside(one) for _ in range(3)])
        errors += [text for path in Path.cwd().glob("said-*") if (text := path.read_text())]
        assert not errors, f"one of three failed: {' '.join(errors[0].split())[-200:]}"
        if name == "sweep":
            assert len(homes.distinct(homes.trials(home))) == 4, "other trials than of one sweep"
        if name == "ingest":
            about = next(one for one in told(home, "datasets") if one["name"] == "mine")
            assert about["documents"] == len(homes.texts()), f"{about['documents']} documents of {len(homes.texts())}"
        homes.verified(home)

    for name in ("sweep", "ingest", "index", "rebuild"):
        yield Case(name, lambda name=name: check(name), 120.0)


@attack("processes", "a model's process that is killed, aborts or hangs in the middle of an answer: the app lives")
def engines(lab: Lab) -> Iterator[Case]:
    def check(how: str) -> None:
        from core.errors import WorkbenchError
        from core.models import own_process
        from tests.models.test_own_process_fault import Played

        folder = Path.cwd() / "model"
        folder.mkdir()
        played = Played(model=str(folder))
        child, said = played.pid(), ""
        own_process.GRACE_S = 0.5
        writing = played.generate(1000, deadline_s=2.0 if how == "stopped" else 60.0)
        next(writing)
        try:
            if how == "abort":
                played.ends()
            os.kill(child, signal.SIGSTOP if how == "stopped" else getattr(signal, how, signal.SIGKILL))
            for _ in writing:
                pass
        except WorkbenchError as error:
            said = error.what
        assert said, "what ended it is not told"
        assert played.pid() != child, "the next call did not get a new process"
        assert list(played.generate(3)) == ["0 ", "1 ", "2 "]

    for how in ("SIGKILL", "SIGSEGV", "SIGILL", "SIGBUS", "SIGTERM", "stopped", "abort"):
        yield Case(how, lambda how=how: check(how), 60.0)


@attack("processes", "jobs: killed, their files gone, the parent gone")
def jobs(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        home = homes.copy(lab, homes.towns, Path.cwd() / "home")

        def work(home: Path) -> list:
            from core.jobs.jobs import Jobs

            jobs = Jobs(home)
            job_id = jobs.start(["sweep", *homes.SPARSE, "--grid", "sparse.k1=0.1:3:0.01"], "A sweep")
            end = time.monotonic() + 40
            while jobs.get(job_id).status == "queued" and time.monotonic() < end:
                time.sleep(0.05)
            process = jobs._process(job_id)
            if name == "SIGSTOP":
                jobs.cancel(job_id, grace_s=0.3)
            else:
                os.kill(process.pid, getattr(signal, name))
            while jobs.get(job_id).active and time.monotonic() < end:
                time.sleep(0.05)
            job = jobs.get(job_id)
            return [job.status, job.error]

        status, error = asked(home, work)
        assert status in ("died", "cancelled", "failed"), f"it is told to be {status}"
        if name in ("SIGKILL", "SIGSEGV"):
            assert name in error or str(int(getattr(signal, name))) in error, f"the signal is not named: {error!r}"
        homes.verified(home)

    for name in ("SIGKILL", "SIGSEGV", "SIGTERM", "SIGSTOP"):
        yield Case(name, lambda name=name: check(name), 90.0)


@attack("processes", "threads of one app that read, write and fold at once")
def threads(lab: Lab) -> Iterator[Case]:
    def check() -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")

        def work() -> int:
            from core.workbench import Workbench

            store, troubles = Workbench(home).store, []

            def use(number: int) -> None:
                try:
                    for turn in range(6):
                        store.add("trial", {"status": "ok", "seed": number * 100 + turn, "config": {}})
                        counts = store.query("SELECT count(*) AS n, count(DISTINCT id) AS d FROM trials")[0]
                        assert counts["n"] == counts["d"]
                except Exception as error:
                    troubles.append(f"{type(error).__name__}: {error}")

            crowd = [threading.Thread(target=use, args=[number]) for number in range(6)]
            [one.start() for one in crowd]
            [one.join() for one in crowd]
            assert not troubles, troubles[0]
            return 0

        before = len(homes.trials(home))
        forked(work, home).well()
        assert len(homes.trials(home)) == before + 36, "trials are missing"

    yield Case("store", check)
