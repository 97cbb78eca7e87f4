"""Methods, limitations and checklist say what the stored trials say; every reference is one that is there."""

import re
import string

import pytest

from core import registry
from core.config import PART_KINDS, TrialConfig
from core.labs.papers import bibliography, text, wording
from core.labs.papers import paper as papers
from core.workbench import Workbench
from tests.support.small_paper import small_paper
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


def texts_of(bench, name):
    paper = papers.load(bench, name)
    return text.texts(bench, paper, papers.showed(bench, paper))


@pytest.fixture(scope="module")
def texts(bench):
    small_paper(bench)
    return texts_of(bench, "small")


@pytest.mark.slow
def test_the_methods_name_corpus_stages_settings_tests_and_machine(texts):
    methods = texts["text/methods.tex"]
    assert "transformed" not in methods
    for words in (
        "tiny (40 documents; 40 questions)",
        "Documents were split recursively into chunks of 254 tokens with an overlap of 32 tokens~\\cite{langchain2022}.",
        "a fusion of both by reciprocal ranks (constant 60, dense weight 0.5)~\\cite{cormack2009}",
        "dense weight 0.7 or 0.3",
        "MRR@10",
        "at least 50\\% of the shorter",
        "percentile bootstrap over questions~\\cite{efron1993} (1000 resamples; seed 0)",
        "The p values of Table~\\ref{tab:main} and the comparisons in the text are from the paired sign-flip permutation test~\\cite{smu",
        "corrected over all of its tests~\\cite{holm1979}",
        "the CPU (1 thread); versions of packages are not recorded",
    ):
        assert words in methods, words


@pytest.mark.slow
def test_limitations_are_those_of_the_records(bench, texts):
    limits = texts["text/limitations.tex"]
    assert "1 of 40 questions on tiny (all questions) has no gold evidence and counts in no mean" in limits
    assert "chosen on the questions on which it is reported" in limits and "one seed" in limits
    assert (
        "not significant" not in limits
        and "Whether minilm had seen the corpora or questions in its training was not examined" in limits
    )
    questions = add_questions(bench.store, name="b", dataset="b", unanswerable=0)
    alike = [
        add_trial(bench.store, questions, {"corpus.questions": "dev", **settings}, 0.8, seed, packages={"numpy": "2"})
        for seed, settings in ((3, {}), (4, {"sparse.k1": 0.8}))
    ]
    papers.create(bench, "Weak")
    for name, value in (("gain", "difference"), ("gain-p", "p")):  # of one comparison, which is told once
        papers.add(bench, "weak", {"kind": "number", "name": name, "command": ["compare", *alike], "value": value})
    papers.create(bench, "Bracketed")
    number = {"kind": "number", "name": "gain", "command": ["compare", *alike], "value": "difference", "caption": "[draft] Gain"}
    papers.add(bench, "bracketed", number)
    assert r"\item {}[draft] Gain: not significant" in texts_of(bench, "bracketed")["text/limitations.tex"]
    weak = texts_of(bench, "weak")
    assert "gain: not significant; with 40 questions" in weak["text/limitations.tex"]
    assert weak["text/limitations.tex"].count("not significant") == 1
    assert "have no gold" not in weak["text/limitations.tex"] and "flatters" not in weak["text/limitations.tex"]
    assert "numpy 2" in weak["text/methods.tex"] and "questions of the dev half" in weak["text/methods.tex"]


def test_only_where_each_recipe_has_one_seed_it_is_said(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    twice = [add_trial(bench.store, questions, {"seed": seed}, 0.8, seed) for seed in (0, 1)]
    other = add_trial(bench.store, questions, {"sparse.k1": 0.8}, 0.8, 2)
    for name, pair in (("repeated", twice), ("single", [twice[1], other])):
        papers.create(bench, name)
        papers.add(bench, name, {"kind": "number", "name": "gain", "command": ["compare", *pair], "value": "difference"})
    said = {name: "measured with one seed" in texts_of(bench, name)["text/limitations.tex"] for name in ("repeated", "single")}
    assert said == {"repeated": False, "single": True}


def test_what_nothing_was_chosen_or_timed_for_is_no_limit(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    first, second = (add_trial(bench.store, questions, {"sparse.k1": k1}, 0.8, 2) for k1 in (0.8, 1.2))
    tables = {
        "alone": f"trials table {first}",
        "two": f"trials table {first} {second} --cost chunks",
        "timed": f"trials table {first} --cost latency_ms",
    }
    for name, command in tables.items():
        papers.create(bench, name)
        papers.add_table(bench, name, "main", command)
    said = {name: texts_of(bench, name)["text/limitations.tex"] for name in tables}
    assert [name for name, words in said.items() if "machines with other work" in words] == ["timed"]
    paper = papers.load(bench, "alone")
    alone = text.limitations(bench, paper, text.recipes(bench, paper), {})
    assert "flatters" in said["two"] and not any("flatters" in words for words in alone), "one recipe was chosen among none"


def test_metrics_that_a_command_means_without_a_word_are_named(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    pair = [add_trial(bench.store, questions, {"sparse.k1": k1}, 0.8, 2) for k1 in (0.8, 1.2)]
    for name, command in (("gain", ["compare", *pair]), ("table", ["trials-table", *pair])):
        papers.create(bench, name)
        kind = {"kind": "number", "value": "difference"} if name == "gain" else {"kind": "table"}
        papers.add(bench, name, {**kind, "name": name, "command": command})
    methods = [texts_of(bench, name)["text/methods.tex"] for name in ("gain", "table")]
    assert (
        all(r"nDCG@10~\cite{jarvelin2002}" in words for words in methods) and "MRR@10" in methods[1] and "MRR" not in methods[0]
    )


def test_the_smallest_difference_is_that_of_the_power_of_a_paired_test(bench, texts):
    from scipy.stats import norm

    assert pytest.approx(norm.ppf(0.975) + norm.ppf(0.8), abs=1e-3) == text.POWER


def test_the_checklist_says_what_is_recorded_and_what_is_not(texts):
    listed = texts["text/checklist.tex"]
    assert "Seeds: yes." in listed and "Versions of packages: not recorded." in listed
    assert (
        "Items recomputed from the raw records: 4 of 4." in listed
        and "Licences of corpora and models: not recorded here" in listed
    )


def test_what_varies_stands_with_all_its_values_and_what_is_off_is_said():
    chunks = [{"part": "recursive", "size_tokens": size, "overlap_tokens": overlap} for size, overlap in ((96, 0), (128, 32))]
    said = wording.sentence("chunking", [*chunks, {"part": "whole_document"}])
    assert "chunks of 96 or 128 tokens with an overlap of 32 tokens or no overlap~" in said and said.endswith(
        "or kept whole, each as one chunk"
    )
    reranked = wording.sentence("rerank", [{"part": "none"}, {"part": "mmr", "depth": 20, "weight": 1.0}])
    assert reranked.startswith("It was reranked by maximal marginal relevance over the first 20") and reranked.endswith(
        "or not at all"
    )
    assert wording.sentence("rerank", [{"part": "none"}]) == ""
    alone, both = (wording.sentence("answering", [{"part": "reader", "candidates": most}]) for most in (0, 5))
    assert "likelihood" not in alone and "deciding with it among the likeliest 5" in both
    assert wording.sentence("chunking", [{"part": "by_moon", "size": 3}]) == "Documents were by moon (size 3)"
    assert [wording.counted(number, "thread") for number in (1, 2)] == ["1 thread", "2 threads"]


def test_names_are_told_as_they_are_and_long_numbers_whole():
    said = wording.sentence("embedding", [{"part": "sentence_transformers", "model": "own/e5_base", "pooling": "last_token"}])
    assert said.startswith(r"Texts were embedded by own/e5\_base~")
    assert wording.one_of(["last_token"]) == "last token"
    assert wording.one_of(range(20240107, 20240100, -1)) == "20240101 to 20240107 (7 values)"


@pytest.mark.parametrize("stage", wording.CLAUSES)
def test_every_clause_is_of_a_part_and_of_settings_that_it_has(stage):
    config = TrialConfig()
    for name, clause in wording.CLAUSES[stage].items():
        settings = registry.find(PART_KINDS[stage], name) if name else type(getattr(config, stage))
        named = {field for _, field, _, _ in string.Formatter().parse(clause) if field}
        assert named <= set(settings.model_fields), (name, named)


def test_what_is_cited_is_in_the_bibliography_and_nothing_else(texts):
    keys = {key for body in texts.values() for group in re.findall(r"\\cite{([^}]*)}", body) for key in group.split(",")}
    assert keys and set(re.findall(r"@\w+{([^,]+),", texts["references.bib"])) == keys


def test_every_entry_is_whole_and_every_key_is_an_entry():
    used = {*bibliography.BY_PART.values(), *bibliography.BY_DATASET.values(), *bibliography.TESTS.values()}
    assert {key for keys in used for key in keys} <= set(bibliography.entries())
    for key, entry in bibliography.entries().items():
        assert entry.count("{") == entry.count("}"), key
        for field in ("author = {", "title = {", f"year = {{{re.search(r'[0-9]{4}', key)[0]}}}"):
            assert field in entry, (key, field)


@pytest.mark.parametrize(("name", "keys"), [
    ("nfcorpus", ("thakur2021",)), ("scifact", ("thakur2021",)), ("beirut-news", ()), ("squadron", ()), ("wordnet", ("mccrae2020",)),
    ("xquad-en", ("artetxe2020", "rajpurkar2016")), ("squad-v2-dev", ("rajpurkar2016",)), ("squad-sentences", ("du2017",)),
])  # fmt: skip
def test_a_data_set_is_cited_and_no_corpus_of_a_like_name(name, keys):
    assert bibliography.of_dataset(name) == keys


def test_references_are_of_parts_that_there_are():
    names = {name for kind in registry.kinds() for name in registry.parts(kind)}
    assert set(bibliography.BY_PART) | set(bibliography.OF_NOBODY) <= names


def test_a_reference_is_by_whom_the_part_names():
    """The first author of each entry stands in the docstring of the part that it is cited for."""
    every = {name: cls for kind in registry.kinds() for name, cls in registry.parts(kind).items()}
    for name, keys in bibliography.BY_PART.items():
        told = f"{every[name].__doc__} {getattr(every[name], 'source', '')}".lower()
        for letter, plain in zip("äùéã", "auea", strict=True):
            told = told.replace(letter, plain)
        assert any(re.sub(r"\d+[a-z]?$", "", key) in told for key in keys), name
