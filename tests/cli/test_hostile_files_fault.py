"""Every verb that takes a file or a value, given what no such thing should be: an error with its place and a remedy, soon."""

import inspect
import time

import pytest

from core.__main__ import main
from core.cli.frame import VERBS
from core.files import use_home
from tests.support.hostile_texts import FILES, NO_FILES, TEXTS, lay
from tests.support.small_corpora import with_towns

MOST_S = 10.0  # of the processor, on a loaded machine
RECIPE = "--dataset towns --set embedding.part=lsa --set embedding.dimensions=2 --set fusion.part=sparse_only".split()
USUAL = ("alias bomb", "1,200 brackets", "5,000 digits", "a day that is none", "Latin-1", "a pipe", "a device", "a folder")

# what reads the file; %: the file, @: the recipe
FILE_VERBS = {
    "adapter-data": "adapter-data --file % @",
    "adapter-study": "adapter-study a --file % --grid rank=1,2 @",
    "agreement": "agreement %",
    "annotate draft": "annotate draft %",
    "annotate import": "annotate import hours %",
    "annotate plan": "annotate plan hours %",
    "annotate qags": "annotate qags %",
    "annotate revise": "annotate revise hours %",
    "articles gate": "articles gate %",
    "contamination": "contamination --rephrasings % @",
    "dpo-study": "dpo-study a --file % --grid beta=1,2 @",
    "draw": "draw % out.svg",
    "experiment open": "experiment open %",
    "experiment save": "experiment save %",
    "inside-architecture": "inside-architecture %",
    "judge": "judge % @",
    "judge-bias": "judge-bias % @",
    "judge-qags": "judge-qags % @",
    "memory import": "memory import %",
    "noise-budget": "noise-budget %",
    "paper-pdf": "paper-pdf %",
    "prices save": "prices save %",
    "prompt": "prompt x --config %",
    "review": "review % @",
    "rewrites": "rewrites % @",
    "run": "run --config %",
    "runs": "runs % --qrels %",
    "save-arguments": "save-arguments a %",
    "serving import-traces": "serving import-traces %",
    "serving load": "serving load --arrivals replay --times % --questions python-reference",
    "study": "study %",
    "study-estimate": "study-estimate %",
    "study-points": "study-points %",
    "tokenizers-compare": "tokenizers-compare --file % @",
    "tokenizers-split": "tokenizers-split --file % word",
    "train-adapter": "train-adapter a --file % @",
    "train-classifier": "train-classifier a --file %",
    "train-dpo": "train-dpo a --file % @",
    "train-reader": "train-reader a --file %",
    "train-reward": "train-reward a --file %",
    "train-tagger": "train-tagger a --file %",
    "verify-paper": "verify-paper %",
}
FOLDERS = {"fit-faithfulness", "harness", "judge-held-out", "train-answerer", "train-faithfulness"}  # are given a folder
WRITERS = {
    "articles publish",
    "annotate export",
    "backup",
    "experiment export",
    "export",
    "merge-adapter",
    "paper-report",
    "run-file",
    "serving export-traces",
}  # name what is to be written
# ingest tells in a table what became of each file: tests/corpus/test_own.py
TAKEN = (
    {
        ("prices save", name)
        for name in ("no text", "white space", "BOM and no more")  # an empty table is none
    }
    | {
        (verb, name)
        for verb in ("run", "prompt")
        for name in ("no text", "white space", "BOM and no more")  # the usual recipe
    }
    | {(verb, "NaN in a mapping") for verb in ("study", "study-estimate", "study-points", "experiment save", "annotate draft")}
)  # a word of YAML

# what reads a value; %: the value
VALUE_VERBS = {
    "a setting": "prompt x @ --set seed=%",
    "a name": "prompt x --set corpus.dataset=%",
    "a grid": "sweep @ --grid sparse.k1=%",
    "a grid of an index": "index-sweep @ --grid index.metric=%",
    "another recipe": "evaluate @ --against retrieval.top_k=%",
    "weights": "learn-weights @ --weights %",
    "a model": "ask market @ --set generation.model=%",
    "a model of transformers": "ask market @ --set generation.part=transformers --set generation.model=%",
    "an encoder": "search x @ --set fusion.part=dense_only --set embedding.part=sentence_transformers --set embedding.model=%",
    "a schema": "ask market @ --set generation.json_schema=%",
    "a depth": "runs a.run --qrels b.txt --metric recall@%",
    "a training": "train-encoder a @ --train epochs=%",
    "a study": "study-status %",
    "a file by its name": "study-points ./%",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "home"
    texts = {f"{town}.txt": f"The market of {town} opens at {hour}. " * 3 for town, hour in (("Lund", "five"), ("Gent", "six"))}
    asked = [
        {"id": town, "question": f"When does {town} open?", "document": f"{town}.txt", "answer": town}
        for town in ("Lund", "Gent")
    ]
    with_towns(folder, texts, asked)
    study = folder.parent / "study.yaml"
    study.write_text("id: hours\ntitle: Hours\n")
    use_home(folder)
    assert main(["annotate", "draft", str(study)]) == 0
    return folder


def given(words: str, value: str) -> list[str]:
    return [word for part in words.split() for word in (RECIPE if part == "@" else [part.replace("%", value)])]


def refused(arguments: list[str], capsys) -> str:
    """What is said of it; it has to name the place and a remedy, and to come soon."""
    capsys.readouterr()
    began = time.process_time()
    assert main(arguments) in (1, 2), arguments[:6]
    assert time.process_time() - began < MOST_S
    said = capsys.readouterr().err
    assert "Failed: " in said and "Traceback" not in said and len(said) < 6_000, said[:500]
    return said


def tried(verb: str, names: tuple[str, ...], home, tmp_path, monkeypatch, capsys) -> None:
    use_home(home)
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(names):
        (folder := tmp_path / str(number)).mkdir()
        path = lay(folder, name)
        if (verb, name) in TAKEN:
            continue
        said = refused(given(FILE_VERBS[verb], str(path)), capsys)
        assert "where: " in said and "to do: " in said, f"{name}: {said[:500]}"


@pytest.mark.parametrize("verb", FILE_VERBS)
def test_a_file_made_to_harm_is_refused_with_its_place(verb, home, tmp_path, monkeypatch, capsys):
    tried(verb, USUAL, home, tmp_path, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("verb", FILE_VERBS)
def test_every_other_file_made_to_harm_is_refused_with_its_place(verb, home, tmp_path, monkeypatch, capsys):
    tried(verb, tuple(name for name in (*FILES, *NO_FILES) if name not in USUAL), home, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("words", VALUE_VERBS.values(), ids=VALUE_VERBS)
def test_a_value_made_to_harm_is_refused_in_words(words, home, monkeypatch, tmp_path, capsys):
    use_home(home)
    monkeypatch.chdir(tmp_path)
    for name in ("alias bomb", "1,200 brackets", "100,000 brackets", "5,000 digits", "31 digits", "a day that is none"):
        refused(given(words, TEXTS[name]), capsys)


def test_every_verb_that_takes_a_file_is_tried():
    """A new one belongs into the table above."""
    takes = {
        verb.key
        for function, verb in VERBS.items()
        if any("Path" in str(parameter.annotation) for parameter in inspect.signature(function).parameters.values())
    }
    by_name = {"study", "study-points", "study-estimate", "inside-architecture", "prompt", "run"}  # or as text, or with a recipe
    heads = {"train-classifier", "train-reader", "train-reward", "train-tagger"}
    assert takes | by_name | heads == set(FILE_VERBS) | FOLDERS | WRITERS | {"ingest"}
