"""Every example that docs/adding_a_part.md leads to, written into a copy of the package, passes the contract suite of its kind."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core import registry

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding_a_part.md").read_text("utf-8")
EXAMPLES = ROOT / "docs" / "examples"
FILES = {path: (EXAMPLES / path).read_text("utf-8") for path in re.findall(r"\(examples/(\S+)\)", PAGE)}
NAME = re.compile(r'@part\("(\w+)"\).*?Literal\["(\w+)"\]', re.DOTALL)
NAMES = dict(match.groups() for text in FILES.values() if (match := NAME.search(text)))  # kind -> the example's name


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, list[tuple[str, str]]]:
    """Name of an example -> (test, what it says where it fails or is skipped) of each test that ran on it."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("core", "tests", "datasets"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for path, text in FILES.items():
        assert not (copy / path).exists(), f"{path} is there already"
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/contract", "--ignore=tests/contract/test_adding_a_part.py"]
    wanted = ["-k", " or ".join(NAMES.values()), f"--junitxml={copy / 'said.xml'}"]
    done = subprocess.run([*command, *wanted], cwd=copy, capture_output=True, text=True, timeout=900)
    assert (copy / "said.xml").is_file(), done.stdout + done.stderr
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in NAMES.values()}
    for case in ElementTree.parse(copy / "said.xml").iter("testcase"):
        for name in found:
            if name in re.split(r"[\[\]-]", case.get("name", "")):
                found[name].append((case.get("name", ""), "".join(f"{each.tag}: {each.get('message')}" for each in case)))
    return found


def test_the_page_has_an_example_of_every_kind():
    assert set(NAMES) == set(registry.kinds())
    assert set(FILES) == {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.*")}
    assert all(f"`{folder.replace('.', '/')}/`" in PAGE for folder, _ in registry.kinds().values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", registry.kinds())
def test_the_example_passes_its_contract(kind, outcomes):
    said = outcomes[NAMES[kind]]
    assert len(said) >= 2 and [message for _, message in said if message and "skipped" not in message] == []
    assert sum(not message for _, message in said) >= len(said) // 2, "most of the suite runs on it"
