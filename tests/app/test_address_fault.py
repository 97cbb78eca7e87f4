"""An address made to harm: each setting with what it cannot mean is left out and told, or taken as the text that it is."""

import shlex

import pytest

from app import session
from core.__main__ import parse
from core.cli.parts import settings
from core.workbench import Workbench, as_options
from tests.support.hostile_texts import TEXTS
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

GIVEN = [TEXTS[name] for name in ("1,200 brackets", "90 brackets, closed", "400 digits", "a day that is none", "infinity")] + [
    "x" * 300
]


@pytest.mark.slow
def test_every_setting_takes_or_leaves_what_stands_in_the_address():
    for row in settings():
        stage, _, _ = row["setting"].partition(".")
        part = {f"{stage}.part": row["part"]} if row["part"] else {}
        for text in GIVEN:
            notes: list[str] = []
            recipe = session._valid({**part, row["setting"]: session._value(text)}, notes)
            assert len(notes) < 3 and all(len(note) < 500 for note in notes), (row["setting"], text[:60])
            if not notes:  # a command takes it as it was meant
                words = as_options("--set", session.difference(recipe))
                assert parse(["run", *shlex.split(shlex.join(words))]).options["recipe"].read() == recipe, (
                    row["setting"],
                    text[:60],
                )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with_towns(folder, {"lund.txt": "The market of Lund opens at five."}, [])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("page", "address"), [
    ("overview", {"context.template": TEXTS["1,200 brackets"], "seed": TEXTS["5,000 digits"]}),
    ("train_adapter", {"generation.part": "transformers", "generation.model": "2026-99-99"}),
    ("score_answers", {"generation.model": "x" * 300}),
    ("search_live", {"embedding.part": "sentence_transformers", "embedding.model": "x" * 300, "fusion.part": "dense_only"}),
    ("search_live", {"embedding.part": "llm_hidden", "embedding.model": f"{'x' * 300}.gguf", "fusion.part": "dense_only"}),
])  # fmt: skip
def test_a_page_says_calmly_what_is_wrong_with_its_address(page, address, home, monkeypatch):
    bench = Workbench(home)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = visit(page, {"corpus.dataset": "towns", **address})
    assert not app.exception and not [code.value for code in app.code if "Traceback" in code.value]
    assert app.selectbox(key="corpus") and (app.title or app.header or app.subheader or app.error)
