"""The encoder that a training starts from, and a folder of a BERT model as an encoder."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from core.config import code_version, fingerprint
from core.embedding import bert, minilm
from core.embedding.protocol import Encoder
from core.embedding.trained import check
from core.errors import WorkbenchError
from core.files import path_of, read_json
from core.models import hardware, hub
from core.models.identity import files_identity
from core.models.loading import readable


class BertFolder(Encoder):
    """A BERT folder with mean pooling as an encoder part: what is trained, and what training makes."""

    part: Literal["bert_folder"] = "bert_folder"  # of no registry: training alone makes it
    folder: Path

    def identity(self) -> str:
        return "bert-" + fingerprint(files_identity(self.folder), hardware.fast_dtype(), code_version(minilm.MiniLM))

    def load(self) -> minilm.TokenEncoder:
        with readable(where=str(self.folder)):
            dtype, asking = hardware.fast_dtype(), None
            model = bert.Bert(self.folder, dtype, hardware.device())
            if (self.folder / minilm.QUESTIONS).exists():
                asked = minilm.question_side(self.folder, dtype)
                asking = lambda: asked  # noqa: E731
            return minilm.TokenEncoder(
                self.folder.name, self.folder, dtype, most_tokens(self.folder), "mean", lambda: model, asking=asking
            )


class Start(NamedTuple):
    """The encoder that training starts from: as a part, and the folder of its files."""

    part: Any
    folder: Path


def start_encoder(base: str, encoders: Path) -> Start:
    """The encoder that `base` names: minilm, an encoder trained before, or a folder."""
    if base == "minilm":
        return Start(minilm.MiniLM(), minilm.bundled_folder())
    for folder in (encoders / base, path_of(base, "base")):
        if not all((folder / name).is_file() for name in hub.ENCODER_FILES):
            continue
        check(folder)
        if (folder / minilm.QUESTIONS).exists():
            todo = "Start from the encoder that it was trained from, or another one."
            raise WorkbenchError(f"'{base}' reads questions with weights of their own.", where="base", todo=todo)
        with readable(where=str(folder)):
            kind = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless").get("model_type")
        if kind == "bert":
            return Start(BertFolder(folder=folder), folder)
        raise WorkbenchError(
            f"The model in '{base}' is not a BERT model.",
            where="base",
            todo="Start from minilm, a trained encoder or another BERT folder.",
        )
    have = sorted(path.parent.name for path in encoders.glob("[!.]*/training.json"))
    raise WorkbenchError(
        f"There is no encoder '{base}' to start from.",
        where="base",
        todo=f"Choose one of: {', '.join(['minilm', *have])}; or give a folder with {', '.join(hub.ENCODER_FILES)}.",
    )


def most_tokens(folder: Path) -> int:
    """Tokens of a text that the encoder reads, specials included."""
    file = folder / "sentence_bert_config.json"
    settings = read_json(file, "The encoder's settings", of=dict, numbers="careless") if file.exists() else {}
    positions = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")["max_position_embeddings"]
    return min(settings.get("max_seq_length") or 256, positions)
