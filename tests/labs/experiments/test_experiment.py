"""A study as a document: what it may say, and how what is wrong with it is told."""

import json

import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.experiments.experiment import Experiment, made, read, slug, written


def example(capsys) -> str:
    assert main(["study-example"]) == 0
    return capsys.readouterr().out


def test_the_example_is_a_study_and_comes_back_as_it_was_written(capsys):
    study = read(example(capsys))
    assert [factor.setting for factor in study.factors] == ["chunking", "fusion.part", "fusion.weight", "retrieval.candidates"]
    assert study.factors[0].parts() == ["recursive", "sentence", "sliding_window"]
    assert read(written(study)) == study and study.recipe.corpus.questions == "dev"
    assert main(["study-example", "--json"]) == 0
    assert read(json.loads(capsys.readouterr().out)) == study


def test_its_name_is_made_from_its_title():
    assert made({"title": "Chunk sizes on XQuAD: 64 … 512"}).id == "chunk-sizes-on-xquad-64-512"
    assert slug("…") == slug("") == "study" and len(slug("a" * 200)) == 80
    assert made({}).id == "study" and made({"id": "mine", "title": "Other"}).id == "mine"


def test_titles_that_differ_in_letters_of_any_script_or_after_the_cut_have_ids_that_differ():
    titles = ["混合检索", "重排序", "Гибрид", "Υβριδική", "RAG 检索", "RAG 排序", "a" * 90, "a" * 91, "Does it help on 语料?"]
    names = [made({"title": title}).id for title in titles]
    assert len(set(names)) == len(names) and all(
        name == made({"title": f" {title} "}).id for name, title in zip(names, titles, strict=True)
    )
    assert names[4].startswith("rag-") and names[0].startswith("study-") and max(map(len, names)) == 80


def test_the_base_is_said_as_a_mapping_or_by_dotted_settings():
    nested = made({"base": {"fusion": {"part": "rrf", "weight": 0.25}, "retrieval": {"top_k": 5}}})
    dotted = made({"base": {"fusion.weight": 0.25, "retrieval.top_k": 5, "fusion": "rrf"}})
    assert nested.recipe == dotted.recipe and nested.recipe.fusion.weight == 0.25


def test_settings_of_conditions_and_parts_stand_before_what_hangs_on_them():
    study = made(
        {
            "factors": [
                {"setting": "fusion.weight", "values": [0.2], "when": {"retrieval.candidates": [50]}},
                {"setting": "retrieval.candidates", "values": [50], "when": {"chunking.part": ["sentence"]}},
                {"setting": "fusion", "values": ["rrf", {"part": "convex", "normalisation": "min_max"}]},
                {"setting": "chunking", "values": ["sentence", "fixed"]},
            ]
        }
    )
    order = [factor.setting for factor in study.in_order()]
    assert sorted(order) == sorted(factor.setting for factor in study.factors)
    assert order.index("chunking") < order.index("retrieval.candidates") < order.index("fusion.weight") > order.index("fusion")


def test_a_recipe_to_compare_with_is_asked_what_the_base_is():
    base = {"corpus.dataset": "towns", "seed": 3, "evaluation.k": 5}
    study = made({"base": base, "choose_on": "dev", "against": {"fusion.part": "sparse_only", "evaluation.k": 7, "seed": 1}})
    compared = study.compared_with
    assert compared.fusion.part == "sparse_only" and (compared.seed, compared.evaluation.k) == (3, 5)
    assert compared.corpus == study.recipe.corpus and read(written(study)) == study
    assert made({"base": base, "against": {}}).compared_with is None  # it is the base
    assert made({"base": base | {"sparse.k1": 0.5}, "against": {}}).compared_with.sparse.k1 == 1.5  # the default recipe
    with pytest.raises(WorkbenchError, match="against is no recipe"):
        made({"against": {"fusion.part": "nothing"}})
    with pytest.raises(WorkbenchError, match="leave out one of the two"):
        made({"against": {}, "baseline": "01a"})


def factor(setting, values=(1,), **more) -> dict:
    return {"factors": [{"setting": setting, "values": list(values), **more}]}


@pytest.mark.parametrize(("mapping", "words"), [
    (factor("fusion.weigth"), "'fusion' has no setting 'weigth' (convex has weight, normalisation)"),
    (factor("fusion", ["rrf", "rff"]), "there is no fusion 'rff'; there are sparse_only, dense_only, rrf, convex"),
    (factor("fusion", [{"weight": 1}]), "there is no fusion ''"),
    (factor("fusion", ["rrf", "rrf"]), "factor 1: fusion names a value twice"),
    (factor("retrieval"), "'retrieval' has no parts to compare: name a setting of it, such as retrieval.candidates"),
    (factor("reranking.part"), "there is no stage 'reranking' (reranking.part); stages: corpus, chunking"),
    (factor("seed"), "the seed is no factor: repeats"),
    (factor("seed.part"), "the seed is no factor: repeats"),
    (factor("sparse.k1", when={"seed.x": [1]}), "the seed is no factor: repeats"),
    (factor("corpus.questions", ["dev"]), "the questions are no factor: choose_on and report_on say which are used"),
    (factor("sparse.k1", when={"fusion": ["rff"]}), "there is no fusion 'rff'"),
    (factor("sparse.k1", when={"retrieval.depth": [1]}), "'retrieval' has no setting 'depth'"),
    (factor("sparse.k1", when={"sparse.k1": [1]}), "whether sparse.k1 is varied cannot hang on itself"),
    (factor("sparse.k1", low=1.0), "either values or a range"),
    (factor("sparse.k1", []), "either values or a range"),
    (factor("sparse.k1", [], low=1.0, high=1.0), "the range of sparse.k1 ends before it begins"),
    (factor("sparse.k1", [], low=0.0, high=1.0, log=True), "cannot be even in its logarithm"),
    (factor("sparse.k1", [], low=1e-300, high=1e12, log=True), "spans more than a number can say"),
    (factor("retrieval.top_k", [], low=1.2, high=1.9, whole=True), "no whole number in the range of retrieval.top_k"),
    (factor("sparse.k1", [], low=1.0, high=2.0), "grid takes values, and sparse.k1 has a range"),
    (factor("sparse.k1", [float("nan")]), "factor 1, value 1: 'nan' (float) is neither a number"),
    ({"factors": [*factor("fusion", ["rrf"])["factors"], *factor("fusion.part", ["rrf"])["factors"]]}, "two factors vary fusion.part"),
    ({"base": {"fusion": {"part": "rrf", "weight": 7}}}, "the base is no recipe: Dense weight must be at most 1 (fusion.weight)"),
    ({"base": {"fusion": "rff"}}, "There is no fusion 'rff'"),
    ({"metrics": []}, "metrics: Tuple should have at least 1 item"),
    ({"metrics": ["accuracy"]}, "grid knows no metric accuracy; there are hit, recall"),
    ({"metrics": ["recall", "latency_ms"]}, "grid knows no metric latency_ms"),
    ({"metrics": ["latency_ms", "recall"], "design": {"kind": "nsga2"}}, "latency_ms is a cost: name a metric first"),
    ({"metrics": ["recall", "recall"]}, "a metric is named twice"),
    ({"design": {"kind": "nsga2"}}, "nsga2 weighs two or more measures"),
    ({"design": {"kind": "tpe", "trials": 0}}, "tpe draws points: say how many trials"),
    ({"design": {"kind": "bayes"}}, "design, kind: Input should be 'grid', 'random'"),
    ({"report_on": "test"}, "to report on the test questions, choose on dev"),
    ({"id": "Ä b"}, "id: String should match pattern"),
    ({"repeats": 0, "tag": "a"}, "repeats: Input should be greater than or equal to 1; tag: Extra inputs are not permitted"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(mapping, words):
    with pytest.raises(WorkbenchError) as error:
        made(mapping, "a.yaml")
    assert words in error.value.what and error.value.where == "a.yaml" and "experiment example" in error.value.todo
    assert "\n" not in error.value.what and ".." not in error.value.what


def test_a_value_out_of_bounds_is_no_error_of_the_document():
    assert made(factor("fusion.weight", [0.5, 7])).factors[0].values == (0.5, 7)  # its point is left out, and told


def test_conditions_in_a_circle_are_named():
    a = {"setting": "retrieval.top_k", "values": [5], "when": {"retrieval.candidates": [50]}}
    b = {"setting": "retrieval.candidates", "values": [50], "when": {"retrieval.top_k": [5]}}
    with pytest.raises(WorkbenchError, match="candidates > retrieval"):
        made({"factors": [a, b]})


@pytest.mark.parametrize("text", [
    "", "- a", "a: [", "a: 2024-13-45", "factors: [&a [*a]]", "base: &a {x: *a}", "id: 5", "1: 2", "x: !!python/object:os.system {}",
    "[" * 5_000, "base: {x: " + "1" * 5_000 + "}", "a" * 1_000_001,
    "base:\n  a: &a [1, 1]\n" + "".join(f"  {b}: &{b} [{f'*{a}, ' * 9}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
])  # fmt: skip
def test_what_is_no_study_is_an_error_for_people(text):
    with pytest.raises(WorkbenchError) as error:
        read(text, "a.yaml")
    assert error.value.where.startswith("a.yaml") and error.value.todo


def test_a_study_may_be_empty_and_frozen():
    study = Experiment(id="folder")
    assert written(study) == "id: folder\n" and not study.factors
    with pytest.raises(Exception, match="frozen"):
        study.title = "x"
