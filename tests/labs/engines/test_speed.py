"""The engine's speed: measured in turns, stored for this machine and model, and nothing left behind when it is cancelled."""

from types import SimpleNamespace

import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation import gguf_files
from core.generation.gguf_files import Measured
from core.generation.local import Local
from core.generation.protocol import Generated
from core.labs.engines import speed as engines
from core.progress import drain
from core.records import Progress
from core.workbench import Workbench


class Played(Local):
    """Answers at once; a prompt read anew takes 100 ms, one whose passages are kept 20."""

    part: str = "llama_cpp"
    model: str
    threads: int = 0
    gpu_layers: int = 0
    max_tokens: int = 200
    temperature: float = 1.0
    stop: tuple = ("x",)
    json_schema: str = "{"
    logprobs: int = 3
    reuse_prefix: bool = False

    def identity(self):
        return "played"

    def path(self):
        from pathlib import Path

        return Path(self.model)

    def opens(self):
        return (), lambda: SimpleNamespace(threads=2)

    def load(self):
        return self.opens()[1]()

    def count_tokens(self, text):
        return len(text.split())

    def generate(self, messages, seed=0, deadline_s=120.0):
        assert (self.max_tokens, self.temperature, self.stop, self.json_schema, self.logprobs) == (32, 0.0, (), "", 0)
        question = messages[-1]["content"].rpartition("Question: ")[2]
        text = question if self.reuse_prefix or "__exit__" not in question else "another"
        yield text
        first_ms = 20.0 if self.reuse_prefix else 100.0
        return Generated(text, "stop", "p", 700, 0, 8, first_ms, first_ms + 50, "tiny", "ab")

    def generate_many(self, prompts, seeds=None, deadline_s=120.0, batch=8):
        assert len(prompts) == 16
        yield Progress(0, len(prompts), f"{batch}")
        return []


@pytest.fixture
def config(tmp_path, monkeypatch, own_models):
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(8))
    kept = tmp_path / "as-bf16.gguf"
    kept.write_bytes(b"GGUF")

    def converted(path, weights):
        copy = tmp_path / f"as-{weights}.gguf"
        copy.write_bytes(b"GGUF")
        return copy

    speeds = iter((900.0, 1000.0, 5000.0))
    monkeypatch.setattr(gguf_files, "ready", lambda path, weights: weights != "q4_0")
    monkeypatch.setattr(gguf_files, "converted", converted)
    monkeypatch.setattr(
        gguf_files,
        "measure",
        lambda files: [Measured(name, next(speeds) if name == "bf16" else 400.0, 60.0, 1.0, 1.0, 0.0) for name in files],
    )
    return TrialConfig().model_copy(update={"generation": Played(model=str(tmp_path / "m.gguf"))})


def test_it_is_measured_in_turns_and_found_again(config, tmp_path):
    bench = Workbench(tmp_path / "home")
    assert engines.stored(bench, config) is None
    found = drain(engines.measure(bench, config))
    assert engines.stored(bench, config) == found
    assert list(found.answers_per_s) == ["1", "4", "8", "16"] and min(found.answers_per_s.values()) > 0
    assert (found.first_cold_ms, found.first_kept_ms, found.prompt_tokens, found.threads) == (100.0, 20.0, 700, 2)
    assert (found.same_text, found.questions) == (3, 4), "the question whose text depends on it is counted"
    assert [row.weights for row in found.formats] == ["as_bundled", "bf16", "q4_0"]
    assert found.formats[1].prompt_tokens_per_cpu_s == 1000.0, "the median of three rounds"
    assert (tmp_path / "as-bf16.gguf").exists() and not (tmp_path / "as-q4_0.gguf").exists()
    other = config.model_copy(update={"generation": config.generation.model_copy(update={"threads": 1})})
    assert engines.stored(bench, other) is None, "other threads are another measurement"


def test_a_cancelled_measurement_leaves_nothing(config, tmp_path):
    bench = Workbench(tmp_path / "home")
    working = engines.measure(bench, config)
    while next(working).done == 0:
        pass
    working.close()
    assert engines.stored(bench, config) is None and not (tmp_path / "as-q4_0.gguf").exists()


def test_a_busy_machine_leaves_the_formats_out(config, tmp_path, monkeypatch):
    def busy(files):
        raise WorkbenchError("The machine is too busy.")

    monkeypatch.setattr(gguf_files, "measure", busy)
    assert drain(engines.measure(Workbench(tmp_path / "home"), config)).formats == ()


def test_an_engine_elsewhere_is_not_measured(tmp_path):
    from core.generation.openai_compatible import OpenAICompatible

    with pytest.raises(WorkbenchError, match="not measured"):
        drain(engines.measure(Workbench(tmp_path), TrialConfig(generation=OpenAICompatible())))
