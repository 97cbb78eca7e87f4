"""The cross-encoder: the embedded one ranks, long passages are read whole, and what cannot be read is told in words."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.reranking import cross_encoder
from core.reranking.cross_encoder import CrossEncoder

QUESTION = "What sits on top of the main building?"
RIGHT = "On top of the main building's gold dome is a statue."
WRONG = ["The main library stands beside the lake and has fourteen floors.", "Bread is made of flour.", ""]
EMBEDDED = Path(cross_encoder.__file__).with_name("minilm_squad")


def scores(part: CrossEncoder, pairs: list[tuple[str, str]]) -> np.ndarray:
    values = np.full(len(pairs), np.nan, np.float32)
    for indices, some in part.read(pairs):
        values[indices] = some
    return values


def test_the_embedded_model_puts_the_answer_first():
    values = scores(CrossEncoder(), [(QUESTION, text) for text in (*WRONG, RIGHT)])
    assert np.isfinite(values).all() and values.argmax() == 3


@pytest.mark.slow
def test_an_answer_at_the_end_of_a_long_passage_is_read():
    filler = " ".join(WRONG[:2] * 40)
    late, never = scores(CrossEncoder(), [(QUESTION, f"{filler} {RIGHT}"), (QUESTION, filler)])
    assert late > never + 1


def test_a_score_hardly_depends_on_the_pairs_beside_it():
    pairs = [(QUESTION, text) for text in (*WRONG, RIGHT)]
    whole = scores(CrossEncoder(dtype="float32"), pairs)
    alone = [scores(CrossEncoder(dtype="float32"), [pair])[0] for pair in pairs]
    assert np.allclose(whole, alone, atol=1e-4)


def test_the_adapter_is_small_and_its_card_names_its_data():
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) < 5_000_000
    assert "squad-sentences" in (EMBEDDED / "README.md").read_text("utf-8")


def test_what_is_not_there_or_of_another_base_is_told(tmp_path):
    with pytest.raises(WorkbenchError, match="not on this machine"):
        CrossEncoder(model="nobody/has-this-model").identity()
    with pytest.raises(WorkbenchError, match="neither a folder") as error:
        CrossEncoder(model="no such folder").identity()
    assert error.value.where == "rerank.model"
    folder = shutil.copytree(EMBEDDED, tmp_path / "other")
    settings = json.loads((folder / "reranker.json").read_text())
    (folder / "reranker.json").write_text(json.dumps(settings | {"base_files": "another"}))
    with pytest.raises(WorkbenchError, match="another version"):
        scores(CrossEncoder(model=str(folder)), [("a", "b")])
