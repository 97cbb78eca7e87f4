"""What the engines of this machine do alike: tokens and texts of the loaded model, wherever it is loaded."""

from typing import ClassVar

from core.generation.protocol import Read, TextGenerator
from core.models.own_process import at_model


class Local(TextGenerator):
    """Base of generator parts whose `load()` gives an engine with `tokenize`, `prompt`, `plain`, `text_of`, `bytes_of`
    and `ends`, and which have a knob `own_process`."""

    local: ClassVar[bool] = True

    @at_model
    def count_tokens(self, text: str) -> int:
        return len(self.load().tokenize(text))

    @at_model
    def read(self, messages: list[dict[str, str]]) -> Read:
        return self.load().prompt(messages)

    @at_model
    def read_text(self, text: str) -> Read:
        """The text as it is, to be continued, without the marks of a chat."""
        return self.load().plain(text)

    @at_model
    def pieces(self, text: str) -> list[str]:
        engine = self.load()
        return [engine.text_of(token) for token in engine.tokenize(text)]

    @at_model
    def text_of(self, token: int) -> str:
        """The token by itself; half a character shows as a replacement character, a mark of the template by its name."""
        return self.load().text_of(token)

    @at_model
    def bytes_of(self, token: int) -> bytes:
        """What the token adds to an answer's UTF-8; nothing, for a mark of the template."""
        return self.load().bytes_of(token)

    @at_model
    def ends(self) -> frozenset[int]:
        """Every token that ends an answer."""
        return self.load().ends
