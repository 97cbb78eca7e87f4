"""What the verbs are made of: grids, recipes from the command line, commands that reproduce."""

import argparse
import json
import sys

import pytest

from core.__main__ import build_parser, read_grid, read_recipe
from core.config import TrialConfig, difference, with_settings
from core.doctor import doctor
from core.errors import WorkbenchError
from core.pipeline import _bytes
from core.records import Corpus, Document
from core.retrieval.bm25_fast import BM25S
from core.workbench import Workbench, plain


def recipe(**given):
    return read_recipe(argparse.Namespace(**{"dataset": None, "config": None, "set": [], **given}))


def test_grid_ranges_include_both_ends_and_keep_whole_numbers_whole():
    assert read_grid(["fusion.weight=0:1:0.25", "evaluation.k=1:10:3", "chunking.part=fixed,sentence"]) == {
        "fusion.weight": [0.0, 0.25, 0.5, 0.75, 1.0], "evaluation.k": [1, 4, 7, 10], "chunking.part": ["fixed", "sentence"],
    }  # fmt: skip


@pytest.mark.parametrize("text", ["fusion.weight", "fusion.weight=", "fusion.weight=0:1:0", "fusion.weight=a:b:c", "fusion.weight=0:inf:1",
                                  "fusion.weight=0:1:1e-12"])  # fmt: skip
def test_a_grid_that_is_none_is_refused(text):
    with pytest.raises(WorkbenchError, match="grid"):
        read_grid([text])


def test_a_recipe_comes_from_yaml_and_settings_over_it(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("chunking: {part: recursive, size_tokens: 100}\nseed: 3\n")
    config = recipe(config=file, set=["chunking.size_tokens=50", "fusion.part=rrf"], dataset="xquad-en")
    assert (config.chunking.size_tokens, config.seed, config.fusion.part, config.corpus.dataset) == (
        50,
        3,
        "rrf",
        "xquad-en",
    )


@pytest.mark.parametrize("content", ["- a\n- b\n", "chunking: [", b"\xff\xfe\x00"])
def test_a_recipe_file_that_is_none_names_the_file(tmp_path, content):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WorkbenchError, match=r"recipe\.yaml"):
        recipe(config=file)


def test_the_command_of_a_recipe_gives_the_recipe_back(tmp_path):
    config = with_settings(TrialConfig(), {"corpus.dataset": "xquad-en", "chunking.part": "whole_document", "sparse.k1": 0.9,
                                           "fusion.part": "rrf", "generation.model": "/models/my model.gguf", "seed": 5})  # fmt: skip
    arguments = Workbench(tmp_path).arguments(config)
    options = build_parser().parse_args(["run", *arguments])
    assert read_recipe(options) == config


@pytest.mark.parametrize(
    "prefix", ["Instruct: find it\nQuery: ", "[", "@query", "query: ", "no", "\U0001f50e", "- a", "'"]
)
def test_any_text_in_a_recipe_survives_its_command(tmp_path, prefix):
    given = {"embedding.part": "sentence_transformers", "embedding.query_prefix": prefix}
    config = with_settings(TrialConfig(), given)
    assert read_recipe(build_parser().parse_args(["run", *Workbench(tmp_path).arguments(config)])) == config


def test_a_prefix_is_part_of_the_key_of_what_it_changes(tmp_path):
    bench, corpus = Workbench(tmp_path), Corpus("tiny", (Document("a", "Text."),), fingerprint="f")

    def keys(**prefixes):
        given = {"embedding.part": "sentence_transformers", "embedding.model": str(tmp_path)}
        config = with_settings(TrialConfig(), given | {f"embedding.{k}": v for k, v in prefixes.items()})
        return bench.pipeline.key("chunks", config, corpus), bench.pipeline.key("dense", config, corpus)

    chunks, dense = keys()
    assert keys(query_prefix="query: ")[1] != dense
    assert keys(passage_prefix="passage: ")[1] != dense
    assert keys(query_prefix="query: ")[0] == chunks  # only the questions are embedded anew


def test_texts_and_tokens_count_as_memory_too():
    texts = [f"{i:04} " * 20 for i in range(1000)]
    assert _bytes(texts) == pytest.approx(150_000, rel=0.1)
    tokens = BM25S().tokenize(texts)
    before = _bytes(tokens)
    assert before >= tokens.term.nbytes and len(tokens.postings.text) and _bytes(tokens) > before

    class Endless:
        def __init__(self):
            self.own = self

    assert _bytes(Endless()) < 1000


def test_doctor_reports_a_missing_package_rather_than_failing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it could not be imported
    device = next(finding for finding in doctor(tmp_path, kept=True) if finding.name == "Device")
    assert device.ok is False and device.todo


def test_difference_names_only_what_differs():
    base = TrialConfig()
    assert difference(base) == {}
    other = with_settings(base, {"fusion.part": "rrf", "seed": 1})
    assert difference(other) == {"fusion.part": "rrf", "seed": 1}
    assert with_settings(base, difference(other)) == other


def test_plain_records_are_json_without_nan():
    assert json.loads(json.dumps(plain({"a": float("nan"), "b": (1, 2.5), "c": TrialConfig().corpus.dataset}), allow_nan=False)) == {
        "a": None, "b": [1, 2.5], "c": "python-reference"}  # fmt: skip
