"""The documentation says what the code does: names occur, links lead somewhere, generated tables are up to date."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import yaml

import core.__main__  # noqa: F401  # which knows all verbs
from app import navigation
from core import registry
from core.cli.frame import VERBS
from core.cli.parts import settings, trainings
from core.corpus.cards import cards
from core.labs.papers import bibliography
from core.store import tables
from docs import map as rooms
from docs import numbers
from docs import tables as generated

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
METHODS = [path for path in PAGES if path.parent.name == "methods"]
TEXT = {path: path.read_text("utf-8") for path in PAGES}
ALL = "\n".join(TEXT.values())
SOURCES = [path for folder in ("core", "app", "pages", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
TOPS = ("core", "app", "pages", "tests", "benchmarks", "docs")
VARIABLE = re.compile(r"environ(?:\.get|\.setdefault|\.pop)?[\[(]\s*(\"\w+\"|'\w+'|[A-Z_]+\b)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """A page without its examples."""
    return re.sub(r"```.*?```", "", TEXT[path], flags=re.DOTALL)


def variables() -> set[str]:
    """Names of the environment variables that the code reads, also through a module's constant."""
    found = set()
    for path in SOURCES:
        source = path.read_text("utf-8")
        constants = {
            node.targets[0].id: node.value.value
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
        }
        for match in VARIABLE.findall(source):
            found.add(match.strip("\"'") if match[0] in "\"'" else constants[match])
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return found | set(re.findall(r"^(?:export )?(\w+) \?=", makefile, re.MULTILINE))


def anchors(text: str) -> set[str]:
    """Of the headings, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("kind", generated.DEFINED)
def test_methods_name_every_part_that_ranks_writes_or_judges(kind):
    missing = {part for part in registry.parts(kind) if f"`{part}`" not in TEXT[ROOT / "docs/methods.md"]}
    assert not missing, f"docs/methods.md does not name {missing}: run `python -m docs.tables`"


def test_methods_define_every_metric_and_measure():
    """What a number means is no matter of its docstring alone."""
    for kind in ("metric", "measure"):
        places = [TEXT[generated.METHODS / f"{name}.md"] for name in generated.DEFINED[kind]]
        assert {part for part in registry.parts(kind) if not any(f"`{part}`" in text for text in places)} == set()


def test_a_page_of_methods_is_short_and_so_is_all_of_the_documentation():
    assert {path.name: len(TEXT[path].encode()) for path in METHODS if len(TEXT[path].encode()) > 12_000} == {}
    made_here = re.compile(r"\.|data$|node_modules$")  # .venv, .pytest_cache and what a use leaves
    every = [path for path in ROOT.rglob("*.md") if not any(map(made_here.match, path.relative_to(ROOT).parts))]
    assert sum(path.stat().st_size for path in every) <= 500_000, "print-outs are commands (`list`, `--help`, `benchmarks show`)"


def test_methods_define_every_bm25_variant():
    variants = registry.find("sparse", "bm25s").model_json_schema()["properties"]["variant"]["enum"]
    missing = {variant for variant in variants if f"| `{variant}` |" not in TEXT[ROOT / "docs/methods/retrieval.md"]}
    assert not missing, f"write the formula of {missing} into the table of docs/methods/retrieval.md, Sparse retrieval"


def test_every_entry_of_the_references_has_a_key_of_its_own():
    keys = re.findall(r"^@\w+{([^,]+),$", (ROOT / "core/labs/papers/references.bib").read_text("utf-8"), re.MULTILINE)
    assert len(keys) == len(set(keys)) > 150
    assert set(keys) == bibliography.entries().keys()


def test_every_setting_says_what_it_is():
    assert {row["setting"] for row in (*settings(), *trainings()) if len(row["what"]) < 8} == set()


def test_every_verb_and_option_says_what_it_is():
    for verb in VERBS.values():
        about = inspect.getdoc(verb.function) or ""
        assert about.partition("\n\n")[0].endswith((".", ":")), f"{verb.name}: a sentence says what it does"


def test_the_commands_of_every_page_are_told_and_exist():
    lines = [re.findall(r"^Commands: (.+)$", text, re.MULTILINE) for path, text in TEXT.items() if path.parent.name == "guide"]
    verbs = {verb.name for verb in VERBS.values()}
    named = ("annotate ", "experiment ", "paper ", "serving ", "stores ")
    told = {name for [line] in lines for name in re.findall(r"`([^`]+)`", line)} - {f"{name}…" for name in named}
    assert told <= verbs
    assert {name for name in verbs - told if not name.startswith(named)} == {"list"}


def test_every_page_has_its_guide_and_every_guide_its_page():
    pages, guides = (
        {p.stem for p in (ROOT / folder).glob(f"*.{end}")} for folder, end in (("pages", "py"), ("docs/guide", "md"))
    )
    assert guides == pages == navigation.entries().keys()
    for page in pages:
        assert f"`pages/{page}.py`" in TEXT[ROOT / f"docs/guide/{page}.md"]
        assert f"docs/guide/{page}.md" in TEXT[ROOT / "README.md"]


def test_every_environment_variable_is_documented():
    found = variables()
    assert {"GROUNDWORK_HOME", "GROUNDWORK_DATASETS", "BROWSER_PATH", "PORT"} <= found, "the search itself works"
    assert {
        variable for variable in found if f"`{variable}" not in TEXT[ROOT / "README.md"] and f"{variable}=" not in ALL
    } == set()


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", ALL, re.MULTILINE)) <= targets


def test_data_sets_and_tables_of_the_store_are_documented():
    assert {card for card in cards() if f"`{card}`" not in ALL} == set()
    assert {one.name for one in tables.describe() if f"| `{one.name}` |" not in TEXT[ROOT / "docs/guide/query_store.md"]} == set()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_and_images_lead_somewhere(path):
    for target in LINK.findall(TEXT[path]):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), target


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_files_of_the_code_that_are_named_exist(path):
    named = re.findall(r"`((?:core|app|pages|tests|benchmarks|docs)/[\w/]+(?:\.\w+)?)`", prose(path))
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_no_path_of_one_machine_and_no_shouting(path):
    assert re.findall(r"/work/|/root/|/home/\w+|/Users/\w+|/tmp/", TEXT[path]) == []
    assert re.findall(r"\w!(?!\[)", re.sub(r"`[^`]*`", "", prose(path))) == []


@pytest.mark.parametrize("path", TEXT, ids=name)
def test_no_page_holds_the_marks_of_a_merge(path):
    assert not re.findall(r"^(?:<{7} .*|={7}|>{7} .*)$", TEXT[path], re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_modules_that_are_named_exist(path):
    named = set(re.findall(r"python -m ((?:core|docs|benchmarks|tests)(?:\.[\w.]+)?)", TEXT[path]))
    places = {module: ROOT / module.replace(".", "/") for module in named}
    assert {
        m for m, place in places.items() if not (place / "__main__.py").exists() and not place.with_suffix(".py").exists()
    } == set()
    files = set(re.findall(r"`([\w/]+\.py)`", prose(path)))
    known = {path.as_posix() for top in TOPS for path in (ROOT / top).rglob("*.py")}
    assert {file for file in files if not any(path.endswith(f"/{file}") for path in known)} == set()


@pytest.mark.parametrize("module", [generated, numbers, rooms], ids=["tables", "numbers", "rooms"])
def test_what_is_generated_is_up_to_date(module):
    for path, wanted in module.pages().items():
        assert path.read_text("utf-8") == wanted, f"{name(path)} is out of date: run `python -m {module.__name__}`"


def test_a_finding_is_bold_by_its_corrected_p_and_not_by_its_interval(monkeypatch):
    test = {"difference": 0.07, "low": 0.01, "high": 0.13, "n": 100}
    told = {
        "whole": {"result": {"part": {"test": {**test, "p": 0.03, "p_holm": 0.15}}}},
        "bare": {"result": {"part": {"test": {**test, "p": 0.03}, "another": {"p": 0.04}, "undefined": {"p": None}}}},
        "sole": {"result": {"part": {"test": {**test, "p": 0.03}}, "beside": {"p": 0.04}}},
    }
    monkeypatch.setattr(numbers, "results", lambda: told)
    monkeypatch.setattr(numbers, "FINDINGS", [(name, "part.test", "part.test.n", name) for name in told])
    rows = [line for line in numbers.findings().splitlines() if "0.070" in line]
    assert [line.split(" | ")[0].strip("| ") for line in rows if "**" in line] == ["sole"] and len(rows) == 3


def test_pictures_are_used_and_small():
    pictures = sorted(path for path in (ROOT / "docs/images").iterdir() if path.suffix in (".png", ".gif"))
    assert {path.suffix for path in pictures} == {".png", ".gif"}
    assert [picture.name for picture in pictures if f"images/{picture.name}" not in ALL] == []
    assert [picture.name for picture in pictures if picture.stat().st_size >= 300_000] == []
    assert sum(picture.stat().st_size for picture in pictures if picture.suffix == ".png") < 2_000_000


def test_notices_name_what_is_shipped_with_its_licences():
    notice = (ROOT / "NOTICE").read_text("utf-8")
    cards = [path.parent / "README.md" for path in (ROOT / "core").rglob("*.safetensors")]
    assert len(cards) >= 3
    for card in cards:
        told = notice.partition(str(card.parent.relative_to(ROOT)))[2].partition("\n  core/")[0].partition("\n  None")[0]
        named = set(
            re.findall(
                r"CC BY(?:-SA)? 4\.0|\bMIT\b|Apache-2\.0", card.read_text("utf-8").partition("Trained on")[2].partition(" |\n")[0]
            )
        )
        assert told and {licence for licence in named if licence not in told} == set(), card
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_the_citation_is_of_the_newest_release():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert f"## {cited['version']}," in TEXT[ROOT / "CHANGELOG.md"] and cited["license"] == "Apache-2.0"
