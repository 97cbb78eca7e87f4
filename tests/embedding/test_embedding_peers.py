"""Against sentence-transformers, the reference for every model it reads."""

import json
import shutil

import numpy as np
import pytest

from core.embedding.llm_hidden import Hidden, LLMHidden
from core.embedding.minilm import MiniLM, bundled_folder
from core.embedding.sentence_transformers import SentenceTransformers
from core.generation.llama_engine import LlamaCpp
from core.models import gguf_weights

TEXTS = ["", "What is recall?", "naïve café 東京 😀", "long " * 700, *("A sentence of a few words, " * n for n in range(1, 30))]

FEW = [*TEXTS[:3], *TEXTS[-2:]]


@pytest.fixture(scope="module")
def library():
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)  # its threads wait for each other, which takes minutes on a busy machine
    return SentenceTransformer(str(bundled_folder()), device="cpu", local_files_only=True)


def vectors_of(part, texts, query=False):
    encoder = part.load()
    out = np.empty((len(texts), encoder.dim), np.float32)
    for indices, vectors in encoder.encode(texts, query=query):
        out[indices] = vectors
    return out


@pytest.mark.slow
def test_float32_is_the_library_to_rounding(library):
    assert np.abs(vectors_of(MiniLM(dtype="float32"), TEXTS) - library.encode(TEXTS)).max() < 1e-5


@pytest.mark.slow
def test_bfloat16_points_the_same_way(library):
    ours = vectors_of(MiniLM(dtype="bfloat16"), TEXTS)
    assert (ours * library.encode(TEXTS)).sum(1).min() > 0.999
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_other_poolings_are_the_librarys(pooling):
    """The library pools the padding away too, and its maximum is over the specials as well."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer

    words = Transformer(str(bundled_folder()), max_seq_length=256)
    library = SentenceTransformer(modules=[words, Pooling(384, pooling), Normalize()], device="cpu")
    expected = library.encode(TEXTS)
    assert np.abs(vectors_of(MiniLM(dtype="float32", pooling=pooling), TEXTS) - expected).max() < 1e-5
    assert (vectors_of(MiniLM(dtype="bfloat16", pooling=pooling), TEXTS) * expected).sum(1).min() > 0.999


def test_token_offsets_are_the_librarys(library):
    for text, offsets in zip(TEXTS, MiniLM().load().token_offsets(TEXTS), strict=True):
        expected = library.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, truncation=False)
        assert offsets.tolist() == [list(pair) for pair in expected["offset_mapping"]]


@pytest.mark.slow
def test_bfloat16_changes_hardly_a_ranking(datasets_root):
    data = json.loads((datasets_root / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    paragraphs = [p for article in data for p in article["paragraphs"]]
    questions = [qa["question"] for p in paragraphs for qa in p["qas"]][::4]  # all of them: benchmarks/encoding.py
    tops = []
    for dtype in ("float32", "bfloat16"):
        part = MiniLM(dtype=dtype)
        scores = vectors_of(part, questions) @ vectors_of(part, [p["context"] for p in paragraphs[::2]]).T
        tops.append(np.argsort(-scores, axis=1)[:, :10])
    assert np.mean([np.isin(a, b).mean() for a, b in zip(*tops, strict=True)]) >= 0.99


@pytest.mark.slow
def test_the_general_part_gives_the_librarys_vectors(library):
    part = SentenceTransformers(model=str(bundled_folder()), dtype="float32")
    assert np.abs(vectors_of(part, FEW) - library.encode(FEW)).max() < 1e-5
    prefixed = SentenceTransformers(model=str(bundled_folder()), dtype="float32", query_prefix="query: ")
    expected = library.encode(["query: " + text for text in FEW])
    assert np.abs(vectors_of(prefixed, FEW, query=True) - expected).max() < 1e-5
    assert np.abs(vectors_of(prefixed, FEW) - library.encode(FEW)).max() < 1e-5
    encoder = part.load()
    assert (encoder.dim, encoder.max_tokens) == (384, 256)
    bf16 = vectors_of(SentenceTransformers(model=str(bundled_folder()), dtype="bfloat16"), FEW)
    assert (bf16 * library.encode(FEW)).sum(1).min() > 0.999


def test_the_general_part_reads_the_prompts_that_a_model_declares(tmp_path):
    for file in bundled_folder().iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config_sentence_transformers.json").unlink()
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: ", "passage": "p: "}}')
    part = SentenceTransformers(model=str(tmp_path))
    assert (part.prefix(True), part.prefix(False)) == ("q: ", "p: ")
    assert SentenceTransformers(model=str(tmp_path), query_prefix="Q ").prefix(True) == "Q "
    assert part.identity() != SentenceTransformers(model=str(bundled_folder())).identity()
    offsets = part.load().token_offsets(["two words"])
    assert offsets[0].tolist() == [[0, 3], [4, 9]]


@pytest.mark.parametrize(
    ("settings", "question", "passage"),
    [
        ({"prompts": {"query": "q: ", "document": ""}, "default_prompt_name": "query"}, "q: ", ""),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}, "default_prompt_name": "query"}, "q: ", "p: "),
        ({"prompts": {"all": "a: ", "document": None}, "default_prompt_name": "all"}, "a: ", "a: "),
        ({"prompts": {"query": "q: "}, "default_prompt_name": None}, "q: ", ""),
    ],
)
def test_a_prompt_that_a_model_declares_empty_is_not_its_default(tmp_path, settings, question, passage):
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings))
    part = SentenceTransformers(model=str(tmp_path))
    assert (part.prefix(True), part.prefix(False)) == (question, passage)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A folder of a random Llama of four layers, and the library's model of it."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "llama"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=31_000,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    tokenizer = Tokenizer.from_file(str(bundled_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.post_processor = None  # as most causal models': nothing is put around a text
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder, model.model, tokenizer


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("layer", [1, 3, -1])
def test_hidden_states_are_the_librarys_one_text_at_a_time(llama, pooling, layer):
    import torch

    folder, model, tokenizer = llama
    part = LLMHidden(model=str(folder), pooling=pooling, layer=layer, dtype="float32", query_prefix="Find: ")
    expected = []
    for text in ("Find: " + FEW[1], *TEXTS):
        ids = [1, *tokenizer.encode(text).ids[:256]]
        with torch.inference_mode():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
            states = states if layer == -1 else model.norm(states)
        pooled = states[-1] if pooling == "last" else states[min(1, len(states) - 1) :].mean(0)
        expected.append(torch.nn.functional.normalize(pooled, dim=0).numpy())
    assert np.abs(vectors_of(part, FEW[1:2], query=True) - expected[0]).max() < 1e-4
    assert np.abs(vectors_of(part, TEXTS) - np.stack(expected[1:])).max() < 1e-4


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_start_token_that_the_tokenizer_puts_there_itself_stands_once(llama, pooling, tmp_path):
    from tokenizers.processors import TemplateProcessing

    folder, _, tokenizer = llama
    shutil.copytree(folder, tmp_path / "begins")
    begins = tokenizer.from_str(tokenizer.to_str())
    begins.post_processor = TemplateProcessing(single="[unused0] $A", special_tokens=[("[unused0]", 1)])
    assert begins.encode(FEW[1]).ids == [1, *tokenizer.encode(FEW[1]).ids]
    begins.save(str(tmp_path / "begins" / "tokenizer.json"))
    bare, own = (LLMHidden(model=str(each), pooling=pooling, dtype="float32") for each in (folder, tmp_path / "begins"))
    assert np.abs(vectors_of(own, ["", *FEW]) - vectors_of(bare, ["", *FEW])).max() < 1e-4


@pytest.mark.slow
def test_the_bundled_generator_is_read_from_its_gguf_once():
    """Half a minute: the file is dequantised. Its last layer predicts as llama.cpp does, so it was read rightly."""
    import torch

    part = LLMHidden()
    vectors = vectors_of(part, FEW)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5 and vectors.shape[1] == 576
    folder = gguf_weights.converted(LlamaCpp().path())
    hidden = Hidden(folder, "float32", "cpu", -1)
    text = "The capital of France is the city of"
    ids = part.load()._tokenizer.encode(text).ids
    engine = LlamaCpp(own_process="no", adapter="").load()
    for words in (
        text,
        "In 1973 and 2021 there were 3.14 of 1,000 in area 51",
        "x = 10 + 20",
        " 7 8",
    ):  # digits, and spaces before them
        assert part.load()._tokenizer.encode(words).ids == engine.tokenize(words), words
    with torch.inference_mode():
        state = hidden._model(torch.tensor([ids])).last_hidden_state[0, -1]
        ours = torch.topk(hidden._model.embed_tokens.weight @ state, 5).indices.tolist()
    with engine.lock:
        engine.llama.reset()
        engine.llama.eval(ids)
        theirs = np.argsort(-np.array(engine.llama._ctx.get_logits_ith(-1)[: engine.llama.n_vocab()]))[:5].tolist()
        engine.llama.reset()
        engine._held = []
    assert ours[0] == theirs[0] and len(set(ours) & set(theirs)) >= 4
