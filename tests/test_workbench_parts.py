"""What the verbs are made of: grids, recipes from the command line, commands that reproduce."""

import json
import subprocess
import sys

import pytest

from core import files
from core.__main__ import parse
from core.cli.options import RecipeOptions
from core.config import TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.files.grids import read_grid
from core.labs.doctor.machine import _cache, doctor
from core.pipeline.memory import bytes_of
from core.pipeline.stages import Resolved
from core.records import Corpus, Document, plain
from core.retrieval.bm25_fast import BM25S
from core.workbench import ROOT, Workbench


def recipe(config=None, settings=(), dataset=None):
    return RecipeOptions(dataset, config, tuple(settings)).read()


def recipe_of(arguments):
    return parse(["run", *arguments]).options["recipe"].read()


def test_grid_ranges_include_both_ends_and_keep_whole_numbers_whole():
    assert read_grid(["fusion.weight=0:1:0.25", "evaluation.k=1:10:3", "chunking.part=fixed,sentence"]) == {
        "fusion.weight": [0.0, 0.25, 0.5, 0.75, 1.0],
        "evaluation.k": [1, 4, 7, 10],
        "chunking.part": ["fixed", "sentence"],
    }
    assert read_grid(["weight=0:1:0.6", "rate=1:10:6"]) == {"weight": [0.0, 0.6], "rate": [1, 7]}, "none lies beyond the end"


@pytest.mark.parametrize(
    "text",
    [
        "fusion.weight",
        "fusion.weight=",
        "fusion.weight=0:1:0",
        "fusion.weight=a:b:c",
        "fusion.weight=0:inf:1",
        "fusion.weight=0:1:1e-12",
        "fusion.weight=0:1:inf",
        "fusion.weight=1:0:0.5",
    ],
)
def test_a_grid_that_is_none_is_refused(text):
    with pytest.raises(WorkbenchError, match="grid"):
        read_grid([text])


def test_a_value_that_stands_twice_in_a_grid_is_not_compared_with_itself():
    with pytest.raises(WorkbenchError, match="twice"):
        read_grid(["rank=8,16,8"])
    with pytest.raises(WorkbenchError, match="twice"):
        read_grid(["rank=8,8.0"])
    many = range(20_000)
    assert read_grid([f"rank={','.join(map(str, many))}"]) == {"rank": list(many)}


def test_a_recipe_comes_from_yaml_and_settings_over_it(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("chunking: {part: recursive, size_tokens: 100}\nseed: 3\n")
    config = recipe(config=file, settings=["chunking.size_tokens=50", "fusion.part=rrf"], dataset="xquad-en")
    assert (config.chunking.size_tokens, config.seed, config.fusion.part, config.corpus.dataset) == (50, 3, "rrf", "xquad-en")


@pytest.mark.parametrize("content", ["- a\n- b\n", "chunking: [", b"\xff\xfe\x00"])
def test_a_recipe_file_that_is_none_names_the_file(tmp_path, content):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WorkbenchError, match=r"recipe\.yaml"):
        recipe(config=file)


def test_the_command_of_a_recipe_gives_the_recipe_back(tmp_path):
    config = with_settings(
        TrialConfig(),
        {
            "corpus.dataset": "xquad-en",
            "chunking.part": "whole_document",
            "sparse.k1": 0.9,
            "fusion.part": "rrf",
            "generation.model": "/models/my model.gguf",
            "seed": 5,
        },
    )
    arguments = Workbench(tmp_path).arguments(config)
    assert recipe_of(arguments) == config


@pytest.mark.parametrize("prefix", ["Instruct: find it\nQuery: ", "[", "@query", "query: ", "no", "\U0001f50e", "- a", "'"])
def test_any_text_in_a_recipe_survives_its_command(tmp_path, prefix):
    given = {"embedding.part": "sentence_transformers", "embedding.query_prefix": prefix}
    config = with_settings(TrialConfig(), given)
    assert recipe_of(Workbench(tmp_path).arguments(config)) == config


def test_a_prefix_is_part_of_the_key_of_what_it_changes(tmp_path):
    corpus = Corpus("tiny", (Document("a", "Text."),), fingerprint="f")

    def keys(**prefixes):
        given = {"embedding.part": "sentence_transformers", "embedding.model": str(tmp_path)}
        config = with_settings(TrialConfig(), given | {f"embedding.{k}": v for k, v in prefixes.items()})
        run = Resolved(config, corpus, "stamp", "questions")
        return run.key("chunks"), run.key("dense"), run.key("index")

    chunks, dense, index = keys()
    assert keys(query_prefix="query: ")[1] != dense
    assert keys(passage_prefix="passage: ")[1] != dense
    assert keys(query_prefix="query: ")[::2] == (chunks, index)  # only the questions are embedded anew


def test_texts_and_tokens_count_as_memory_too():
    texts = [f"{i:04} " * 20 for i in range(1000)]
    assert bytes_of(texts) == pytest.approx(150_000, rel=0.1)
    tokens = BM25S().tokenize(texts)
    before = bytes_of(tokens)
    assert before >= tokens.term.nbytes and len(tokens.postings.text) and bytes_of(tokens) > before

    class Endless:
        def __init__(self):
            self.own = self

    assert bytes_of(Endless()) < 1000


def test_doctor_reports_a_missing_package_rather_than_failing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it could not be imported
    device = next(finding for finding in doctor(tmp_path, reuse=True) if finding.name == "Device")
    assert device.ok is False and device.todo


def test_difference_names_only_what_differs():
    base = TrialConfig()
    assert difference(base) == {}
    other = with_settings(base, {"fusion.part": "rrf", "seed": 1})
    assert difference(other) == {"fusion.part": "rrf", "seed": 1}
    assert with_settings(base, difference(other)) == other


def test_plain_records_are_json_without_nan():
    assert json.loads(
        json.dumps(plain({"a": float("nan"), "b": (1, 2.5), "c": TrialConfig().corpus.dataset}), allow_nan=False)
    ) == {"a": None, "b": [1, 2.5], "c": "python-reference"}


def test_doctor_tells_the_size_of_the_cache_and_what_it_holds(tmp_path, monkeypatch):
    def found():
        return _cache(tmp_path)._asdict()

    monkeypatch.setenv("GROUNDWORK_CACHE_GB", "0.5")
    assert found() == {"name": "Cache", "ok": True, "found": "0.0 MB of 500.0 MB", "todo": ""}
    (tmp_path / "cache" / "vectors" / "minilm").mkdir(parents=True)
    (tmp_path / "cache" / "vectors" / "minilm" / "a.npz").write_bytes(bytes(1_500_000))
    assert found()["found"] == "1.5 MB of 500.0 MB: vectors 1.5 MB"
    monkeypatch.setenv("GROUNDWORK_CACHE_GB", "much")
    assert found()["ok"] is False and "number of gigabytes" in found()["todo"]


@pytest.mark.parametrize("given", ["nan", "inf", "-1", "1e400", "five", "0x5", "1e12"])
def test_a_cap_of_the_cache_that_is_no_size_is_refused(monkeypatch, given):
    monkeypatch.setenv("GROUNDWORK_CACHE_GB", given)
    with pytest.raises(WorkbenchError, match="no number of gigabytes") as error:
        Workbench()
    assert error.value.where == "GROUNDWORK_CACHE_GB" and error.value.todo


@pytest.mark.parametrize(("given", "cap"), [("", 5e9), (" ", 5e9), ("0.5", 5e8), ("0", 0)])
def test_the_cap_of_the_cache(monkeypatch, given, cap):
    monkeypatch.setenv("GROUNDWORK_CACHE_GB", given)
    assert Workbench().pipeline.cache.cap_bytes == cap


def test_a_home_may_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GROUNDWORK_HOME", "~/work")
    assert Workbench().home == files.home() == tmp_path / "work"
    monkeypatch.setenv("GROUNDWORK_HOME", "~no-such-user/work")
    with pytest.raises(WorkbenchError, match="data folder cannot be found"):
        Workbench()


@pytest.mark.slow
@pytest.mark.parametrize(("redirection", "code", "said"), [
    ("> /dev/full", 1, "Failed: the output could not be written: No space left"), (">&-", 0, ""), (">&- <&-", 0, ""),
    ("| head -c 1 > /dev/null; exit ${PIPESTATUS[0]}", 0, ""), ("--json > /dev/full", 1, "could not be written"),
    ("> /dev/null 2>&-", 0, ""),
])  # fmt: skip
def test_an_output_that_takes_nothing_is_no_traceback(redirection, code, said):
    command = f"{sys.executable} -m core list settings {redirection}"
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == code and said in ended.stderr
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr and bool(said) == bool(ended.stderr)
