""" "I don't know." where the model is sure enough of it, by both engines, alone and several at once."""

import numpy as np
import pytest

from core.config import ContextConfig
from core.context.prompt import UNKNOWN, build
from core.generation.llama_engine import LlamaCpp
from core.generation.refusing import first_odds
from core.generation.torch_lm import Transformers
from core.models.adapters import SHIPPED
from core.progress import drain
from core.records import Hit, Token

TEXT = "The Amazon is a river of South America. It carries more water than any other."


@pytest.fixture(scope="module")
def messages():
    hit = Hit(1, 0.0, "a", "Amazon", 0, len(TEXT), TEXT)
    return build("Who wrote the Divine Comedy?", [hit], ContextConfig(), len).messages


ENGINES = {
    "llama_cpp": lambda **knobs: LlamaCpp(weights="bf16", **knobs),
    "transformers": lambda **knobs: Transformers(adapter=SHIPPED, dtype="float32", **knobs),
}


@pytest.mark.parametrize("engine", ["llama_cpp", pytest.param("transformers", marks=pytest.mark.slow)])
def test_a_refusal_is_written_from_its_probability_on(engine, messages):
    def made(refusal):
        return ENGINES[engine](own_process="no", context_tokens=512, max_tokens=12, refusal=refusal, logprobs=1)

    def odds_of(prompt):
        logits = np.array(part.next_logits(part.read(prompt)), np.float64)
        odds = np.exp(logits - logits.max())
        return logits, float(odds[first] / odds.sum())

    part = made(0.0)
    first = part.load().tokenize(UNKNOWN)[0]
    logits, sure = odds_of(messages)
    assert logits.argmax() == first and 0.05 < sure < 0.99
    assert drain(part.generate(messages)).text == UNKNOWN == drain(made(sure - 0.02).generate(messages)).text
    logits[first] = -np.inf
    likeliest = part.text_of(int(logits.argmax())).strip()
    alone = drain(made(sure + 0.02).generate(messages))
    assert alone.text.startswith(likeliest) and not alone.text.startswith("I don't")
    plain = [*messages[:-1], {"role": "user", "content": messages[-1]["content"].replace(UNKNOWN, "nothing.")}]
    many = drain(made(sure + 0.02).generate_many([messages, plain]))
    assert many[0].text == alone.text
    assert first_odds(alone.tokens) == pytest.approx(sure, abs=0.01), "the model's own odds, not the bent ones"
    logits, beside = odds_of(plain)
    beside = beside if logits.argmax() == first else 0.0
    assert [first_odds(each.tokens) for each in many] == pytest.approx([sure, beside], abs=0.02)
    for other in (plain, [*messages, {"role": "assistant", "content": "I"}]):  # not offered, and already begun
        assert drain(made(1.0).generate(other)).text == drain(part.generate(other)).text


def test_odds_of_declining_are_those_of_the_likeliest_beginning():
    def odds(*top):
        return first_odds(
            [Token("The", -1.0, tuple((text, np.log(share)) for text, share in top)), Token("I", 0.0, (("I", 0.0),))]
        )

    assert odds(("I", 0.4), ("The", 0.3)) == pytest.approx(0.4)
    assert odds(("I don", 0.4)) == pytest.approx(0.4)
    assert odds(("The", 0.4), ("I", 0.3)) == 0.0 == odds(("", 0.9)) == odds((" I", 0.9))
    assert np.isnan(first_odds([])) and np.isnan(odds())
