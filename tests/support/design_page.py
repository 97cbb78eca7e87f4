"""The page Study design, driven by its buttons."""

import re

from streamlit.testing.v1 import AppTest

from core.annotation import draft, rounds, saving, versions, worklist
from core.annotation.labels import blank
from core.config import TrialConfig, with_settings
from tests.support.screen import html, visit


def add_answers(bench, questions=20, temperatures=(0.0, 0.7)):
    """Answers of as many systems as there are temperatures."""
    for temperature in temperatures:
        config = with_settings(TrialConfig(), {"generation.temperature": temperature}).model_dump(mode="json")
        for n in range(questions):
            bench.store.add(
                "answer",
                {
                    "question": f"What is {n}?",
                    "text": f"It is <b>{n}</b>. So say I at {temperature}.",
                    "finish_reason": "stop",
                    "model": "small.gguf",
                    "config": config,
                    "hits": [{"document_id": "d", "title": "T", "start": 0, "end": 5, "text": f"It is {n}.", "rank": 1}],
                },
            )


def judge(bench, frozen, name=lambda who, item: "supported"):
    """Everybody labels everything."""
    for who in frozen.study.people(frozen.round):
        while item_id := worklist.Worklist(bench, frozen, who).next_open():
            item = frozen.study.item(item_id)
            saving.label(
                bench,
                frozen,
                blank(frozen.study, frozen.round, item, who).model_copy(
                    update={
                        "sentences": tuple((name(who, item),) * len(one.sentences) for one in item.responses),
                        "helpful": (4,) * len(item.responses),
                        "seconds": 9.0,
                    }
                ),
            )


def open_page(view: str = "", **address: str) -> AppTest:
    return sound(visit("design_study", address, **({"section": view} if view else {})))


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].value
    told = " ".join(e.value for e in app.error)
    assert "unexpected" not in told and "file of Groundwork" not in told, [told, *(c.value for c in app.code)][-1]
    return app


def press(app: AppTest, key: str) -> AppTest:
    return sound(next(button for button in app.button if button.key == key).click().run())


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def words(app: AppTest) -> str:
    told = [*app.caption, *app.warning, *app.error, *app.success, *app.info, *app.markdown]
    return html(app) + " ".join(element.value for element in told)


def facts(app: AppTest) -> str:
    """The strip beside the study's name."""
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", next(e.proto.body for e in app.get("html") if "rubric version" in e.proto.body))
    )


def the_study(bench, name="faithfulness") -> versions.Frozen:
    return versions.load(bench, name)


def started(bench, view: str = "") -> AppTest:
    add_answers(bench)
    rounds.save(bench, draft.start(bench).study)
    return open_page(view)
