"""The recipe: defaults, validation, settings, identity."""

import pytest
from pydantic import BaseModel, ValidationError

from app.ui import forms
from core import registry
from core.cli.parts import settings
from core.config import FIELDS, PART_KINDS, PLACES, TrialConfig, build, difference, doing, fingerprint, with_settings
from core.errors import WorkbenchError
from core.pipeline.recipe_words import setting_words
from core.registry import word
from core.training.adapters.settings import AdapterTraining, PreferenceTraining


def test_a_recipe_survives_its_own_dump():
    config = with_settings(TrialConfig(), {"chunking.size_tokens": 128, "fusion.part": "rrf", "seed": 7})
    assert build(config.model_dump(mode="json")) == config
    assert config.fusion.part == "rrf" and config.seed == 7


def test_frozen():
    with pytest.raises(ValidationError):
        TrialConfig().seed = 3


@pytest.mark.parametrize("mapping, named", [
    ({"chunking": {"part": "recursive", "size_tokens": -1}}, "size_tokens"),
    ({"chunking": {"part": "recursive", "sise_tokens": 10}}, "sise_tokens"),
    ({"evaluation": {"overlap": float("nan")}}, "overlap"),
    ({"retrieval": {"top_k": 0}}, "retrieval.top_k"),
    ({"cropus": {}}, "cropus"),
])  # fmt: skip
def test_a_bad_setting_is_named(mapping, named):
    with pytest.raises(WorkbenchError, match=named):
        build(mapping)


@pytest.mark.parametrize("setting, value, words", [
    ("fusion.weight", 7, "Dense weight must be at most 1."),
    ("retrieval.top_k", 0, "Top k must be at least 1."),
    ("retrieval.top_k", "many", "Top k must be a whole number."),
    ("generation.top_p", 0.0, "Top-p must be above 0."),
    ("transform.projection", "svd", "Projection must be 'none', 'pca' or 'whitening'."),
    ("embedding.dtype", "int8", "Number format must be 'auto', 'float32' or 'bfloat16'."),
    ("retrieval.depth", 3, "There is no setting 'depth'."),
    ("chunking.overlap_tokens", 9999, "Overlap must be at most 8,191."),
    ("chunking.overlap_tokens", 8000, "The overlap (8,000 tokens) has to be below the size."),
])  # fmt: skip
def test_what_is_wrong_is_told_by_the_label_of_the_form(setting, value, words):
    with pytest.raises(WorkbenchError) as error:
        with_settings(TrialConfig(), {setting: value})
    assert error.value.what == words and error.value.where in (setting, setting.partition(".")[0])


def test_several_wrong_settings_are_told_together():
    with pytest.raises(WorkbenchError) as error:
        with_settings(TrialConfig(), {"fusion.weight": -1, "evaluation.k": 0})
    assert error.value.what == "Dense weight must be at least 0; k must be at least 1."
    assert error.value.where == "fusion.weight, evaluation.k"


def test_settings_are_told_as_their_forms_call_them():
    told = setting_words(
        {"chunking.part": "fixed", "chunking.size_tokens": 1254, "fusion.weight": 0.5, "rerank": {"part": "mmr", "share": 0.3}}
    )
    assert told == "fixed, size 1,254, dense weight 0.5, mmr, lambda 0.3"
    assert setting_words({"fusion.part": "rrf", "transform.centre": True, "seed": 3}) == "Hybrid RRF, centre on, seed 3"
    assert word("model_listwise") == "language model, listwise" and word("faiss_ivf_pq") == "FAISS IVF PQ"


def test_no_setting_is_called_by_its_code_or_by_its_unit_twice():
    parts = [part for kind in PART_KINDS.values() for part in registry.parts(kind).values()]
    classes = [*parts, AdapterTraining, PreferenceTraining, *(field.annotation for field in FIELDS.values())]
    shown = [knob for cls in classes if isinstance(cls, type) and issubclass(cls, BaseModel) for knob in forms.knobs(cls)]
    assert len(shown) > 200
    assert not [
        knob.label for knob in shown if "_" in knob.label or knob.label in ("Dtype", "Rslora", "Dora", "Opq", "Nbits", "Idf")
    ]
    assert not [knob.label for knob in shown if knob.unit and knob.label.lower() == knob.unit]
    assert {"rsLoRA", "DoRA", "Number format"} <= {knob.label for knob in shown}


def test_an_unknown_part_names_the_known_ones():
    with pytest.raises(WorkbenchError, match="recursive"):
        with_settings(TrialConfig(), {"chunking.part": "no-such"})


@pytest.mark.parametrize("value", [5, ["llama_cpp"], None])
def test_what_is_no_part_is_told(value):
    with pytest.raises(WorkbenchError, match="Generation must be"):
        build({"generation": value})


def test_a_new_part_starts_from_its_defaults_and_takes_the_knobs_given_beside_it():
    config = with_settings(TrialConfig(), {"chunking.size_tokens": 64})
    other = with_settings(config, {"chunking.size_tokens": 100, "chunking.part": "fixed"})
    assert (other.chunking.part, other.chunking.size_tokens) == ("fixed", 100)
    assert with_settings(config, {"chunking.part": "recursive"}).chunking.size_tokens == 64


def test_fingerprint_follows_content_not_order_or_identity():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(TrialConfig()) == fingerprint(TrialConfig()) != fingerprint(TrialConfig(seed=1))
    assert fingerprint("a", "b") != fingerprint("ab")
    with pytest.raises(ValueError):
        fingerprint(float("nan"))


def test_members_of_a_list_are_said_as_a_list_or_by_their_places():
    listed = with_settings(TrialConfig(), {"rerankers": ["maxsim", "mmr"], "rerank_2.depth": 5})
    placed = with_settings(TrialConfig(), {"rerank.part": "maxsim", "rerank_2": {"part": "mmr", "depth": 5}})
    assert listed == placed == build(placed.model_dump(mode="json")) and [each.part for each in listed.rerankers] == [
        "maxsim",
        "mmr",
    ]
    assert difference(listed) == {"rerank.part": "maxsim", "rerank_2.part": "mmr", "rerank_2.depth": 5}
    assert listed.rerank_2.depth == 5 and listed.rerank_4.idle and fingerprint(listed) == fingerprint(placed)
    copied = listed.model_copy(update={"rerank_3": listed.rerank})
    assert copied == with_settings(listed, {"rerank_3": "maxsim"}) and len(copied.rerankers) == 3
    assert with_settings(copied, {"rerankers": "mmr"}).rerankers == with_settings(TrialConfig(), {"rerank": "mmr"}).rerankers
    assert TrialConfig(rerankers=["mmr"]) == TrialConfig(rerank="mmr") != TrialConfig(rerank_2="mmr")
    assert TrialConfig(rerank_2="mmr").rerankers[0].idle, "what stands before keeps its place"


def test_a_record_says_members_by_their_places_and_old_ones_read_as_members():
    usual = TrialConfig().model_dump(mode="json")
    assert [name for name in usual if name in PLACES] == ["rerank", "rerank_2", "rerank_3"], (
        "what records said before there were lists"
    )
    assert not PLACES.keys() & doing(usual).keys()
    words = with_settings(TrialConfig(), {"retriever_2": "none"})
    record = words.model_dump(mode="json")
    assert (record["retriever"]["part"], record["retriever_2"]["part"]) == ("sparse", "none")
    assert build(record) == words == TrialConfig(retrievers=["sparse"]) and [each.part for each in words.retrievers] == ["sparse"]
    assert doing(record).keys() - doing(usual).keys() == {"retriever_2"} and fingerprint(words) != fingerprint(TrialConfig())
    assert with_settings(words, {"retriever_2.part": "dense"}) == TrialConfig()
    assert len(build({"rerank_5": "mmr"}).model_dump()["rerank_5"]) > 1


@pytest.mark.parametrize(
    ("settings", "where", "what"),
    [
        ({"rerank_2": {"part": "mmr", "depth": 0}}, "rerank_2.mmr.depth", "at least 1"),
        ({"retrievers": ["none"]}, "retrievers", "needs a retriever"),
        ({"rerankers": ["mmr"] * 6}, "rerankers", "at most 5"),
        ({"rerank_6": "mmr"}, "rerank_6", "no stage"),
    ],
)
def test_a_wrong_member_is_named_by_its_place(settings, where, what):
    with pytest.raises(WorkbenchError, match=what) as error:
        with_settings(TrialConfig(), settings)
    assert error.value.where.startswith(where.split(".")[0])


def test_every_setting_has_help_of_at_most_two_sentences_and_a_default():
    table = settings()
    without = {f for f, kind in PART_KINDS.items() if not any(len(p.model_fields) > 1 for p in registry.parts(kind).values())}
    assert {row["setting"].split(".")[0] for row in table} == set(FIELDS) - without
    for row in table:
        assert row["what"], row["setting"]
        assert row["what"].rstrip(".").count(". ") <= 1, row


def test_every_part_is_found_by_its_name_and_says_what_it_is():
    for kind in set(PART_KINDS.values()) | {"metric", "loader"}:
        found = registry.parts(kind)
        assert found, kind
        for name, cls in found.items():
            assert cls().part == name
            assert len((cls.__doc__ or "").strip()) > 40, f"{kind} {name} has no docstring"


@pytest.mark.parametrize("settings", [
    {"seed.x": 1}, {"seed.part": "a"}, {"fusion.part": [1]}, {"corpus": None, "corpus.dataset": "a"}, {"chunking": {1: 2}},
])  # fmt: skip
def test_a_setting_that_fits_nowhere_is_an_error_for_people(settings):
    with pytest.raises(WorkbenchError):
        with_settings(TrialConfig(), settings)


def test_a_part_can_be_given_as_its_stage_with_knobs_beside_it():
    config = with_settings(TrialConfig(), {"fusion.weight": 0.2, "fusion": "rrf"})
    assert (config.fusion.part, config.fusion.weight) == ("rrf", 0.2)


def test_versions_are_those_of_the_metadata():
    from importlib.metadata import version

    from core.registry import installed

    for package in ("numpy", "PyStemmer", "faiss-cpu", "lancedb", "tokenizers"):
        assert installed(package) == version(package), package
    assert installed("no-such-package-here") == "absent"
