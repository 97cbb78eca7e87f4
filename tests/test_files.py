"""Files written whole, by many at once: whole or as before, and no change of another is lost."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from core import files
from core.errors import WorkbenchError
from core.generation import gguf_files, prices
from core.jobs import child as children
from core.labs.sampling import chains
from core.models.hub import ENCODER_FILES, encoders_home, trained_encoders
from core.training.experts import moe_home
from core.training.tokenizers import tokenizers_home
from core.workbench import Workbench

ROOT = Path(__file__).resolve().parents[1]
PROCESSES, THREADS, CHANGES = 3, 4, 10


def at_once(code: str, *arguments: str) -> None:
    """Runs the code in several processes that begin together, each with its number as the last argument."""
    begin = f"import sys; print(flush=True); sys.stdin.readline()\n{code}"
    kept = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    imported = f"import core.files, core.labs.sampling.chains\n{begin}"
    command = [sys.executable, "-c", imported, *arguments]
    started = [subprocess.Popen([*command, str(number)], cwd=ROOT, **kept) for number in range(PROCESSES)]
    for child in started:
        child.stdout.readline()
    for child in started:
        child.stdin.write("\n")
        child.stdin.flush()
    errors = [child.communicate(timeout=600)[1] for child in started]
    assert not any(child.returncode for child in started), "\n".join(errors)


@pytest.mark.slow
def test_presets_saved_at_once_are_all_there(tmp_path):
    at_once(
        f"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from core.errors import WorkbenchError
from core.generation import prices
from core.jobs import child as children
from core.labs.sampling import chains
from core.generation import gguf_files
from core.models.hub import ENCODER_FILES, encoders_home, trained_encoders
from core.training.experts import moe_home
from core.training.tokenizers import tokenizers_home
from core.workbench import Workbench
from core.sampling.filters import chain
bench, hot = SimpleNamespace(home=Path(sys.argv[1])), chain([{{"part": "temperature", "temperature": 2.0}}])
def save(name):
    chains.save_preset(bench, name, hot)
    assert name in chains.presets(bench)
with ThreadPoolExecutor({THREADS}) as pool:
    list(pool.map(save, [f"{{sys.argv[2]}}/{{n}}" for n in range({THREADS * CHANGES})]))
""",
        str(tmp_path),
    )
    saved = chains.presets(SimpleNamespace(home=tmp_path)).keys() - chains.PRESETS.keys()
    assert saved == {f"{process}/{n}" for process in range(PROCESSES) for n in range(THREADS * CHANGES)}
    assert json.loads((tmp_path / "chains.json").read_text())
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.slow
def test_a_file_written_by_many_at_once_is_always_that_of_one(tmp_path):
    path = tmp_path / "table.json"
    files.write_whole(path, json.dumps(["start"] * 2000))
    at_once(
        f"""
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core import files
path, process = Path(sys.argv[1]), sys.argv[2]
def write(n):
    files.write_whole(path, json.dumps([f"{{process}}/{{n}}"] * 2000), sync=False)
    assert len(set(json.loads(path.read_text()))) == 1
with ThreadPoolExecutor({THREADS}) as pool:
    list(pool.map(write, range({THREADS * CHANGES})))
""",
        str(path),
    )
    assert [name.name for name in tmp_path.iterdir()] == ["table.json"]


def test_who_changes_a_file_waits_for_the_other_and_hears_who_it_is(tmp_path):
    path = tmp_path / "table.json"
    busy = pytest.raises(files.Busy, match=r"file table\.json was busy .* is changing table\.json since")
    with files.changing(path), busy, files.changing(path, seconds=0.1):
        pass
    with files.changing(path, seconds=0.1):
        pass


def test_a_private_file_is_read_by_its_user_only(tmp_path):
    files.write_whole(tmp_path / "tokens", "{}", private=True)
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o600


def test_a_folder_made_whole_is_there_or_not(tmp_path):
    folder = tmp_path / "model"
    with pytest.raises(ZeroDivisionError), files.made_whole(folder) as made:
        made.mkdir()
        (made / "half").write_text("")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with files.made_whole(folder) as made:
        made.mkdir()
        (made / "weights").write_text("1")
        assert not folder.exists()
    assert (folder / "weights").read_text() == "1"
    with pytest.raises(OSError), files.made_whole(folder) as made:  # one made meanwhile stays
        made.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["model"] and (folder / "weights").is_file()


def test_what_is_removed_whole_is_out_of_sight_before_it_is_gone(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("1")
    monkeypatch.setattr(files, "discard", lambda path: None)
    files.remove_whole(folder, aside=tmp_path / "tmp")
    assert not folder.exists() and len(list((tmp_path / "tmp").iterdir())) == 1
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        files.remove_whole(folder)
    files.discard(tmp_path / "tmp")
    assert not list(tmp_path.iterdir())


def looked_for() -> dict[str, Path]:
    """Where a process looks for what all its recipes share."""
    return {
        "encoders": encoders_home(),
        "tokenizers": tokenizers_home(),
        "moe": moe_home(),
        "converted": gguf_files._folder(Path(__file__)),
    }


def test_all_that_a_workbench_keeps_is_looked_for_in_its_home(tmp_path, own_models):
    home = tmp_path / "mine"
    bench = Workbench(home)
    assert bench.home == files.home() == home
    assert all(place.is_relative_to(home) for place in looked_for().values()), looked_for()
    prices.save("models: {dear: {input: 100, output: 100}}")
    assert (home / "prices.yaml").is_file() and "dear" in prices.table()
    (home / "encoders" / "towns").mkdir(parents=True)
    for name in ENCODER_FILES:
        (home / "encoders" / "towns" / name).write_text("{}")
    assert trained_encoders() == ["towns"]
    said = subprocess.run(
        [sys.executable, "-c", "from core import files; print(files.home())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == str(home), "a child process looks there too"


def test_of_two_workbenches_the_one_opened_last_says_where_shared_things_are(tmp_path, own_models):
    first, second = Workbench(tmp_path / "first"), Workbench(tmp_path / "second")
    assert (first.home, second.home) == (tmp_path / "first", tmp_path / "second")
    assert first.store.home == first.home and first.jobs.home == first.home, "its own trials and jobs stay its own"
    assert all(place.is_relative_to(second.home) for place in looked_for().values())
    Workbench(tmp_path / "first")
    assert all(place.is_relative_to(first.home) for place in looked_for().values())


@pytest.mark.slow
def test_a_model_in_a_process_of_its_own_looks_into_the_home_of_its_caller(tmp_path):
    words = children.Words("The process", "here", "")
    try:
        for name in ("first", "second"):  # the same process serves both
            Workbench(tmp_path / name)
            with children.asked(("home", "any"), words, Asked(), "home") as answers:
                assert answers.recv() == ("returned", tmp_path / name)
    finally:
        children.end_others("home")


class Asked:
    def home(self) -> Path:
        return files.home()


def test_a_home_may_begin_with_a_tilde_and_what_names_none_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Workbench("~/work").home == files.home() == tmp_path / "work"
    with pytest.raises(WorkbenchError, match="data folder cannot be found"):
        Workbench("~no-such-user/work")


def test_a_text_that_is_not_there_is_told_as_that_and_one_of_another_encoding_to_be_saved_anew(tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    for name, said in (("none", "path of a file"), ("latin", "as UTF-8")):
        with pytest.raises(WorkbenchError) as caught:
            files.read_text(tmp_path / name)
        assert said in caught.value.todo
