"""Native libraries: what ends the process of one is told with its signal, is refused from then on, and leaves the app alive."""

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError, missing_package
from core.generation import gguf_files
from core.index.faiss_hnsw import FaissHNSW
from core.index.hnswlib_graph import Hnswlib
from core.index.protocol import Index
from core.jobs import child as children
from core.models import amx, loading, probes
from core.models.loading import load_once
from core.pipeline import index_build
from core.progress import drain

ROOT = Path(__file__).resolve().parents[2]
VECTORS = np.random.default_rng(0).standard_normal((300, 16), np.float32)
AMX = amx.holding() and amx.offered()
needs_llama = pytest.mark.skipif(not importlib.util.find_spec("llama_cpp"), reason="needs llama-cpp-python")


class Crashing(Index):
    """An index whose library ends its process, or works until it is ended."""

    part: Literal["crashing"] = "crashing"
    engine: ClassVar[str] = "json"
    app: int  # where it must not be built
    how: str

    def build(self, vectors, folder):
        assert os.getpid() != self.app
        if self.how:
            os.kill(os.getpid(), getattr(signal, self.how))
        folder.mkdir(parents=True)
        (folder / "pid").write_text(str(os.getpid()))
        time.sleep(100)


@pytest.fixture(autouse=True)
def _no_child_left():
    yield
    children.end_others("index")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_a_library_that_ends_the_building_of_an_index_leaves_the_app_alive(tmp_path, how):
    with pytest.raises(WorkbenchError, match=rf"index crashing ended in the middle.*{how}") as error:
        drain(index_build.built(Crashing(app=os.getpid(), how=how), VECTORS, tmp_path / "index", False))
    assert "doctor" in error.value.todo and not list(tmp_path.glob("*.npy"))
    part = FaissHNSW()
    made = drain(index_build.built(part, VECTORS, tmp_path / "index", False))  # the next build starts the process anew
    assert made.seconds > 0 and made.searcher.size == 300
    inside = part.build(VECTORS, None).search(VECTORS[:5], 3)
    assert np.array_equal(made.searcher.search(VECTORS[:5], 3).chunk, inside.chunk), "one thread builds the same graph"
    assert drain(index_build.built(part, VECTORS, tmp_path / "index", True)).seconds is None


def test_leaving_ends_a_build_that_nothing_else_would_stop(tmp_path):
    steps = index_build.built(Crashing(app=os.getpid(), how=""), VECTORS, tmp_path / "index", False)
    while not (tmp_path / "index" / "pid").exists():
        assert next(steps).message == "Building the index"
    process = children._children["index", ""].process
    steps.close()
    assert process.wait(60) == -signal.SIGKILL and not list(tmp_path.glob(".vectors*"))


# Trials of the libraries -----------------------------------------------------------------------------------------------


@pytest.fixture
def tried(monkeypatch, tmp_path):
    """The trials with a folder of their own, and nothing known yet."""
    monkeypatch.setattr(probes, "_results", {})
    monkeypatch.setattr(probes, "_place", lambda name: tmp_path / "trials" / name)
    return tmp_path / "trials"


@pytest.mark.slow
def test_a_library_that_ends_its_process_is_refused_from_then_on(tried, monkeypatch, tmp_path):
    # a hnswlib whose import aborts, in front of the installed one
    (tmp_path / "hnswlib.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkbenchError, match=r"hnswlib ends its process on this machine \(SIGABRT") as error:
        probes.refuse("hnswlib")
    assert version("hnswlib") in error.value.where and "index exact" in error.value.todo
    (tmp_path / "hnswlib.py").unlink()
    for results in (probes._results, {}):  # in this process, and in the next one
        monkeypatch.setattr(probes, "_results", results)
        with pytest.raises(WorkbenchError, match="SIGABRT"):
            drain(index_build.built(Hnswlib(), VECTORS, tmp_path / "index", True))
    assert not probes.tried("hnswlib").failed  # the doctor tries it again
    probes.refuse("hnswlib")


def test_a_missing_library_is_no_reason_to_refuse_and_is_tried_again(tried, monkeypatch, tmp_path):
    (tmp_path / "hnswlib.py").write_text("raise ModuleNotFoundError('No module named hnswlib', name='hnswlib')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    probes.refuse("hnswlib")  # whoever uses it meets the reason
    assert probes._results["hnswlib"].failed and "hnswlib" in probes._results["hnswlib"].said and probes._read("hnswlib") is None


def test_what_killed_a_trial_from_outside_says_nothing_about_the_library():
    killed = probes._judged(-signal.SIGKILL, "", "", 1.0)
    assert killed.failed and killed.signal == "SIGKILL" and "SIGKILL" not in probes.ABORTS
    assert probes._judged(None, "", "", 120.0).said == "no result within 120 s"
    assert probes._judged(1, "", "words\nImportError: no", 1.0).said == "exit code 1: ImportError: no"


@pytest.mark.slow
def test_a_missing_package_is_told_with_the_command_that_installs_it(tmp_path):
    (tmp_path / "bm25s.py").write_text("raise ModuleNotFoundError(\"No module named 'bm25s'\", name='bm25s')")
    code = "import sys; from core.__main__ import main; sys.exit(main(['run', '--set', 'fusion.part=sparse_only']))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "The package bm25s is not installed" in done.stderr and "pip install -r requirements.txt" in done.stderr
    assert "faiss-cpu" in missing_package(ModuleNotFoundError("no", name="faiss")).what
    assert "libgomp" in missing_package(ImportError("libgomp.so.1: cannot open", name="torch._C")).what


# The build of llama.cpp ------------------------------------------------------------------------------------------------


def installed() -> list[Path]:
    return sorted((Path(importlib.util.find_spec("llama_cpp").origin).parent / "lib").glob("*ggml-cpu*"))


@pytest.mark.slow
@needs_llama
@pytest.mark.skipif(not shutil.which("objdump"), reason="needs objdump, of binutils")
def test_whether_the_installed_library_holds_amx_kernels_is_known_without_a_disassembler():
    assert installed()
    held = False
    for file in {file.resolve() for file in installed()}:
        with subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", file], stdout=subprocess.PIPE) as listing:
            held |= bool([line for line in listing.stdout if b"ldtilecfg" in line])
        assert listing.returncode == 0
    assert held == bool(amx.holding())


@pytest.mark.slow
@needs_llama
@pytest.mark.skipif(not AMX, reason="needs a processor with AMX and a library built on one")
def test_these_kernels_as_built_here_pass_their_trial(tried):
    result = probes.tried(amx.PROBE)
    assert not result.failed and "nats from those without the kernels" in result.said
    assert float(result.said.split()[2]) <= gguf_files.LARGEST_DIVERGENCE


CONFIGURED = """
#include <immintrin.h>
#include <cstdint>
struct Tiles { uint8_t palette = 0, start = 0, reserved[14] = {0}; uint16_t columns[16] = {0}; uint8_t rows[16] = {0}; };
extern "C" void configured() {
    alignas(64) Tiles tiles = {};
    tiles.palette = 1;
    for (int i = 0; i < 8; i++) { tiles.rows[i] = i < 2 ? 8 : 16; tiles.columns[i] = i / 2 == 1 ? 32 : 64; }
    _tile_loadconfig(&tiles);
}
"""
SEEN = """
#include <stdio.h>
void configured(void);
void seen(const unsigned char *tiles) { for (int i = 0; i < 64; i++) printf("%d ", tiles[i]); }
int main(void) { configured(); }
"""


@pytest.mark.skipif(not shutil.which("g++") or os.uname().machine != "x86_64", reason="needs g++ on x86-64")
def test_the_settings_of_the_build_keep_what_the_kernels_configure_their_tiles_with(tmp_path):
    [line] = [line for line in (ROOT / "requirements-llama.txt").read_text("utf-8").splitlines() if line.startswith("llama")]
    settings = dict(option.removeprefix("--config-settings=cmake.define.").split("=", 1) for option in shlex.split(line)[1:])
    flags = settings.pop("CMAKE_CXX_FLAGS")
    assert settings == {"LLAVA_BUILD": "OFF", "CMAKE_C_FLAGS": flags}
    (tmp_path / "seen.c").write_text(SEEN)
    # as ggml-cpu/amx/mmq.cpp does it; the instruction's own operand is read instead, so that any x86-64 can run it
    made = ["g++", "-x", "c++", "-O3", "-mamx-tile", "-mno-red-zone", *flags.split(), "-S", "-o", "-", "-"]
    done = subprocess.run(made, input=CONFIGURED, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this compiler knows no AMX")
    assert "ldtilecfg" in done.stdout
    (tmp_path / "configured.s").write_text(re.sub(r"ldtilecfg\s+(.*)", r"leaq \1, %rdi\n\tcall seen", done.stdout))
    files = [tmp_path / "configured.s", tmp_path / "seen.c"]
    subprocess.run(["gcc", "-no-pie", *files, "-o", tmp_path / "program"], check=True)
    seen = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True).stdout
    columns = [number for i in range(8) for number in (32 if i // 2 == 1 else 64, 0)]
    assert [int(number) for number in seen.split()] == [1, *[0] * 15, *columns, *[0] * 16, 8, 8, *[16] * 6, *[0] * 8]


@needs_llama
def test_these_kernels_are_used_by_a_model_of_its_own_process_alone_and_after_a_trial(monkeypatch, tmp_path):
    from llama_cpp import llama_cpp

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libggml-cpu.so").write_bytes(b"\x7fELF" + bytes(100) + amx.LDTILECFG + b"\x84\x24")
    (tmp_path / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location("llama_cpp", tmp_path / "__init__.py")
    monkeypatch.setattr(amx, "find_spec", lambda name: spec)
    amx.holding.cache_clear()

    def used() -> bool:
        with amx.left_out():
            return llama_cpp.llama_model_default_params().use_extra_bufts

    ended = probes.Result("its process was ended by SIGSEGV", 0.3, "SIGSEGV", True)
    try:
        assert amx.holding().name == "libggml-cpu.so"
        monkeypatch.setattr(probes, "result_of", lambda name: probes.Result("read", 1.0))
        assert not used() and llama_cpp.llama_model_default_params().use_extra_bufts, "torch may compute in this process"
        monkeypatch.setattr(children, "serving", lambda: True)
        assert used()
        monkeypatch.setattr(probes, "result_of", lambda name: ended)
        assert not used()
        from core.labs.doctor.machine import _trial

        finding = _trial(amx.PROBE, reuse=True)
        assert finding.ok is False and probes.REBUILD in finding.todo and "without them" in finding.todo
    finally:
        amx.holding.cache_clear()


@needs_llama
def test_the_doctor_says_where_a_library_without_these_kernels_could_be_faster(monkeypatch):
    from core.labs.doctor.machine import _llama

    for lacking in (True, False):
        monkeypatch.setattr(amx, "lacking", lambda lacking=lacking: lacking)
        [finding] = _llama()
        assert finding.ok and probes.REBUILD in finding.todo and ("Faster" in finding.todo) is lacking
    monkeypatch.undo()
    monkeypatch.setattr(amx, "holding", lambda: ROOT)
    assert not amx.lacking(), "there are some"


def test_yes_and_no_are_taken_as_yaml_gives_them():
    for given, kept in ((True, "yes"), (False, "no"), ("auto", "auto"), ("no", "no")):
        for part in ("llama_cpp", "transformers"):
            config = with_settings(TrialConfig(), {"generation.part": part, "generation.own_process": given})
            assert config.generation.own_process == kept


def test_nothing_known_of_the_torch_of_this_machine_stops_the_encoder(tried, monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "probes", type("P", (), {"refuse": staticmethod(asked.append)}))
    assert load_once("a model of this test", lambda: 5) == load_once("a model of this test", lambda: 6) == 5
    assert asked == ["torch"]


def test_the_doctor_names_the_engine_that_failed_its_trial_and_what_to_do(monkeypatch, tmp_path):
    from core.labs.doctor import machine as doctor

    ended = probes.Result("its process was ended by SIGILL", 0.3, "SIGILL", True)
    went = probes.Result("4 tokens", 1.2)
    monkeypatch.setattr(probes, "result_of", lambda name: ended if name in ("llama.cpp", "torch") else went)
    found = {finding.name: finding for finding in doctor.doctor(tmp_path, reuse=True)}
    llama = found["Trial of llama.cpp: generate a token"]
    assert llama.ok is False and "SIGILL" in llama.found and probes.REBUILD in llama.todo
    assert found["Trial of faiss: build a small graph"] == ("Trial of faiss: build a small graph", True, "4 tokens (1.2 s)", "")
    assert found["Device"].ok is False, "torch is not imported where it ends its process"
    assert found["Packages"].found.endswith("as pinned") or "llama-cpp-python" not in found["Packages"].found


@pytest.mark.slow
@needs_llama
def test_the_real_trials_generate_a_token_and_build_a_graph(tried):
    for name, words in (("llama.cpp", "tokens, the first after"), ("hnswlib", "2,000 vectors built and searched")):
        result = probes.tried(name)
        assert not result.failed and words in result.said and result.seconds > 0 and probes._read(name) == result


def test_every_probe_has_a_trial():
    from core.labs.doctor.probing import RUNS

    assert RUNS.keys() == probes.PROBES.keys()
