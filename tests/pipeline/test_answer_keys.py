"""What an answer over given passages is recorded by."""

from dataclasses import replace

import pytest

from core.config import TrialConfig, with_settings
from core.context.prompt import written
from core.pipeline.answers import Asker
from core.records import Hit
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS, with_towns


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ({}, False),
        ({"citations": "titles"}, True),
        ({"passage": "$title: $text"}, True),
        ({"passage": "$text ($page)"}, True),
        ({"template": "Of $titles:\n$passages\n$question"}, True),
        ({"template": "$passages\n$question"}, False),
    ],
)
def test_another_title_or_page_is_another_answer_where_the_prompt_tells_it(tmp_path, told, read):
    """Titles and pages are in no corpus' fingerprint: a title that was mended had the answer to the prompt before."""
    bench = with_towns(tmp_path / "home", MARKETS, MARKET_QUESTIONS)
    config = with_settings(TrialConfig(), {"corpus.dataset": "towns", **{f"context.{name}": text for name, text in told.items()}})
    run, question = bench.resolve(config), MARKET_QUESTIONS[0]["question"]
    mended = tuple(document._replace(title=f"The {document.id}", pages=(0,)) for document in run.corpus.documents)
    other = replace(run, corpus=replace(run.corpus, documents=mended), stamp="of the files as they are now", _keys={})
    asked, prompts = [], []
    for each in (run, other):
        of = each.corpus.documents[0]
        hits = [Hit(1, 1.0, of.id, of.title, 0, len(of.text), of.text, page=1 if of.pages else None)]
        asked.append(Asker(each).over(question, hits).key)
        prompts.append(written(question, hits, config.context))
    assert (prompts[0] != prompts[1]) == read == (asked[0] != asked[1])
