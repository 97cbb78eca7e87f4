"""A model is told from another by its files, wherever it lies."""

from pathlib import Path

import pytest

from core.models.identity import files_identity


def written(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".json").write_text(text)
    return folder


@pytest.mark.parametrize("parent", ["models", "onnx", "openvino"])
def test_models_with_other_files_differ_wherever_they_lie(tmp_path, parent):
    one, other = (written(tmp_path / parent / name, config="{}", weights=name) for name in ("one", "other"))
    assert files_identity(one) != files_identity(other)
    assert files_identity(one) == files_identity(written(tmp_path / "copy", config="{}", weights="one"))


def test_the_same_weights_for_another_engine_change_nothing(tmp_path):
    plain = written(tmp_path / "plain", config="{}")
    assert files_identity(plain) == files_identity(written(tmp_path / "more", config="{}", onnx__config="[]"))
