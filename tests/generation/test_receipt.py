"""The receipt of an answer, and what a second run is compared by."""

import pytest

from core.generation.protocol import Generated
from core.generation.receipt import compare, conclusion, receipt
from core.progress import drain
from core.registry import find


class Fixed(find("generator", "openai_compatible")):
    """An engine that answers with a fixed text."""

    said: str = "Paris [1]."

    def identity(self):
        return "fixed"

    def generate(self, messages, seed=0, deadline_s=120.0):
        yield self.said
        return made(self.said)


def made(text: str, reason: str = "stop") -> Generated:
    return Generated(text, reason, "prompt", 1, 0, 3, 1.0, 2.0, "m", "ab" * 32)


@pytest.mark.parametrize(
    "a, b, same, first, equal",
    [("it is so", "it is so", 3, None, True), ("it is so", "it was so", 2, 1, False), ("it is", "it is so", 2, 2, False),
     ("The answer: Yes. [1]", "answer yes [1]", 0, 0, True), ("Yes [1]", "Yes [2]", 1, 1, False), ("", "", 0, None, True)],
)  # fmt: skip
def test_units_positions_and_conclusions(a, b, same, first, equal):
    found = compare(Fixed(), made(a), made(b), 2)
    assert (found.unit, found.same, found.first_difference, found.same_conclusion) == ("word", same, first, equal)
    assert found.share == (1.0 if a == b else same / max(found.first, found.second))


def test_two_failures_conclude_nothing():
    lost, other = made("", "failed: HTTP 500"), made("", "failed: no text before the deadline")
    assert compare(Fixed(), lost, lost, 2).same_conclusion is compare(Fixed(), lost, other, 2).same_conclusion is None
    assert compare(Fixed(), lost, made("It is so."), 2).same_conclusion is False


def test_running_again_names_what_else_changed():
    first = made("Paris [1].")
    kept = receipt(Fixed(), first, 7)
    assert kept.seed == 7 and kept.settings["part"] == "openai_compatible" and len(kept.prompt_sha256) == 64

    def again(engine):
        second = drain(engine.generate([], kept.seed))
        return second, compare(engine, first, second, 1, kept, receipt(engine, second, kept.seed))

    second, same = again(Fixed())
    assert second.text == first.text and same.share == 1 and same.changed == () and same.same_conclusion
    _, other = again(Fixed(said="Rome."))
    assert other.changed == ("settings", "text_sha256") and not other.same_conclusion and other.first_difference == 0


def test_citations_that_were_not_given_do_not_count():
    assert conclusion("Yes, the [9].", 2) == conclusion("yes", 2) == ("yes", ())
