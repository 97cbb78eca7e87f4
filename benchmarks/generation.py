"""The generator on this machine: what our engine layer and the page cost, and what the cache, a faster copy and batches gain.

    python -m benchmarks.generation [--quick]

The model is the bundled one, greedy, on two threads or as many cores as there are. Things compared stand in one process
and take turns; the page is a real server driven in headless Chromium, which shares the machine with the model. Each
required figure stands beside its limit and whether it is met. --quick: less of everything, to try it out.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote_plus

from benchmarks import startup
from benchmarks._options import options
from benchmarks.promises import against, spread
from core.context.prompt import build
from core.generation.llama_engine import LlamaCpp
from core.progress import drain
from core.records import Hit, Progress
from core.workbench import Workbench

ANSWER_TOKENS = 200
PROMPT_TOKENS = 630
QUESTIONS = ("What does the with statement do?", "Which methods does a context manager have?", "When is __exit__ called?",
             "What is the target list of a with statement?", "How are several items written?",
             "What happens when the suite raises an exception?", "What does __enter__ return?",
             "Since which version may items stand in parentheses?")  # fmt: skip
SCHEMAS = {
    "answer": {"type": "object", "properties": {"answer": {"type": "string", "maxLength": 80}, "sure": {"type": "boolean"}}},
    "label": {"enum": ["supported", "partly", "contradicted", "not in the context"]},
    "list": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 1, "maxItems": 4},
    "numbers": {"type": "object", "properties": {"year": {"type": "integer", "minimum": 0},
                                                 "share": {"type": "number"}, "unit": {"type": ["string", "null"], "maxLength": 12}}},
    "nested": {"type": "object", "properties": {"claims": {"type": "array", "maxItems": 3, "items": {"type": "object", "properties": {
        "text": {"type": "string", "maxLength": 40}, "passage": {"type": "integer", "minimum": 1, "maximum": 5}}}}}},
}  # fmt: skip


def passages(part: LlamaCpp) -> list[Hit]:
    """The same text for every question, so long that a prompt of it has about PROMPT_TOKENS."""
    from pydoc_data.topics import topics

    text, hits = topics["with"], []
    while not hits or len(part.read(messages(part, hits, QUESTIONS[0])).tokens) < PROMPT_TOKENS:
        start = 200 * len(hits)
        hits.append(Hit(len(hits) + 1, 1.0, f"with#{len(hits)}", "with", start, start + 200, text[start : start + 200]))
    return hits


def messages(part: LlamaCpp, hits: list[Hit], question: str) -> list[dict[str, str]]:
    from core.config import ContextConfig

    return build(question, hits, ContextConfig(passages=len(hits), max_tokens=4000), part.count_tokens).messages


def streamed(pieces: Iterable[str]) -> tuple[str, float, float]:
    """(text, seconds to the first piece, seconds from the first to the last)."""
    started, first, text = time.perf_counter(), 0.0, ""
    for piece in pieces:
        if piece:
            first, text = first or time.perf_counter() - started, text + piece
    return text, first, time.perf_counter() - started - first


def bare(llama: Any, asked: list[dict[str, str]]) -> tuple[str, float]:
    """llama-cpp-python alone: (text, tokens a second after the first)."""
    count = 0

    def pieces():
        nonlocal count
        for event in llama.create_chat_completion(
            asked, stream=True, temperature=0.0, max_tokens=ANSWER_TOKENS, repeat_penalty=1.0
        ):
            count += 1 if event["choices"][0]["delta"].get("content") is not None else 0
            yield event["choices"][0]["delta"].get("content") or ""

    text, _, rest = streamed(pieces())
    return text, (count - 1) / rest


def layer(part: LlamaCpp, asked: list[dict[str, str]]) -> tuple[str, float]:
    made = drain(part.generate(asked))
    return made.text, (made.answer_tokens - 1) / ((made.generation_ms - made.first_token_ms) / 1000)


def page_messages(part: LlamaCpp, home: str, question: str) -> list[dict[str, str]]:
    """What the page asks the model."""
    from core.config import TrialConfig, with_settings

    config = with_settings(TrialConfig(), {"fusion.part": "sparse_only"})
    return build(question, Workbench(Path(home)).search(config, question), config.context, part.count_tokens).messages


def against_bare(part: LlamaCpp, home: str, question: str, repeats: int) -> dict:
    """Our layer, the page in a browser, and the bare library on the same file, threads and prompt, in turns."""
    from llama_cpp import Llama
    from playwright.sync_api import sync_playwright

    llama = Llama(
        str(part.file()),
        n_ctx=part.context_tokens,
        n_threads=part.threads_in_use(),
        n_threads_batch=part.threads_in_use(),
        verbose=False,
    )
    speeds: dict[str, list[float]] = {"bare": [], "layer": [], "page": []}
    store, texts, asked = Workbench(Path(home)).store, set(), page_messages(part, home, question)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        process, _ = startup.start(home, port := startup.free_port())
        context = startup.browser(engine, folder)
        try:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port}/ask_model?fusion.part=sparse_only&question={quote_plus(question)}")
            button = page.get_by_role("button", name="Ask", exact=True)
            button.wait_for(timeout=300_000)
            page.wait_for_function(startup.DONE)
            for turn in range(repeats + 1):
                text, bare_speed = bare(llama, asked)
                ours, layer_speed = layer(part, asked)
                before = len(store.query("SELECT id FROM answers"))
                button.click()
                until = time.monotonic() + 120
                while len(rows := store.query("SELECT * FROM answers ORDER BY id")) == before:
                    if time.monotonic() > until:
                        raise TimeoutError("the page stored no answer within 120 s")
                    time.sleep(0.2)
                page.wait_for_function(startup.DONE)
                row = rows[-1]
                texts.add(text == ours == row["text"])
                if turn:  # the first turn loads
                    speeds["bare"].append(bare_speed)
                    speeds["layer"].append(layer_speed)
                    speeds["page"].append((row["answer_tokens"] - 1) / ((row["generation_ms"] - row["first_token_ms"]) / 1000))
        finally:
            context.close()
            process.terminate()
            process.wait()
            llama.close()
    middle = {name: median(found) for name, found in speeds.items()}
    # in turns: the ratio of each turn, for the machine may change between turns
    shares = {name: spread(a / b for a, b in zip(speeds[name], speeds["bare"], strict=True)) for name in ("layer", "page")}
    return {"tokens_per_s": middle, "share_of_bare": shares, "same_text": texts == {True}, "each": speeds}


def first_ms(part: LlamaCpp, asked: list[dict[str, str]]) -> tuple[str, float]:
    made = drain(part.generate(asked))
    return made.text, made.first_token_ms


def prefix(part: LlamaCpp, hits: list[Hit], repeats: int) -> dict:
    """Questions over one passage, one after another: the passage read once, or each time."""
    short = part.model_copy(update={"max_tokens": 24})
    cold, times, texts = (short.model_copy(update={"reuse_prefix": False}), {"kept": [], "cold": []}, {"kept": {}, "cold": {}})
    for _ in range(repeats):
        for number, question in enumerate(QUESTIONS):  # the run before leaves the passages, with another question behind them
            for name, one, asked in (("cold", cold, QUESTIONS[number - 1]), ("kept", short, question)):
                texts[name][asked], ms = first_ms(one, messages(part, hits, asked))
                times[name].append(ms)
    size = part.read(messages(part, hits, QUESTIONS[0])).tokens
    return {
        "prompt_tokens": len(size),
        "questions": len(QUESTIONS),
        "first_token_ms": {k: median(v) for k, v in times.items()},
        "times": median(times["cold"]) / median(times["kept"]),
        "times_each": spread(cold_ms / kept_ms for cold_ms, kept_ms in zip(times["cold"], times["kept"], strict=True)),
        "same_text": texts["kept"] == texts["cold"],
    }


def copies(part: LlamaCpp, hits: list[Hit], repeats: int) -> dict:
    """The file as bundled and the copy that `auto` keeps: first token of a prompt that nothing of is in the cache."""
    given = part.model_copy(update={"weights": "as_bundled", "max_tokens": 60, "reuse_prefix": False})
    copy = given.model_copy(update={"weights": "auto"})
    chosen, times, texts = copy.choice(), {"as_bundled": [], "copy": []}, []
    for name, one in (("as_bundled", given), ("copy", copy)):  # each loaded once; memory holds one model at a time
        drain(one.generate(messages(part, hits, QUESTIONS[0])))
        found = []
        for _ in range(repeats):
            for question in QUESTIONS:
                text, ms = first_ms(one, messages(part, hits, question))
                times[name].append(ms)
                found.append(text)
        texts.append(found)
    same = sum(a == b for a, b in zip(*texts, strict=True))
    return {
        "chosen": chosen.weights,
        "first_token_ms": {k: median(v) for k, v in times.items()},
        "times": median(times["as_bundled"]) / median(times["copy"]),
        "times_each": spread(bundled / own for bundled, own in zip(times["as_bundled"], times["copy"], strict=True)),
        "same_text": f"{same} of {len(found)}",
        "measured_when_chosen": [row._asdict() for row in chosen.measured],
    }


def batches(part: LlamaCpp, prompts: int) -> dict:
    """Answers a second, so many at once, to short messages."""
    short = part.model_copy(update={"max_tokens": 48})
    things = ["round", "cold", "made of wood", "older than Rome", "written in C", "loud", "blue", "edible"]
    asked = [[{"role": "user", "content": f"Name {2 + i} things that are {things[i % 8]}."}] for i in range(prompts)]
    speeds = {}
    for size in (1, 4, 8, 16):
        started = time.perf_counter()
        made = drain(short.generate_many(asked, batch=size))
        speeds[size] = sum(one.answer_tokens for one in made) / (time.perf_counter() - started)
    return {"tokens_per_s": speeds, "times_one": {size: speed / speeds[1] for size, speed in speeds.items()}}


def json_answers(part: LlamaCpp, number: int) -> dict:
    """Sampled at temperature 1, every answer checked with jsonschema."""
    import jsonschema

    valid, each = 0, number // len(SCHEMAS)
    for name, schema in SCHEMAS.items():
        bound = part.model_copy(update={"json_schema": json.dumps(schema), "temperature": 1.0})
        asked = [[{"role": "user", "content": f"Tell me something ({name}, {i}), as JSON."}] for i in range(each)]
        for made in drain(bound.generate_many(asked)):
            try:
                jsonschema.validate(json.loads(made.text), schema)
                valid += 1
            except (ValueError, jsonschema.ValidationError):
                pass
    return {"valid": valid, "of": each * len(SCHEMAS)}


def idle(home: str) -> dict:
    """Resident memory of the server after a page was opened on the prepared corpus and nothing was asked."""
    import psutil
    from playwright.sync_api import sync_playwright

    sizes = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        for name in ("overview", "ask_model", "tune_sampling", "inspect_model"):
            process, _ = startup.start(home, port := startup.free_port())
            context = startup.browser(engine, f"{folder}/{name}")
            try:
                page = context.new_page()
                page.goto(f"http://127.0.0.1:{port}/{'' if name == 'overview' else name}")
                page.get_by_test_id("stSidebarNav").wait_for()
                page.wait_for_timeout(1500)
                page.wait_for_function(startup.DONE)
                sizes[name] = psutil.Process(process.pid).memory_info().rss / 1e6
            finally:
                context.close()
                process.terminate()
                process.wait()
    return sizes


def main(quick: bool = False) -> dict:
    repeats = 1 if quick else 5
    with tempfile.TemporaryDirectory() as home:
        os.environ["GROUNDWORK_HOME"] = home
        from core.config import TrialConfig

        for step in Workbench(Path(home)).prepare(TrialConfig()):
            assert isinstance(step, Progress)
        part = LlamaCpp(adapter="", max_tokens=ANSWER_TOKENS)
        part.choice()  # converted once; not part of any time below
        hits = passages(part)
        steps: dict[str, Callable[[], dict]] = {
            "copy": lambda: copies(part, hits, repeats),
            "prefix": lambda: prefix(part, hits, repeats),
            "stream": lambda: against_bare(part, home, "What is a generator?", repeats),
            "batch": lambda: batches(part, 16 if quick else 48),
            "json": lambda: json_answers(part, 10 if quick else 200),
            "idle_mb": lambda: idle(home),
        }
        found = {}
        for name, run in steps.items():
            print(f"  {name}", file=sys.stderr, flush=True)
            found[name] = run()
    required = {
        "layer_share_of_bare": found["stream"]["share_of_bare"]["layer"]["median"],
        "page_share_of_bare": found["stream"]["share_of_bare"]["page"]["median"],
        "prefix_times": found["prefix"]["times"],
        "copy_times": found["copy"]["times"],
        "json_valid": found["json"]["valid"],
        "idle_page_mb": max(found["idle_mb"].values()),
    }
    return {
        "required": {name: against("generation", name, value) for name, value in required.items()},
        **found,
        "spread": {
            "required.layer_share_of_bare": found["stream"]["share_of_bare"]["layer"],
            "required.page_share_of_bare": found["stream"]["share_of_bare"]["page"],
            "required.prefix_times": found["prefix"]["times_each"],
            "required.copy_times": found["copy"]["times_each"],
            "required.idle_page_mb": spread(found["idle_mb"].values()),
        },
        "load": list(os.getloadavg()[:2]),
    }


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
