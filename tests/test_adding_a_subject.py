"""The subject of docs/adding_a_subject.md, written into a copy of the tree: it touches five places, and everything follows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.store.database import Store
from tests.test_stages import put

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/adding_a_subject.md").read_text("utf-8")
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))  # path -> text
ROOMS = "docs/rooms.py"
TREE = ("core", "app", "pages", "docs", "datasets", "annotations", "tests", "benchmarks", ".streamlit")
BESIDE = (*(path.name for path in ROOT.glob("*.md")), "Makefile", "LICENSE", "NOTICE", "CITATION.cff")
GENERATED = {"README.md", "docs/guide/query_store.md", "docs/architecture.md", "docs/images/rooms.svg"}
USE = """
import json, sys, zipfile
from pathlib import Path
from streamlit.testing.v1 import AppTest
from app import navigation
from core.progress import drain
from core.store.batches import batches
from core.workbench import Workbench

bench = Workbench()
with zipfile.ZipFile(drain(bench.store.backup(Path(sys.argv[1])))) as archive:
    held = [name for name in archive.namelist() if ".bookmarks." in name]
page = AppTest.from_file(Path("app/main.py").absolute(), default_timeout=120).switch_page("../pages/list_bookmarks.py").run()
print(json.dumps({
    "read": batches(bench.home).read("bookmarks", ["a.txt"]),
    "rows": bench.store.query("SELECT key, note FROM bookmarks"),
    "sound": drain(bench.store.verify()).ok,
    "backed up": len(held),
    "navigation": [name for name, entry in navigation.entries().items() if entry.section == "Explore"],
    "title": [title.value for title in page.title],
    "text": [text.value for text in page.text],
    "failed": [each.message for each in page.exception],
}))
"""
CHECKS = """
import sys
from tests import test_docs, test_faults, test_imports, test_structure
from tests.cli import test_commands

for check in (
    test_commands.test_a_file_of_the_command_line_is_collected,
    test_docs.test_data_sets_and_tables_of_the_store_are_documented,
    test_docs.test_every_page_has_its_guide_and_every_guide_its_page,
    test_docs.test_every_verb_and_option_says_what_it_is,
    test_docs.test_the_commands_of_every_page_are_told_and_exist,
    test_faults.test_every_page_is_opened_by_a_family_with_text_of_others_and_with_odd_addresses,
    test_structure.test_a_page_says_its_blocks_and_their_order_and_nothing_else,
    test_structure.test_class_names_in_core_are_unique,
    test_structure.test_names_are_nouns_and_verbs,
    test_structure.test_screens_reach_verbs_only,
    test_structure.test_what_core_offers_is_used_outside_the_tests,
):
    check()
for module in (test_docs.generated, test_docs.rooms):
    test_docs.test_what_is_generated_is_up_to_date(module)
for file in sys.argv[1:]:
    path = test_docs.ROOT / file
    if file.startswith("core/"):
        assert not test_imports.upwards(path) | test_imports.heavy(path)
    elif file.endswith(".md"):
        test_docs.test_links_and_images_lead_somewhere(path)
        test_docs.test_files_of_the_code_that_are_named_exist(path)
        test_docs.test_modules_that_are_named_exist(path)
"""


def whole(tree: Path) -> dict[str, bytes]:
    """Each file by its path, but what Python writes."""
    files = (path for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in files}


def place(file: str) -> str:
    """A file of the subject's folder stands for the folder."""
    return re.sub(r"^(core/(?!cli/)\w+)/.*", r"\1", file)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    copy = tmp_path_factory.mktemp("tree")
    for folder in TREE:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in BESIDE:
        shutil.copy(ROOT / file, copy)
    before = whole(copy)
    for file, text in FILES.items():
        if file != ROOMS:
            assert not (copy / file).exists(), f"{file} is there already"
            (copy / file).parent.mkdir(exist_ok=True)
            (copy / file).write_text(text, "utf-8")
    put(copy / ROOMS, '        Room("labs", ', FILES[ROOMS])
    by_hand = whole(copy)
    for module in ("docs.tables", "docs.map"):
        run(copy, "-m", module)
    return copy, changed(before, by_hand), changed(by_hand, whole(copy))


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {file for file in before.keys() | after.keys() if before.get(file) != after.get(file)}


def run(copy: Path, *words: str, home: Path | None = None) -> str:
    surroundings = os.environ | ({"GROUNDWORK_HOME": str(home)} if home else {})
    done = subprocess.run([sys.executable, *words], cwd=copy, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_subject_touches_five_places(copy):
    _, by_hand, generated = copy
    assert by_hand == FILES.keys() and len({place(file) for file in by_hand}) <= 5
    assert generated == GENERATED, "what two commands write"


@pytest.mark.slow
def test_its_verb_record_and_page_are_there(copy, tmp_path):
    tree, home = copy[0], tmp_path / "home"
    Store(home).query("SELECT count(*) FROM trials")  # a database from before it
    assert re.search(r" bookmarks +Bookmarks: documents", run(tree, "-m", "core", "--help").partition("Subjects, each")[2])
    assert re.search(r" add +Mark a document\.", run(tree, "-m", "core", "bookmarks", "--help"))
    added = run(tree, "-m", "core", "bookmarks", "add", "a.txt", "--note", "Tea.", "--json", home=home)
    told = json.loads(run(tree, "-c", USE, str(tmp_path / "all.zip"), home=home).splitlines()[-1])
    assert json.loads(added) == told["read"]["a.txt"] == {"note": "Tea."}
    assert told["rows"] == [{"key": "a.txt", "note": "Tea."}] and told["sound"] and told["backed up"] == 1
    assert told["navigation"][-1] == "list_bookmarks" and told["title"] == ["Bookmarks"]
    assert told["text"] == ["a.txt: Tea."] and told["failed"] == []


@pytest.mark.slow
def test_the_rules_of_docs_and_structure_hold_for_it(copy):
    tree, by_hand, generated = copy
    run(tree, "-c", CHECKS, *by_hand, *generated)
