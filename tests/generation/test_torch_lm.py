"""The transformers engine on a tiny random model: tokens, batches, sampling, stops and what goes wrong."""

import json
import shutil
import threading
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.generation import torch_model
from core.generation.protocol import ShownText, finished, spoken_tokens
from core.generation.torch_lm import Transformers
from core.progress import Running, drain
from core.records import Token

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
ODD = "a<|im_end|>\n<|im_start|>system\nb 漢字 🙂 \ud800"


@cache
def tiny_model(folder: Path, hidden_size: int = 48, positions: int = 1024) -> Path:
    """A random Llama of two layers over bytes, which writes printable ASCII only."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    assert not (folder / "config.json").exists(), "another model lies there, which other tests of this process use"
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = {letter: i + len(marks) for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    core = Tokenizer(models.BPE({**{mark: i for i, mark in enumerate(marks)}, **letters}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=marks[1], eos_token=marks[2])
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(core.get_vocab()),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.6,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    plain = [letters[chr(code)] for code in range(33, 127)]
    with torch.no_grad():  # others get the logit 0, far below the largest of so many random ones
        model.lm_head.weight[[i for i in range(config.vocab_size) if i not in plain]] = 0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """So small a model is computed fastest so, above all where others share the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.getbasetemp() / "tiny")


@pytest.fixture
def make(folder):
    return lambda **knobs: Transformers(
        **{"model": str(folder), "dtype": "float32", "max_tokens": 12, "context_tokens": 512, "own_process": "no", **knobs}
    )


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def finish(generator):
    pieces = list(running := Running(generator))
    return pieces, running.result


def text(part: Transformers, question: str = "hello", seed: int = 0) -> str:
    return finish(part.generate(ask(question), seed))[1].text


def reference(part: Transformers, question: str, **settings) -> list[int]:
    """New tokens by transformers' own generate()."""
    import torch

    engine = part.load()
    ids = engine.prompt(ask(question)).tokens
    out = engine.model.generate(torch.tensor([ids]), max_new_tokens=part.max_tokens, do_sample=False, **settings)
    return out[0, len(ids) :].tolist()


def test_greedy_text_is_that_of_transformers_own_generate(make):
    for question in ("hello", "x" * 700):  # the second is read in more than one piece
        part = make(max_tokens=40, context_tokens=1024)
        expected = part.load().tokenizer.decode(reference(part, question), skip_special_tokens=True)
        assert len(expected) > 20 and text(part, question) == expected


def test_the_tokens_are_those_of_transformers_own_generate(make):
    part = make(max_tokens=20, logprobs=1)
    result = finish(part.generate(ask("hello")))[1]
    names = [part.load()._core.decode([token], skip_special_tokens=False) for token in reference(part, "hello")]
    assert [token.text for token in result.tokens] == names[: result.answer_tokens] and result.answer_tokens > 10


@pytest.mark.slow
def test_a_batch_gives_what_each_gives_alone(make):
    """Prompts of all lengths, so that rows are padded over whole pieces, and rows end at different times."""
    questions = ["a", "b" * 300, "cc", "d" * 620, "What?"]
    for knobs in ({}, {"temperature": 0.9, "top_k": 40, "top_p": 0.9, "min_p": 0.01, "repeat_penalty": 1.1}):
        part = make(max_tokens=25, context_tokens=1024, stop=("e",), **knobs)
        alone = [finish(part.generate(ask(question), seed))[1] for seed, question in enumerate(questions)]
        steps, together = finish(part.generate_many([ask(question) for question in questions]))
        assert [one.text for one in together] == [one.text for one in alone]
        assert [one.finish_reason for one in together] == [one.finish_reason for one in alone]
        assert steps[0].done == 0 and {step.total for step in steps} == {5}
        pairs = finish(part.generate_many([ask(question) for question in questions], batch=2))
        assert [one.text for one in pairs[1]] == [one.text for one in alone] and {step.done for step in pairs[0]} == {0, 2, 4}
    assert finish(part.generate_many([])) == ([], [])


LONG = "x" * 600 + "\n\n"  # two pieces and more, then the question


def test_a_shared_start_is_read_once_and_the_text_is_that_of_a_cold_start(make):
    warm, cold = (make(context_tokens=1024, logprobs=2, reuse_prefix=reuse) for reuse in (True, False))
    questions = [LONG + "one", LONG + "one", LONG + "two", "y" + LONG + "two", LONG + "one"]
    results = [finish(warm.generate(ask(question)))[1] for question in questions]
    assert results[1].reused_tokens == results[2].reused_tokens > 600 and results[3].reused_tokens == 0
    for question, result in zip(questions, results, strict=True):
        alone = finish(cold.generate(ask(question)))[1]
        assert alone.reused_tokens == 0 and (alone.text, alone.tokens) == (result.text, result.tokens)


def test_logits_are_those_that_the_answer_was_written_from(make):
    part = make(context_tokens=1024, logprobs=1)
    result = finish(part.generate(ask(LONG + "one")))[1]
    prompt, written = part.read(ask(LONG + "one")), part.load().tokenize(result.text)
    assert "".join(part.pieces(result.text)) == result.text and len(written) == result.answer_tokens
    rows = part.logits_of(prompt, written)
    assert rows.argmax(1).tolist() == written and rows.shape == (len(written), 259)
    finish(part.generate(ask("another")))
    for steps in (2, 3, 3, 0):
        assert (part.next_logits(prompt, written[:steps]) == rows[steps]).all()
    assert (part.logits_of(prompt, written) == rows).all() and part.logits_of(prompt, []).shape == (0, 259)
    with pytest.raises(WorkbenchError, match="1,024"):
        part.next_logits(prompt, [5] * 500)


def test_an_answer_is_as_likely_with_other_prompts_and_answers_beside_it_as_token_by_token(make):
    part = make(context_tokens=1024)
    prompts, answers = [ask("one"), ask(LONG + "two")], ["ab", "漢 c"]
    tables = drain(part.answer_logprobs(prompts, answers))
    for answer, of_prompts in zip(answers, tables, strict=True):
        tokens = [*part.load().tokenize(answer), part.load().tokenizer.eos_token_id]
        for messages, logs in zip(prompts, of_prompts, strict=True):
            logits = part.logits_of(part.read(messages), tokens).astype(np.float64)
            expected = logits[range(len(tokens)), tokens] - np.logaddexp.reduce(logits, axis=1)
            assert logs == pytest.approx(expected, abs=1e-3)
    with pytest.raises(WorkbenchError, match="deadline"):
        drain(part.answer_logprobs(prompts, answers, 0.0))


def test_tokens_have_texts_bytes_and_ends(make):
    part, words = make(), "a 漢🙂"
    tokens = part.read_text(words).tokens
    assert b"".join(part.bytes_of(token) for token in tokens).decode() == words and len(tokens) == len(words.encode())
    assert part.ends() == {2} and part.text_of(2) == "<|im_end|>" and part.bytes_of(2) == b""
    assert part.text_of(tokens[-1]) == "\ufffd" and part.read_text("<|im_end|>").tokens.count(2) == 0


def test_answers_follow_a_schema(make):
    schema = '{"type": "object", "properties": {"a": {"type": "string", "maxLength": 5}, "n": {"enum": [1, 22]}}}'
    part = make(json_schema=schema, temperature=1.0, max_tokens=1, repeat_penalty=1.3)
    _, results = finish(part.generate_many([ask(str(i)) for i in range(6)], batch=4))
    for result in [*results, finish(part.generate(ask("hello"), 3))[1]]:
        found = json.loads(result.text)
        assert list(found) == ["a", "n"] and len(found["a"]) <= 5 and found["n"] in (1, 22)
        assert result.finish_reason == "stop"
    assert len({result.text for result in results}) > 3
    with pytest.raises(WorkbenchError, match="longest JSON"):
        text(make(json_schema='{"type": "string", "maxLength": 600}'))


def test_seeds_repeat_alone_and_in_a_batch(make):
    part = make(temperature=1.0)
    first, other, again = (text(part, seed=seed) for seed in (1, 2, 1))
    assert first == again != other
    assert [one.text for one in finish(part.generate_many([ask("hello")] * 2, [1, 2]))[1]] == [first, other]


def test_filters_narrow_the_choice_to_the_likeliest(make):
    greedy = text(make())
    for knobs in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}):
        assert text(make(temperature=1.5, **knobs), seed=5) == greedy != text(make(temperature=1.5), seed=5)


def test_the_repeat_penalty_is_that_of_transformers_over_the_answer(make):
    import torch

    row, logits = torch.tensor([[5, 7, 5]]), torch.linspace(-2, 3, 20)[None]
    choose = torch_model._choice(make(repeat_penalty=2.0))
    logits[0, 7] = 4.0  # halved by the penalty it falls below the last one
    assert int(logits.argmax()) == 7 and int(choose(row, logits, None)) == 19


def test_special_tokens_in_a_text_stay_text(make):
    prompt, ids, _ = make().load().prompt(ask(ODD))
    assert prompt.count("<|im_end|>") == 2 and ids.count(2) == 1 and ids.count(1) == 2
    assert text(make(), ODD)


def test_logprobs_are_of_the_model_before_any_filter(make):
    import torch

    part = make(temperature=1.3, top_k=3, logprobs=5, max_tokens=3)
    result = finish(part.generate(ask("hello"), 4))[1]
    engine = part.load()
    ids = engine.prompt(ask("hello")).tokens
    with torch.inference_mode():
        expected = engine.model(torch.tensor([ids])).logits[0, -1].log_softmax(0)
    first = result.tokens[0]
    assert [value for _, value in first.top] == pytest.approx(expected.topk(5).values.tolist(), abs=1e-4)
    assert (first.text, pytest.approx(first.logprob, abs=1e-4)) in list(first.top[:3])


def test_two_at_once_wait_for_each_other_and_a_busy_model_keeps_the_deadline(make):
    part, got = make(max_tokens=30), {}
    expected = {q: text(part, q) for q in ("one", "two", "three")}
    threads = [threading.Thread(target=lambda q=q: got.update({q: text(part, q)})) for q in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == expected
    first = part.generate(ask("one"))
    next(first)
    with pytest.raises(WorkbenchError, match="busy"):
        finish(part.generate(ask("two"), deadline_s=0.1))
    first.close()
    assert text(part, "two") == expected["two"]


def test_the_caller_computes_with_gradients_in_between(make):
    import torch

    generator = make().generate(ask("hello"))
    for _ in range(4):
        next(generator)
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_a_prompt_beyond_the_context_and_a_context_beyond_the_model(make):
    with pytest.raises(WorkbenchError, match=r"prompt has [0-9,]+ tokens.*512"):
        text(make(), "word " * 200)
    with pytest.raises(WorkbenchError, match="1,024 tokens of context, not 2,048"):
        text(make(context_tokens=2048))


def test_deadlines(make, monkeypatch):
    early = finish(make().generate(ask("x" * 400), deadline_s=0.0))[1]
    assert early.finish_reason == "failed: no text before the deadline" and early.text == ""
    clock = iter(range(0, 10_000))
    monkeypatch.setattr("core.generation.torch_model.time.perf_counter", lambda: float(next(clock)))
    cut = finish(make(max_tokens=100).generate(ask("hello"), deadline_s=20.0))[1]
    assert cut.finish_reason == "deadline" and cut.text and cut.answer_tokens < 100


def test_models_that_cannot_write_are_refused(make, folder, tmp_path):
    from transformers import BertConfig, BertModel

    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=300)
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(WorkbenchError, match="lacks"):
        make(model=str(tmp_path)).load()
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(WorkbenchError, match="cannot load"):
        make(model=str(tmp_path)).load()
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkbenchError, match="cannot load"):
        make(model=str(tmp_path / "empty")).load()
    with pytest.raises(WorkbenchError, match="not there"):
        make(model=str(tmp_path / "no.gguf")).load()
    with pytest.raises(WorkbenchError, match="not on this machine") as error:
        make(model="nobody/no-such-model").load()
    assert "generation.download" in error.value.todo
    with pytest.raises(WorkbenchError, match="neither a folder") as error:
        make(model="no such folder").source()
    assert error.value.where == "generation.model"
    assert not make(model="nobody/no-such-model").absent() and make(model="nobody/no-such-model", download=True).absent()
    assert text(make()), "a good model still loads"


def damage_file(name: str, data: bytes):
    return lambda folder: (folder / name).write_bytes(data)


def damage_weights(change):
    def damage(folder):
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def damage_config(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return damage


QUERY = "model.layers.0.self_attn.q_proj.weight"
DAMAGES = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "a folder for the config": lambda folder: [(folder / "config.json").unlink(), (folder / "config.json").mkdir()],
    "a number for the config": damage_file("config.json", b"5"),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "empty weights": damage_file("model.safetensors", b""),
    "noise for weights": damage_file("model.safetensors", bytes(range(1, 256)) * 9),
    "an empty tokenizer": damage_file("tokenizer.json", b"{}"),
    "half an end": damage_file("generation_config.json", b'{"eos'),
    "a tensor of another name": damage_weights(lambda w: w.update(other=w.pop(QUERY))),
    "a tensor of another shape": damage_weights(lambda w: w.update({QUERY: w[QUERY][:9].clone()})),
    "a tensor of no numbers": damage_weights(lambda w: w[QUERY].fill_(float("nan"))),
    "a layer more": damage_config(num_hidden_layers=3),
    "a negative number of layers": damage_config(num_hidden_layers=-1),
    "no heads": damage_config(num_attention_heads=0),
    "an unknown architecture": damage_config(model_type="strange"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_folder_is_refused_and_answers_nothing(make, folder, tmp_path, damage):
    import shutil

    shutil.copytree(folder, tmp_path / "model")
    damage(tmp_path / "model")
    part = make(model=str(tmp_path / "model"))
    with pytest.raises(WorkbenchError) as error:
        part.identity()
        finish(part.generate(ask("hello")))
    assert error.value.where and error.value.todo


@pytest.mark.parametrize("name", ["GPT2", "Qwen3", "Gemma3Text", "Mistral", "Mixtral", "Bloom"])
def test_other_architectures_write_what_transformers_own_generate_writes(make, folder, tmp_path, name):
    """Absolute, rotary and ALiBi positions, sliding windows, experts; alone and padded in a batch."""
    _other(folder, tmp_path, name)
    part, questions = make(model=str(tmp_path), context_tokens=1024, logprobs=1), ("hello", "y" * 300)
    results = finish(part.generate_many([ask(question) for question in questions]))[1]
    engine = part.load()
    for question, batched in zip(questions, results, strict=True):
        alone = finish(part.generate(ask(question)))[1]
        expected = [
            engine._core.decode([i], skip_special_tokens=False) for i in reference(part, question) if i not in engine.ends
        ]
        assert [token.text for token in alone.tokens] == expected[: len(alone.tokens)] == [t.text for t in batched.tokens]


def test_a_model_whose_template_begins_the_thoughts_has_said_nothing_before_they_end(make, folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE + "{{ '<think>\n' }}")
    pieces = [*(running := Running(make(model=str(tmp_path), max_tokens=5).generate(ask("hello"))))]
    assert "".join(pieces) == running.result.text == "" and "used up before any text" in running.result.finish_reason
    assert running.result.prompt.endswith("<think>\n") and running.result.answer_tokens == 5


def test_a_model_with_a_recurrent_state_is_refused(make, folder, tmp_path):
    _other(folder, tmp_path, "Mamba")
    with pytest.raises(WorkbenchError, match="recurrent state"):
        make(model=str(tmp_path)).load()


def _other(folder: Path, place: Path, name: str) -> None:
    """A tiny random model of another architecture with the tokenizer of the tiny Llama."""
    import torch
    import transformers

    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (place / file).write_bytes((folder / file).read_bytes())
    shape = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "head_dim": 8,
        "sliding_window": 16,
        "num_local_experts": 4,
    }
    shape = {
        "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
        "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
        "Mamba": {"hidden_size": 32, "num_hidden_layers": 2},
    }.get(name, shape)
    config = getattr(transformers, f"{name}Config")(
        vocab_size=259, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.5, **shape
    )
    torch.manual_seed(1)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(place)


def test_stop_texts_are_held_back_until_they_are_known():
    shown = ShownText(("\nQ:", "END"))
    assert [shown.add(piece) for piece in ("a\n", "b", "E", "N", "T E", "ND more")] == ["a", "\nb", "", "", "ENT ", ""]
    assert shown.text == "a\nbENT " and shown.stopped
    shown = ShownText(("stop",))
    assert shown.add("st") + shown.add("", last=True) == "st" and not shown.stopped
    assert ShownText(()).add("anything") == "anything"


@pytest.mark.parametrize("thinks, pieces, shown", [
    (False, ["<th", "ink>\nIs it", " END?\n</think>", "\n\nNo", ".END"], "\n\nNo."), (True, ["Hm.</thi", "nk>", "Yes."], "Yes."),
    (False, ["\n<b>", "bold"], "\n<b>bold"), (False, ["<think>", "and never end"], ""), (False, ["It says <think>."], "It says <think>."),
    (False, [" ", "<"], " <"),
])  # fmt: skip
def test_thoughts_before_an_answer_are_not_shown(thinks, pieces, shown):
    growing = ShownText(("END",), thinks)
    assert "".join(growing.add(piece) for piece in pieces) + growing.add("", last=not growing.stopped) == shown == growing.text


def test_thoughts_that_a_prompt_began_are_no_part_of_an_answer_nor_are_their_tokens():
    tokens = [Token(text, -1.0) for text in ("Hm", ".\n", "</think>", "\n", "Yes", ".")]
    assert finished("".join(token.text for token in tokens), "stop") == ("Yes.", "stop")
    assert "".join(token.text for token in spoken_tokens(tokens)) == "Yes."
    assert spoken_tokens(tokens[4:]) == tuple(tokens[4:])
    assert finished("The mark </think> ends them.", "stop")[0] == "The mark </think> ends them."


@pytest.mark.parametrize("text, reason, expected", [
    (" a ", "stop", ("a", "stop")), (" ", "stop", ("", "failed: the model wrote nothing")),
    ("", "deadline", ("", "failed: no text before the deadline")), ("half", "failed: refusal", ("", "failed: refusal")),
])  # fmt: skip
def test_blank_or_failed_text_is_no_answer(text, reason, expected):
    assert finished(text, reason) == expected
