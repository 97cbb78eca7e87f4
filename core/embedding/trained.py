"""Encoders that were trained here."""

from pathlib import Path
from typing import ClassVar, Literal

from core.config import code_version, fingerprint, knob
from core.embedding.minilm import QUESTIONS, TokenEncoder, bert_encoder
from core.embedding.protocol import Encoder, Offer
from core.errors import WorkbenchError
from core.files import read_json
from core.models import hardware, hub
from core.models.identity import files_identity
from core.models.loading import check_sealed, load_once
from core.registry import part


@part("encoder")
class Trained(Encoder):
    """An encoder trained here on a corpus' own questions, by its name: a BERT folder below `encoders` in the data folder.

    Choose it over `minilm`, from which it started, for corpora like the one it was trained on; elsewhere it may be
    worse. As fast as `minilm`. It reads as many tokens and pools as it was trained to. Of one that was trained with the generator
    behind it, questions have weights of their own.

    Karpukhin et al. 2020, "Dense Passage Retrieval for Open-Domain Question Answering", section 3; with the generator: Lewis et al.
    2020, arXiv:2005.11401, section 2.4.
    """

    order: ClassVar[int] = 50
    part: Literal["trained"] = "trained"
    name: str = knob("", "Name of the trained encoder: its folder below `encoders` in the data folder.")
    dtype: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "Number format. Auto takes bfloat16 where the hardware is faster with it, which changes hardly a ranking."
    )

    @classmethod
    def offers(cls) -> list[Offer]:
        return [Offer(f"trained-{name}", name, cls(name=name)) for name in hub.trained_encoders()]

    def identity(self) -> str:
        """Name of this encoder's vectors, from the contents of its files: the same name trained anew is another."""
        return "trained-" + fingerprint(files_identity(self._folder()), self._dtype(), code_version(self))

    def prefix(self, query: bool) -> str:
        """Before a question of two sides a space, which is no token: the same text as a chunk has another vector."""
        return " " if query and (self._folder() / QUESTIONS).exists() else ""

    def device(self) -> str:
        return hardware.device()

    def load(self) -> TokenEncoder:
        """The encoder, one per process. The weights, and torch, are loaded by its first `encode`."""
        folder = self._folder()

        def make() -> TokenEncoder:
            check(folder)
            file = folder / "training.json"
            record = read_json(file, "The record of the training", of=dict) if file.exists() else {}
            settings = record.get("settings", {})
            most, pooling = settings.get("max_tokens", 256), settings.get("pooling", "mean")
            return bert_encoder(self.name, folder, self._dtype(), most, pooling)

        return load_once(f"{self.identity()} {self.name}", make)

    def _dtype(self) -> str:
        return hardware.fast_dtype() if self.dtype == "auto" else self.dtype

    def _folder(self) -> Path:
        names = hub.trained_encoders()
        if self.name not in names:
            what = f"There is no trained encoder '{self.name}'." if self.name else "No trained encoder is chosen."
            todo = f"Choose one of: {', '.join(names)}." if names else "None exists yet: train one in the embedding lab."
            raise WorkbenchError(what, where="embedding.name", todo=todo)
        return hub.encoders_home() / self.name


def check(folder: Path) -> None:
    """Refuses a trained encoder that is not as it was written. Those of earlier versions carry no checksums."""
    check_sealed(folder, f"The trained encoder '{folder.name}'")
