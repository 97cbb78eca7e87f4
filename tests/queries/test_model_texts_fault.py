"""Texts by a model are written once, whatever happens: a cancel, a damaged file, two processes, a service that fails."""

import gzip
import os
from pathlib import Path

import pytest

from core.errors import PromptTooLong, WorkbenchError
from core.generation import model_texts
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import Request, TextTools, at_hand, written
from core.generation.openai_compatible import OpenAICompatible
from core.generation.protocol import Generated
from core.progress import Running, drain
from core.store import batches
from core.store.database import Store
from tests.support.played_model import play

NUMBER = 40


def requests(number: int = NUMBER, **limits) -> list[Request]:
    return [Request([{"role": "user", "content": f"Tell of {n}."}], **{"max_tokens": 8, **limits}) for n in range(number)]


def tools(folder: Path, part=None, seed: int = 0) -> TextTools:
    return TextTools(part or LlamaCpp(), seed, folder, None)


def test_only_what_is_not_kept_is_written(tmp_path, monkeypatch):
    played = play(monkeypatch)
    first = drain(written(tools(tmp_path), requests()))
    asked = len(played.runs)
    batches._of_home.clear()  # as another process
    assert drain(written(tools(tmp_path), requests(NUMBER + 1)))[:NUMBER] == first
    assert 0 < len(played.runs) - asked <= 8 and all(text.tokens and text.seconds >= 0 for text in first)


def test_settings_seed_model_and_prompt_are_other_texts(tmp_path, monkeypatch):
    play(monkeypatch)
    one = requests(1)
    cases = [
        ((), one), ((LlamaCpp(top_p=0.5),), one), ((LlamaCpp(model="/another.gguf"),), one), ((None, 1), one),
        ((), requests(1, max_tokens=9)), ((), requests(1, stop=("x",))), ((), requests(1, temperature=1.0)),
        ((), requests(1, draw=2)), ((), requests(2)[1:]),
    ]  # fmt: skip
    keys = {model_texts.keys_of(tools(tmp_path, *given), some)[0] for given, some in cases}
    assert len(keys) == 9
    same = LlamaCpp(threads=1, own_process="no", max_tokens=99, stop=("y",), temperature=0.3, context_tokens=512)
    assert model_texts.keys_of(tools(tmp_path, same), one)[0] in keys, "what changes no text writes nothing anew"


def test_a_cancel_keeps_what_is_done(tmp_path, monkeypatch):
    played = play(monkeypatch)
    work = written(tools(tmp_path), requests())
    for step in work:
        if step.done:  # a batch is over
            break
    work.close()
    batches._of_home.clear()
    there = at_hand(tools(tmp_path), requests())
    assert sum(text is not None for text in there) == model_texts.BATCH
    asked = len(played.runs)
    drain(written(tools(tmp_path), requests()))
    assert len(played.runs) - asked < asked * NUMBER / model_texts.BATCH


@pytest.mark.parametrize("damage", ["empty", "cut", "changed"])
def test_a_damaged_record_is_told_and_its_texts_written_anew(tmp_path, monkeypatch, damage):
    play(monkeypatch)
    first = drain(written(tools(tmp_path), requests()))
    [path] = tmp_path.rglob("*.model_texts.jsonl.gz")
    path.chmod(0o600)
    data = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "cut": data[:-9], "changed": gzip.compress(gzip.decompress(data).replace(b" mill", b" well"))}[damage]
    )
    batches._of_home.clear()
    again = drain(written(tools(tmp_path), requests()))
    assert [text.text for text in again] == [text.text for text in first]
    store = Store(tmp_path)
    [row] = store.query("SELECT count(*) AS texts, count(DISTINCT id) AS records FROM model_texts")
    assert row == {"texts": NUMBER, "records": 1} and any("was left out" in notice for notice in store.told())


def test_of_two_processes_the_first_is_right(tmp_path, monkeypatch):
    play(monkeypatch)
    ours = tools(tmp_path)
    keys = model_texts.keys_of(ours, requests(2))
    other, mine = batches.BatchRecords(tmp_path), batches.BatchRecords(tmp_path)
    assert mine.read("model_texts", keys) == {}
    before = model_texts.ModelText("first", "stop", 1, 1, 0.1)
    other.keep("model_texts", {keys[0]: before._asdict()})
    stands = mine.keep("model_texts", {key: before._replace(text="second")._asdict() for key in keys})
    assert [stands[key]["text"] for key in keys] == ["first", "second"]
    assert [text.text for text in at_hand(ours, requests(2))] == ["first", "second"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_serves(tmp_path, monkeypatch):
    play(monkeypatch)
    tmp_path.chmod(0o500)
    try:
        first = drain(written(tools(tmp_path / "texts"), requests(2)))
        assert drain(written(tools(tmp_path / "texts"), requests(2))) == first
    finally:
        tmp_path.chmod(0o700)


class Service:
    """An endpoint in the place of a remote part's: it answers, until it fails."""

    def __init__(self, monkeypatch, fails_after: int, how: str = "failed: the connection broke") -> None:
        self.asked, self.fails_after, self.how = 0, fails_after, how
        monkeypatch.setattr(OpenAICompatible, "generate", lambda part, messages, seed, deadline_s: self.answer(messages))

    def answer(self, messages):
        self.asked += 1
        failed = self.asked > self.fails_after
        text = "" if failed else f"Told: {messages[-1]['content']}"
        yield text
        return Generated(text, self.how if failed else "stop", "", None, None, 3, 1.0, 2.0, "m", "", cost_usd=0.1)


def test_an_endpoint_that_fails_in_the_middle_keeps_what_is_done(tmp_path, monkeypatch):
    service, using = Service(monkeypatch, fails_after=10), tools(tmp_path, OpenAICompatible())
    with pytest.raises(WorkbenchError, match="30 of 40 texts are not written: the connection broke"):
        drain(written(using, requests()))
    assert service.asked == 10 + model_texts.TRIES, "a service that fails again and again is asked no more"
    service.fails_after = 1000
    texts = drain(written(using, requests()))
    assert service.asked == 10 + model_texts.TRIES + 30 and len({text.text for text in texts}) == NUMBER


def test_a_single_failure_stops_nothing_but_is_told(tmp_path, monkeypatch):
    service, using = Service(monkeypatch, fails_after=1000), tools(tmp_path, OpenAICompatible())
    answer = service.answer

    def once(messages):
        service.fails_after = 0 if "of 7." in messages[-1]["content"] else 1000
        return (yield from answer(messages))

    service.answer = once
    with pytest.raises(WorkbenchError, match="1 of 40 texts"):
        drain(written(using, requests()))
    assert service.asked == NUMBER


def test_a_refusal_is_kept_as_no_text(tmp_path, monkeypatch):
    service, using = Service(monkeypatch, 0, "failed: refusal"), tools(tmp_path, OpenAICompatible())
    [text] = drain(written(using, requests(1)))
    assert text.text == "" and text.cost_usd == 0.1
    drain(written(using, requests(1)))
    assert service.asked == 1


def test_an_error_of_the_model_keeps_the_batches_before(tmp_path, monkeypatch):
    played = play(monkeypatch)
    write = played.generate_many

    def breaks(part, prompts, *rest):
        if any("of 25." in messages[-1]["content"] for messages in prompts):
            raise WorkbenchError("There is no memory for 16 answers at once.")
        return (yield from write(part, prompts, *rest))

    played.generate_many = breaks
    with pytest.raises(WorkbenchError):
        for _ in Running(written(tools(tmp_path), requests())):
            pass
    batches._of_home.clear()
    assert any(at_hand(tools(tmp_path), requests()))


def windowed(monkeypatch, played) -> None:
    """The model's window holds so many tokens as it says: prompt and a token."""
    write = played.generate_many

    def read(part, prompts, *rest):
        for messages in prompts:
            if (size := len(part.read(messages).tokens)) >= part.context_tokens:
                raise PromptTooLong(
                    f"The prompt has {size:,} tokens, and prompt and answer have room for {part.context_tokens:,}."
                )
        return (yield from write(part, prompts, *rest))

    monkeypatch.setattr(played, "generate_many", read)


def test_a_prompt_that_the_window_does_not_hold_fails_alone_and_is_kept_for_that_window(tmp_path, monkeypatch):
    played = play(monkeypatch)
    windowed(monkeypatch, played)
    small, large = (tools(tmp_path, LlamaCpp().model_copy(update={"context_tokens": size})) for size in (8, 2048))
    asked = requests()
    asked[25] = asked[25]._replace(messages=[{"role": "user", "content": "Tell of " + "very " * 20 + "much."}])
    made = drain(written(small, asked))
    assert [n for n, text in enumerate(made) if not text.text] == [25]
    assert made[25].finish_reason == "failed: The prompt has 23 tokens, and prompt and answer have room for 8."
    runs = len(played.runs)
    batches._of_home.clear()
    assert at_hand(small, asked) == made == drain(written(small, asked)) and len(played.runs) == runs
    assert at_hand(large, asked) == [*made[:25], None, *made[26:]], "a window that holds it is asked"
    [told] = drain(written(large, asked[25:26]))
    assert told.text and at_hand(large, asked)[25] == told and at_hand(small, asked) == made


def test_a_prompt_beyond_the_window_of_a_service_fails_alone_and_is_kept(tmp_path, monkeypatch):
    service, using = Service(monkeypatch, fails_after=1000), tools(tmp_path, OpenAICompatible())
    answer = service.answer

    def windowed(messages):
        if "of 7." in messages[-1]["content"]:
            raise PromptTooLong("The prompt does not fit into the model's context: 9,000 tokens are too many tokens")
        return (yield from answer(messages))

    service.answer = windowed
    made = drain(written(using, requests()))
    assert [n for n, text in enumerate(made) if not text.text] == [7] and made[7].finish_reason.startswith(
        "failed: The prompt does"
    )
    assert at_hand(using, requests()) == made and service.asked == NUMBER - 1


def test_nothing_asked_loads_nothing(tmp_path):
    assert drain(written(tools(tmp_path), [])) == [] and not list(tmp_path.iterdir())


def test_a_text_that_its_window_cut_is_written_anew_in_another(tmp_path, monkeypatch):
    played = play(monkeypatch)
    [asked] = requests(1, max_tokens=40)
    room = len(played.tokenize(asked.messages[0]["content"])) + 3

    def windowed(self, prompts, seeds, deadline_s, batch):
        least = min(self.max_tokens, self.context_tokens - room + 3)
        return (yield from played.generate_many(self.model_copy(update={"max_tokens": least}), prompts, seeds, deadline_s, batch))

    monkeypatch.setattr(LlamaCpp, "generate_many", windowed)
    window = lambda size: tools(tmp_path, LlamaCpp().model_copy(update={"context_tokens": size}))  # noqa: E731
    [cut] = drain(written(window(room), [asked]))
    assert (cut.finish_reason, cut.tokens) == ("length", 3)
    assert at_hand(window(2048), [asked]) == [None], "it is none of a window that holds more"
    [whole] = drain(written(window(2048), [asked]))
    assert whole.finish_reason == "stop" and whole.text.startswith(cut.text) and len(whole.text) > len(cut.text)
    runs = len(played.runs)
    assert drain(written(window(2048), [asked])) == [whole] and drain(written(window(room), [asked])) == [cut]
    assert len(played.runs) == runs, "each is written once"
    [short] = requests(1, max_tokens=2)
    assert drain(written(window(room), [short])) == at_hand(window(2048), [short]), "what its own limit cut is the same in any"
