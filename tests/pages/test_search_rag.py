"""The tab RAG ablation of Search, live: the job with what is still to do, then the table and what differs significantly from naive."""

import pytest

from core.labs.answers import rag_ablation as lab
from core.progress import drain
from tests.labs.answers.test_answering import SETTINGS, template  # noqa: F401
from tests.labs.answers.test_rag_ablation import COUNT, FAST, recipe
from tests.pages.test_search_answers import start
from tests.support.prices import prices

ADDRESS = {name: str(value) for name, value in (SETTINGS | FAST).items()}


def opened(**address: object):
    app = start("RAG ablation", rag_count=COUNT, **ADDRESS, **address)
    assert not app.exception and not app.error
    return app


@pytest.mark.slow
def test_the_job_is_offered_and_its_table_stands_beside_what_it_costs(bench, reader, started, shown_commands):
    app = opened()
    assert any("every variant" in told for told in prices(app))
    next(button for button in app.button if button.label == "Ablate RAG").click().run()
    assert started == [["rag-ablation", "--ask", str(COUNT), *bench.arguments(recipe())]]
    made = drain(lab.ablate_rag(bench, recipe(), COUNT))
    asked = len(reader.prompts)
    app = opened()
    table = next(d.value for d in app.dataframe if "Variant" in d.value.columns)
    assert table["Variant"].tolist() == [variant.title for variant in made.variants] and set(table["n"]) == {COUNT}
    assert table["Token F1" if "Token F1" in table.columns else "F1"].tolist() == [
        made.comparison.means[variant.name, "f1"].mean for variant in made.variants
    ]
    assert not [told for told in prices(app) if "every variant" in told] and len(reader.prompts) == asked
    assert any("rag-ablation --ask" in command for command in shown_commands)
    app.selectbox(key="rag_measure").set_value("em").run()
    assert not app.exception
