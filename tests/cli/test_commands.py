"""How commands are read and told: old ones say what they said, and no verb is loaded before it is asked for."""

import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
from functools import reduce
from pathlib import Path

import pytest

from core import registry
from core.__main__ import main, parse
from core.cli import frame
from core.cli.frame import VERBS, Call
from core.cli.tables import show_parts, show_table
from core.jobs import verbs
from core.store.database import Store
from core.store.database_file import InUse
from core.workbench import Workbench, command_line
from tests.support.synthetic_trials import add_questions, add_trial

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("words", "arguments", "options"), [
    ("agreement f --growth --annotators", (Path("f"),), {"growth": 0.0, "annotators": True}),
    ("agreement f --growth 0.2 --headline 40", (Path("f"),), {"growth": 0.2, "headline": 40}),
    ("agreement --growth=0.2 f --yes 4 --yes 5", (Path("f"),), {"growth": 0.2, "yes": ("4", "5")}),
    ("agreement --headline 40 f --growth", (Path("f"),), {"growth": 0.0, "headline": 40}),
    ("power rate --annotators 1 2 --set a=1 --set b=2", ("rate",), {"annotators": (1, 2), "settings": ("a=1", "b=2")}),
    ("annotate import s f.csv --as a=b --keep-good", ("s", Path("f.csv")), {"names": ("a=b",), "keep_good": True}),
    ("annotate adjudicate s Ann Bo", ("s", ("Ann", "Bo")), {}),
    ("annotate export s --format csv --round main", ("s",), {"formats": ("csv",), "of_round": "main"}),
    ("ingest mine a.txt b.txt --questions q.csv", ("mine", (Path("a.txt"), Path("b.txt"))), {"questions": Path("q.csv")}),
    ("trials --limit 3 --limit 4", (), {"limit": 4}),
    ("describe id --note=-x --tags a,b", ("id",), {"note": "-x", "tags": "a,b"}),
    ("index-sweep --grid index.m=1,2 --again", (), {"grids": ("index.m=1,2",), "again": True}),
    ("sample-study --chain greedy --chain none", (), {"chains": ("greedy", "none")}),
])  # fmt: skip
def test_commands_say_what_they_always_said(words, arguments, options):
    call = parse([*words.split(), "--json", "--job", "j1"])
    assert (call.arguments, call.options, call.json, call.job) == (arguments, options, True, "j1")


@pytest.mark.parametrize(("key", "name"), verbs.TYPED.items(), ids=verbs.TYPED)
def test_every_old_name_says_the_same_verb(key, name):
    """Jobs, papers, records and people's scripts hold them."""
    of_key, of_name = (frame.app.parse_commands(frame._typed(words.split()))[1][-1].default_command for words in (key, name))
    assert of_key is of_name and VERBS[of_name].name == name and VERBS[of_name].key == key


def test_the_help_has_the_subjects_and_each_subject_its_verbs(capsys):
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    tops = {verb.name for verb in VERBS.values() if " " not in verb.name}
    assert tops == {"ask", "doctor", "evaluate", "list", "run", "search", "serve", "sql"}
    subjects = {verb.name.partition(" ")[0] for verb in VERBS.values()} - tops
    assert all(f" {name} " in told for name in tops | subjects)
    assert all(frame.app[name].help for name in subjects), 'a file of core/cli says `subject("its word", "What it is about.")`'
    for subject in subjects:
        assert main([subject, "--help"]) == 0
        told, own = capsys.readouterr().out, [verb for verb in VERBS.values() if verb.name.startswith(f"{subject} ")]
        assert all(f" {verb.name.partition(' ')[2]} " in told for verb in own)


def test_a_command_is_read_by_old_and_new_names_and_told_by_the_new():
    assert (
        verbs.as_typed(["index-sweep", "--again"])
        == ["index", "sweep", "--again"]
        == verbs.as_typed(["index", "sweep", "--again"])
    )
    assert verbs.as_typed(["trials"]) == ["trials", "list"] and verbs.as_typed(["trials", "show", "x"]) == ["trials", "show", "x"]
    assert verbs.as_recorded(["trials", "show", "x"]) == ["show", "x"] == verbs.as_recorded(["show", "x"])
    assert command_line("leaderboard", "s") == "python -m core trials leaderboard s"
    assert len(verbs.RECORDED) == len(verbs.TYPED), "no two verbs have one name"


@pytest.mark.parametrize("words", [
    "answer-questions --count 7", "annotate answer-questions --ask 7", "score-answers --questions 7",
    "sampling experiment --chain none --ask 7", "sample-study --chain none --questions 7", "answers write --ask 7",
    "answers contamination --ask 7",
])  # fmt: skip
def test_how_many_questions_is_said_by_one_option(words):
    assert parse(words.split()).options["ask"] == 7


def test_a_question_or_note_may_begin_with_a_hyphen():
    assert parse(["search", "--dataset", "a", "- what is this"]).arguments == ("- what is this",)
    assert parse(["describe", "id", "--note", "- first"]).options == {"note": "- first"}
    assert parse(["memory", "write", "--value", "-18 degrees"]).options["value"] == "-18 degrees"
    forget = parse(["memory", "forget", "id", "--who", "-me", "--why", "- no longer needed"])
    assert forget.options == {"who": "-me", "why": "- no longer needed"} and parse(["memory", "read", "-18?"]).arguments == (
        "-18?",
    )
    assert parse(["articles", "decide", "id", "--who", "me", "--why", "- checked"]).options["why"] == "- checked"


@pytest.mark.parametrize("words", [
    "", "annotate", "nonsense", "run --no-json", "run --nothing", "compare a", "compare a b c", "trials --limit 0",
    "agreement f --part nouns", "agreement f --growth 0.1 0.2", "sweep", "power size", "list nouns", "annotate freeze s now",
    "search --jsn what", "train-reader r --wrong 5", "best-of r --temperature -1", "best-of r --characters -5",
])  # fmt: skip
def test_wrong_usage_says_so_on_standard_error(words, capsys):
    assert main(words.split()) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.strip()


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_verb_has_help_without_running(verb, capsys):
    assert main([*verb.name.split(), "--help"]) == 0
    told = capsys.readouterr()
    assert "--json" in told.out and "--job" not in told.out and not told.err
    older = {key for key, name in verbs.TYPED.items() if "-" in key and key not in name.split()}
    assert not older & {*re.findall(r"[a-z]+(?:-[a-z]+)+", told.out)}, "help names verbs as they are typed today"


@pytest.mark.parametrize("kind", registry.kinds())
def test_a_list_of_parts_tells_whole_sentences_and_a_part_all_that_it_says(kind, capsys):
    for row in parse(["list", kind]).work(None):
        assert row["what"].endswith((".", "?", ":")), f"{kind} {row['name']} is cut: …{row['what'][-40:]}"
        assert main(["list", kind, row["name"]]) == 0
        told = capsys.readouterr().out
        assert inspect.cleandoc(registry.find(kind, row["name"]).__doc__) in told
    assert main(["list", kind, "nothing"]) == 1 and "Choose among" in capsys.readouterr().err


def test_a_list_of_settings_is_narrowed_by_stage_or_training():
    fusions = parse(["list", "settings", "fusion"]).work(None)
    assert fusions and {row["setting"].partition(".")[0] for row in fusions} == {"fusion"}
    trainings = parse(["list", "training", "adapter"]).work(None)
    assert {"adapter.rank", "adapter.alpha"} <= {row["setting"] for row in trainings}


def test_a_file_of_the_command_line_is_collected():
    files = {path.stem for path in (ROOT / "core/cli").glob("*.py")} - {"__init__", "frame", "options", "tables", "terminal"}
    assert {verb.function.__module__.rpartition(".")[2] for verb in VERBS.values()} == files


def test_starting_loads_no_workbench_and_no_table():
    code = "import sys, core.__main__; print([m for m in ('core.workbench', 'rich', 'scipy', 'duckdb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_workbench_of_a_command_waits_for_no_scipy():
    code = "import sys, core.workbench; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("path", sorted((ROOT / "core/cli").glob("*.py")), ids=lambda path: path.name)
def test_the_labs_are_imported_by_the_verb_that_needs_them(path):
    names = [node.module for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if name.startswith(("core.labs", "core.workbench", "core.annotation", "core.agreement"))]


def test_a_table_in_a_pipe_is_cut_nowhere(capsys):
    rows = [{"a": 0.123456, "b [red]": "x" * 500}, {"a": None, "b [red]": ":smile: [bold]\nnext"}]
    show_table(rows)
    assert capsys.readouterr().out.splitlines() == ["a       b [red]", f"0.1235  {'x' * 500}", "        :smile: [bold] next"]


def test_an_empty_part_of_a_result_is_none_and_not_to_come(capsys):
    show_parts({"losses": 0, "lost": []})
    assert capsys.readouterr().out == "losses: 0\n\nLost\nNone.\n"


def test_a_call_gives_the_workbench_only_where_it_is_taken():
    assert isinstance(call := parse(["list", "settings"]), Call) and len(call.work(None)) > 50
    assert not call.verb.takes_workbench and parse(["trials"]).verb.takes_workbench
    assert json.dumps(call.work(None), default=str)


@pytest.mark.slow
def test_what_verify_could_not_check_has_an_exit_code_of_its_own(tmp_path, monkeypatch, capsys):
    """Another program has the database open, or questions are missing: nothing is known to be wrong, and nothing to be right."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    store = Workbench(tmp_path).store
    add_trial(store, add_questions(store))
    assert main(["verify"]) == 0

    def refused(*arguments):
        raise InUse("Another program has the database open.")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fold", refused)
        assert main(["verify", "--strict"]) == 1 and main(["verify", "--json"]) == 3
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["ok"] and not report["missing"] and "was not compared" in report["unchecked"][0]
    add_trial(store, {"fingerprint": "elsewhere", "dataset": "tiny", "queries": [{"id": "q0"}]})
    assert main(["verify"]) == 3 and "their questions are not here" in capsys.readouterr().out


def test_ended_by_the_system_a_command_stops_what_it_has_started_as_by_a_key():
    code = """
        import os, runpy, signal, sys
        sys.argv = ["core", "--help"]
        try:
            runpy.run_module("core", run_name="__main__")
        except SystemExit:
            pass
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            print("interrupted")
    """
    told = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True)
    assert told.stdout.endswith("interrupted\n"), told.stderr


def test_no_command_writes_over_a_file_that_it_uses(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    (tmp_path / "train.jsonl").write_text("{}\n")
    file, link, hard = tmp_path / "file.zip", tmp_path / "link.zip", tmp_path / "hard.zip"
    file.write_text("1 0 d 1\n")
    link.symlink_to(file)
    hard.hardlink_to(file)
    (tmp_path / "same").symlink_to(tmp_path)
    for other in map(str, (file, link, hard, tmp_path / "same" / "file.zip")):
        for words in (
            ["runs", "compare", "a.run", "--qrels", str(file), "--fuse", "rrf", "--out", other],
            ["runs", "compare", str(file), "--qrels", "q", "--fuse", "rrf", "--out", other],
            ["runs", "write", "trial", str(file), "--qrels", other],
            ["judge", str(file), "--answers", other],
            ["contamination", "--rephrasings", str(file), "--save", other],
            ["draw", str(file), other],
            ["export", str(file), "--out", other],
            ["paper-pdf", str(file), "--out", other],
        ):
            assert main(words) == 1, words
            assert "The same command uses this file as" in capsys.readouterr().err, words
    assert main(["adapter-data", "--file", str(tmp_path), "--out", str(tmp_path / "same")]) == 1
    assert "would be written over" in capsys.readouterr().err and file.read_text() == "1 0 d 1\n"


def _strings(tree: ast.AST):
    """All texts of a module, braces for what is put into them."""
    inside = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(value.value if isinstance(value, ast.Constant) else "{}" for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def test_each_command_that_a_text_names_is_there():
    names, wrong = {verb.name for verb in VERBS.values()}, []
    for path in (path for folder in ("core", "app", "pages") for path in (ROOT / folder).rglob("*.py")):
        source = path.read_text("utf-8")
        for text in _strings(ast.parse(source)) if "python -m core" in source else ():
            for said, options in re.findall(r"python -m core((?: [a-z][a-z-]*)+)([^`\n]*)", text):
                words = verbs.as_typed(said.split())
                name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in names), "")
                of = reduce(lambda app, word: app[word], name.split(), frame.app)
                known = {each for argument in of.assemble_argument_collection() for each in argument.names} if name else ()
                bad = [option for option in re.findall(r"--[a-z][a-z-]*", options) if option not in known]
                put_in = options.startswith(" {}") and words[0] in frame.app  # its name stands in a table
                if not (name or put_in) or bad:
                    wrong.append(f"{path.relative_to(ROOT)}: {said.strip()} {' '.join(bad)}")
    assert not wrong


@pytest.mark.parametrize("arguments", [["list", "chunker"], ["list", "chunker", "--json"]])
def test_cancelled_a_command_says_so_also_as_json(monkeypatch, capsys, arguments):
    monkeypatch.setattr(frame, "_carry_out", lambda call: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(arguments) == 130
    told = capsys.readouterr()
    if arguments[-1] == "--json":
        assert "Cancelled" in json.loads(told.out)["error"]["what"]
    else:
        assert told.out == "" and "Cancelled" in told.err


def test_a_data_folder_that_cannot_be_made_says_why(monkeypatch, capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for home in (file, file / "deep"):
        monkeypatch.setenv("GROUNDWORK_HOME", str(home))
        assert main(["trials", "list", "--json"]) == 1
        told = json.loads(capsys.readouterr().out)["error"]
        assert "a file is in its place" in told["what"] and told["where"] == str(file) and "GROUNDWORK_HOME" in told["todo"]
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "none"))

    def refused(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refused)
    assert main(["trials", "list", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["error"]
    assert "cannot be made: Permission denied" in told["what"] and told["where"] == str(tmp_path / "none")


def test_a_column_that_the_first_row_lacks_is_printed(capsys):
    """Agents compared had no faithfulness on the command line: the first arm reads no passages."""
    show_table([{"arm": "closed book", "em": 0.5}, {"arm": "RAG", "em": 0.5, "faithfulness": 0.25}])
    assert next(line.split() for line in capsys.readouterr().out.splitlines()) == ["arm", "em", "faithfulness"]


@pytest.mark.parametrize("words", [
    "serving dashboard --hours inf", "serving feedback --hours 1e10", "serve --rate inf", "adapters merge a --scale nan",
    "adapters compare a --scale 1 --scale inf", "serving make-key a --days inf", "serving make-key a --days 1e306",
    "serving load --questions a --seed -1", "serving compare --seed -1", "memory facts --most 10000000000000000000",
])  # fmt: skip
def test_a_number_that_no_verb_can_count_is_wrong_usage(words, capsys):
    """A key that expired at infinity left a list of keys that nobody could read."""
    assert parse(words.split()) == 2 and words.split()[-2] in capsys.readouterr().err


@pytest.mark.parametrize("words", [
    "serve --published a --trial b", "serving mcp --trial b --dataset tiny", "serving publish n --trial b --set context.passages=1"
])  # fmt: skip
def test_a_service_has_one_recipe_and_passes_over_none(words, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    assert main(words.split()) == 1 and "Several recipes are named" in capsys.readouterr().err


def test_questions_are_replaced_without_a_document_being_given_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "q.csv").write_text("question,answer\nWho?,one\n")
    asked = ["--questions", str(tmp_path / "q.csv"), "--json"]
    assert main(["corpus", "ingest", "mine", str(tmp_path / "a.txt"), "--json"]) == 0
    assert main(["corpus", "ingest", "mine", *asked]) == 0 and len(Workbench(tmp_path / "home").library.files("mine")) == 1
    capsys.readouterr()
    assert main(["corpus", "ingest", "mine", "--json"]) == 1 and "nothing to read" in capsys.readouterr().out
    assert main(["corpus", "ingest", "other", *asked]) == 1 and "other" in capsys.readouterr().out
