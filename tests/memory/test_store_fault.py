"""A full disk, a damaged file, killed and concurrent writers: what was acknowledged is there."""

import os
import signal
import subprocess
import sys

import pytest

from core.errors import WorkbenchError
from core.files import DiskError
from core.memory.facts import FactDraft
from core.memory.store import FactStore
from tests.support.remembered import memory
from tests.support.small_disk import files_of_at_most

WRITER = """
import sys
from pathlib import Path
from core.memory.facts import FactDraft
from core.memory.store import FactStore
store, name = FactStore(Path(sys.argv[1]), encode=None), sys.argv[2]
for number in range(int(sys.argv[3])):
    store.write(FactDraft("", f"machine {name}-{number}", "firmware", f"v{number}"))
    print(number, flush=True)
"""


def writer(home, name, number):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(home), name, str(number)], stdout=subprocess.PIPE, text=True)


def test_four_processes_write_at_once_and_one_is_killed(tmp_path):
    writers = [writer(tmp_path, name, 20) for name in "abc"]
    doomed = writer(tmp_path, "d", 100_000)
    lines = [doomed.stdout.readline() for _ in range(10)]
    os.kill(doomed.pid, signal.SIGKILL)
    assert [each.wait() for each in writers] == [0, 0, 0]
    acknowledged = len([line for line in (*lines, *doomed.stdout) if line.endswith("\n")])
    store = memory(tmp_path, encode=None)
    assert store.damage() == []
    subjects = {fact.subject for fact in store.facts(10_000)}
    assert {f"machine {name}-{number}" for name in "abc" for number in range(20)} <= subjects
    assert {f"machine d-{number}" for number in range(acknowledged)} <= subjects


def test_a_full_disk_is_told_and_loses_nothing(tmp_path):
    store = FactStore(tmp_path, encode=None)
    store.write(FactDraft("The first fact is here."))
    with files_of_at_most(2_000_000), pytest.raises(DiskError, match="could not be written"):
        for number in range(1000):
            store.write(FactDraft(f"Fact number {number} is one of many that fill the disk."))
    again = FactStore(tmp_path, encode=None)
    written = again.counts().facts
    assert again.damage() == [] and written > 1
    again.write(FactDraft("There is room again for this."))
    assert again.counts().facts == written + 1


def test_a_damaged_file_is_told_with_what_to_do(tmp_path):
    memory(tmp_path).close()
    path = tmp_path / "memory" / "facts.sqlite"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(WorkbenchError, match="cannot be read") as problem:
        memory(tmp_path)
    assert "backup" in problem.value.todo
