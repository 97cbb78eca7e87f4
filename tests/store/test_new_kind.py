"""A kind of record that is not there yet: one file, and it is kept, read back, asked in SQL, checked, backed up and merged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.store.database import Store

ROOT = Path(__file__).parents[2]
FOLDER = '''"""Walks that an agent took."""

RECORDS = {
    "walks": (
        "One row a walk.",
        {"key": ("VARCHAR", "Identity of what decides it."), "steps": ("INTEGER", "Its steps."), "agent": ("VARCHAR", "Who walked.")},
    )
}
'''
USE = """
import json, shutil, sys, zipfile
from pathlib import Path
from core.progress import drain
from core.store.batches import batches
from core.store.database import Store

home, other = Path(sys.argv[1]), Path(sys.argv[2])
batches(home).keep("walks", {"a": {"steps": 3}, "b": {"steps": 5}}, agent="first")
store = Store(home)
other.mkdir()
with zipfile.ZipFile(drain(store.backup(other / "copy.zip"))) as archive:
    held = [name for name in archive.namelist() if ".walks." in name]
shutil.copytree(home / "journal", other / "journal")
merged = Store(other)
drain(merged.rebuild())
asked = "SELECT key, steps, agent FROM walks ORDER BY key"
print(json.dumps({
    "read": batches(home).read("walks", ["b"]),
    "rows": store.query(asked),
    "merged": merged.query(asked),
    "backed up": len(held),
    "sound": drain(merged.verify()).ok,
    "told": [row["comment"] for row in store.query("SELECT comment FROM duckdb_tables() WHERE table_name = 'walks'")],
}))
"""


@pytest.mark.slow
def test_a_kind_of_record_is_one_file(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    Store(home).query("SELECT count(*) FROM trials")  # a database from before it
    shutil.copytree(ROOT / "core", copy / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "core" / "walking").mkdir()
    (copy / "core" / "walking" / "__init__.py").write_text(FOLDER)
    words = [sys.executable, "-c", USE, str(home), str(tmp_path / "other")]
    done = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    rows = [{"key": "a", "steps": 3, "agent": "first"}, {"key": "b", "steps": 5, "agent": "first"}]
    assert told["rows"] == told["merged"] == rows and told["read"] == {"b": {"steps": 5}}
    assert told["sound"] and told["backed up"] == 1 and told["told"] == ["One row a walk."]
