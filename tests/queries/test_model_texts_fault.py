"""Texts by a model are written once, whatever happens: a cancel, a damaged file, two processes, a service that fails."""

import os
from pathlib import Path

import pytest

from core import files
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.openai_compatible import OpenAICompatible
from core.generation.protocol import Generated
from core.progress import Running, drain
from core.queries import model_texts
from core.queries.model_texts import Request, at_hand, written
from core.queries.protocol import QueryTools
from core.store import shards
from core.store.cache import StageCache
from tests.support.played_model import play

NUMBER = 40


def requests(number: int = NUMBER, **limits) -> list[Request]:
    return [Request([{"role": "user", "content": f"Tell of {n}."}], **{"max_tokens": 8, **limits}) for n in range(number)]


def tools(folder: Path, part=None, seed: int = 0) -> QueryTools:
    return QueryTools(part or LlamaCpp(), seed, folder, None)


@pytest.fixture(autouse=True)
def _read_anew(monkeypatch):
    monkeypatch.setattr(shards, "_stores", {})


def test_only_what_is_not_kept_is_written(tmp_path, monkeypatch):
    played = play(monkeypatch)
    first = drain(written(tools(tmp_path), requests()))
    asked = len(played.runs)
    shards._stores.clear()  # as another process
    assert drain(written(tools(tmp_path), requests(NUMBER + 1)))[:NUMBER] == first
    assert 0 < len(played.runs) - asked <= 8 and all(text.tokens and text.seconds >= 0 for text in first)


def test_texts_asked_for_longest_ago_are_evicted_first(tmp_path, monkeypatch):
    played, folder = play(monkeypatch), tmp_path / "written"
    asked, left = requests(2)
    for number, request in enumerate((asked, left), 1):  # a file each
        drain(written(tools(folder), [request]))
        for path in folder.glob("*.json"):
            os.utime(path, (number, number))
    assert None not in at_hand(tools(folder), [asked])
    cache = StageCache(tmp_path, max(path.stat().st_size for path in folder.glob("*.json")))
    cache.evict()
    runs = len(played.runs)
    drain(written(tools(folder), [asked]))
    assert len(played.runs) == runs and at_hand(tools(folder), [left]) == [None]
    drain(written(tools(folder), [left]))
    assert len(played.runs) > runs


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
    shards._stores.clear()
    there = at_hand(tools(tmp_path), requests())
    assert sum(text is not None for text in there) == model_texts.BATCH
    asked = len(played.runs)
    drain(written(tools(tmp_path), requests()))
    assert len(played.runs) - asked < asked * NUMBER / model_texts.BATCH


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"texts": {"a": [1]}, "crc32": 1}', None])
def test_a_damaged_file_is_told_and_its_texts_written_anew(tmp_path, monkeypatch, damage):
    play(monkeypatch)
    first = drain(written(tools(tmp_path), requests()))
    [shard] = tmp_path.glob("*.json")
    data = shard.read_bytes()
    shard.write_bytes(data.replace(b"Lund", b"Rome").replace(b"market", b"marked") if damage is None else damage)
    shards._stores.clear()
    monkeypatch.setattr(files, "notices", [])
    again = drain(written(tools(tmp_path), requests()))
    assert [text.text for text in again] == [text.text for text in first]
    assert any("made anew" in notice for notice in files.notices)


def test_of_two_processes_the_first_is_right(tmp_path, monkeypatch):
    play(monkeypatch)
    ours, theirs = tools(tmp_path), tools(tmp_path)
    keys = model_texts.keys_of(ours, requests(2))
    other, mine = shards.Shards(tmp_path, "Texts"), shards.Shards(tmp_path, "Texts")
    assert mine.read(keys) == {}
    before = model_texts.ModelText("first", "stop", 1, 1, 0.1)
    other.keep({keys[0]: list(before)})
    stands = mine.keep({key: list(before._replace(text="second")) for key in keys})
    assert [stands[key][0] for key in keys] == ["first", "second"]
    assert [text.text for text in at_hand(theirs, requests(2))] == ["first", "second"]


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
            raise WorkbenchError("The prompt does not fit.")
        return (yield from write(part, prompts, *rest))

    played.generate_many = breaks
    with pytest.raises(WorkbenchError):
        for _ in Running(written(tools(tmp_path), requests())):
            pass
    shards._stores.clear()
    assert any(at_hand(tools(tmp_path), requests()))


def test_nothing_asked_loads_nothing(tmp_path):
    assert drain(written(tools(tmp_path), [])) == [] and not list(tmp_path.iterdir())
