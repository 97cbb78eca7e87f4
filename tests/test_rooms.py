"""The tests stand where what they test stands: who knows a room's word finds its tests."""

import re
from pathlib import Path

import pytest

from docs.rooms import FLOORS

TESTS = Path(__file__).parent
ROOT = TESTS.parent
ROOMS = {room.name for floor in FLOORS for room in floor}
APART = {"benchmarks", "contract", "faults", "records", "support"}


def test_folders_of_tests_are_rooms():
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - ROOMS - APART == set()
    inside = {path.name for path in (TESTS / "labs").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert inside <= {path.name for path in (ROOT / "core/labs").iterdir()}


@pytest.mark.parametrize("path", sorted((TESTS / "contract").glob("test_*.py")), ids=lambda path: path.stem)
def test_a_contract_suite_takes_its_parts_from_the_registry(path):
    assert re.search(r"\bparts\(|\bPARTS\b|registry", path.read_text("utf-8"))


def test_the_kind_of_a_test_is_its_marker(request):
    items = {item.path: {mark.name for mark in item.iter_markers()} for item in request.session.items}
    for path, marks in items.items():
        kind = path.stem.rpartition("_")[2]
        assert kind not in ("property", "peers", "fault", "browser") or kind in marks
