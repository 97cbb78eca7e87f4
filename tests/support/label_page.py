"""The page Label answers, driven by its buttons."""

from streamlit.testing.v1 import AppTest

from app.ui.labelling import desk, questions, votes
from core.annotation import rounds, saving, versions
from core.annotation.labels import Span, blank
from tests.support.screen import visit


def open_page(**address: str) -> AppTest:
    app = visit("label_answers", address)
    assert not app.exception
    return app


def press(app: AppTest, start: str) -> AppTest:
    button = next(b for b in app.button if b.key and b.key.startswith(start))
    button.click().run()
    assert not app.exception
    return app


def give(app: AppTest, number: int) -> AppTest:
    """The answer button with this number, whatever is asked."""
    button = next(b for b in app.button if b.key and b.key.startswith("give/") and b.key.endswith(f"/{number}"))
    button.click().run()
    assert not app.exception
    return app


def desk_of(app: AppTest) -> desk.Desk:
    return app.session_state["label_desk"]


def said(app: AppTest) -> str:
    return " ".join(e.value for e in [*app.info, *app.error, *app.warning])


def html(app: AppTest) -> str:
    return " ".join(e.proto.body for e in app.get("html"))


def box(app: AppTest):
    return next(t for t in app.text_input if (t.key or "").startswith("label_comment"))


def write(app: AppTest, text: str) -> None:
    box(app).set_value(text).run()
    assert not app.exception


def links(app: AppTest) -> dict[str, str]:
    return {link.proto.label: f"{link.proto.page}?{link.proto.query_string}" for link in app.get("page_link")}


def differing(bench, study, *said: dict) -> versions.Frozen:
    """A study in adjudication by Judge, after its annotators said this of each item."""
    frozen = rounds.freeze(bench, study, "main")
    for who, given in zip(frozen.study.annotators, said, strict=True):
        for item in frozen.study.items:
            saving.label(bench, frozen, blank(frozen.study, "main", item, who).model_copy(update=given))
    return rounds.open_adjudication(bench, study.id, ["Judge"])


def words_on_screen(app: AppTest) -> str:
    desk_ = desk_of(app)
    seen = questions.question_of(desk_, desk_.label())
    told = [who + " " + text for step in desk_.sheet.steps for who, _, text in votes.said_of(desk_.study, desk_.sheet, step)]
    return " ".join([html(app), said(app), seen.what, seen.why, *told])


SAID = (
    {"sentences": (("supported", "supported"),), "helpful": (4,), "spans": (Span(response=0, first=0, last=2),)},
    {"sentences": (("supported", "contradicted"),), "helpful": (4,), "comment": "the <b>second</b> is wrong"},
)
