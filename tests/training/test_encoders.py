"""Training an encoder: what a batch holds, what never meets, what is written, and what stops it in words."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from core import files
from core.chunking.chunk import chunk_texts
from core.config import EvaluationConfig
from core.errors import WorkbenchError
from core.evaluation.judged import relevance
from core.progress import drain
from core.records import Chunks, Corpus, Document, Gold, Query
from core.training.encoders import loop, negatives, training
from core.training.encoders.batches import Batches, nearest
from core.training.encoders.loop import info_nce
from core.training.encoders.settings import LEARNING_RATE, TrainConfig
from core.training.encoders.splits import evidence_documents, split_rows
from core.training.encoders.start import BertFolder
from core.training.encoders.training import train
from core.training.encoders.validation import METRICS, Validation, measure
from core.training.log import read_log, work_folder
from core.training.steps import learning_rate
from tests.support.small_corpora import small_bert
from tests.support.small_disk import files_of_at_most

WORDS = "apple river stone cloud tiger copper violin window garden engine pepper silver meadow rocket candle bridge".split()
SMALL = {"max_steps": 6, "batch_size": 8, "evaluate_every": 2, "learning_rate": 1e-2, "epochs": 9, "validation_chunks": 100}


def small_corpus(documents=120, shared=True):
    """A document is a chunk; question i is about document i, and every tenth has its neighbour as an alternative."""
    rng = np.random.default_rng(0)
    texts = [f"{' '.join(rng.choice(WORDS, 6))} number {i}" for i in range(documents)]
    found = tuple(Document(f"d{i:03}", text) for i, text in enumerate(texts))
    queries = []
    for i, text in enumerate(texts):
        gold = [Gold(f"d{i:03}", 0, len(text))]
        if shared and i % 10 == 0:
            gold.append(Gold(f"d{i + 1:03}", 0, len(texts[i + 1])))
        queries.append(Query(f"q{i}", f"which {text.split()[0]} has {i}", tuple(gold)))
    return Corpus("small", found, tuple(queries), fingerprint="small")


def whole(corpus):
    size = [len(document.text) for document in corpus.documents]
    columns = np.arange(len(size)), np.zeros(len(size)), np.array(size), np.full(len(size), 9)
    chunks = Chunks(*(column.astype(np.int32) for column in columns))
    return chunks, chunk_texts(chunks, corpus.documents)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """As nobody trained it."""
    small_bert(folder := tmp_path_factory.mktemp("base") / "bert")
    (folder / "training.json").unlink()
    return folder


def start(config, folder, corpus=None, **more):
    corpus = corpus or small_corpus()
    return train(config, corpus, *whole(corpus), folder, **more)


def marks_of(monkeypatch, module, loop, starts):
    """By which each of these trainings would know its checkpoint again; none takes a step."""
    marks = []

    def stopped(*given):
        marks.append(given[-1])
        raise LookupError("enough is known")

    monkeypatch.setattr(module, loop, stopped)
    for work in starts:
        with pytest.raises(LookupError, match="enough is known"):
            drain(work)
    return marks


@pytest.fixture(scope="module", params=["lora", "full"])
def trained(request, base, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    config = TrainConfig(base=str(base), method=request.param, **SMALL)
    return drain(start(config, home / "encoders" / request.param))


# Data


def prepared(config=None, corpus=None):
    config, corpus = config or TrainConfig(batch_size=8), corpus or small_corpus()
    chunks, texts = whole(corpus)
    found = relevance(corpus, chunks, 0.5)
    splits = split_rows(corpus, found, config.validation_share, config.seed)
    rng = np.random.default_rng(1)
    vectors = [rng.normal(size=(n, 8)).astype(np.float32) for n in (len(corpus.queries), len(chunks))]
    vectors = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    return corpus, splits, Batches(config, corpus, chunks, texts, splits, found, *vectors)


def test_no_document_of_another_split_is_ever_shown():
    config = TrainConfig(batch_size=8, hard_negatives=3, max_steps=200, epochs=20)
    corpus, splits, batches = prepared(config)
    held_out = evidence_documents(corpus, splits.validation) | evidence_documents(corpus, splits.test)
    shown = {corpus.documents[c].id for step in range(batches.steps) for c in batches.batch(step).chunk}
    assert len(held_out) > 40 and len(shown) > 20
    assert not shown & held_out


def test_an_alternative_of_the_same_evidence_stays_in_its_split():
    _, splits, _ = prepared()
    split_of = {row: name for name, rows in splits._asdict().items() for row in rows}
    assert len(split_of) == 120
    assert all(split_of[i] == split_of[i + 1] for i in range(0, 120, 10)), "q(i) and q(i+1) share document i+1"


def test_a_batch_is_the_same_again_and_the_next_another():
    *_, batches = prepared()
    a, b, c = batches.batch(3), batches.batch(3), batches.batch(4)
    assert a.questions == b.questions and (a.chunk == b.chunk).all()
    assert a.questions != c.questions


def test_evidence_of_a_question_is_no_negative_of_it():
    """Documents 0 and 1 are evidence of q0; a copy of document 1's text is, too."""
    corpus = small_corpus()
    copied = (*corpus.documents[:50], corpus.documents[1]._replace(id="d050"), *corpus.documents[51:])
    chunks, texts = whole(Corpus("small", copied, corpus.queries))
    pairs = relevance(corpus, chunks, 1e-9)
    known = negatives.evidence(texts, pairs.pair_row, pairs.pair_chunk)
    touched = known.touched(np.array([[0], [1], [2]]), np.array([[0, 1, 2, 50, -1]]))
    assert touched.tolist() == [
        [True, True, False, True, False],
        [False, True, False, True, False],
        [False, False, True, False, False],
    ]


def test_batches_mask_shared_evidence():
    config = TrainConfig(batch_size=64, hard_negatives=0)
    corpus, _, batches = prepared(config)
    batch = batches.batch(0)
    gold = [{g.document_id for g in corpus.queries[row].gold} for row in batch.row]
    expected = [[corpus.documents[c].id in gold[i] and i != j for j, c in enumerate(batch.chunk)] for i in range(len(gold))]
    assert np.array(expected).any(), "the example has to hold questions that share evidence"
    assert (batch.masked == np.array(expected)).all()


def test_mining_leaves_out_what_may_be_evidence():
    query = Query("q", "copper violin", (Gold("0", 0, 6),), answers=("Silver  Bell",))
    texts = [
        "copper violin",
        "copper violin near",
        "copper violin silver bell.",
        "copper violin far",
        "copper held out",
        "silver bellows violin",
        "stone",
    ]
    known = negatives.evidence(texts, np.array([0]), np.array([0]))
    vectors = np.array([[1, 0], [0.96, 0.28], [0, 1], [0.8, 0.6], [0, 1], [0, 1], [0, 1]], np.float32)
    allowed = np.array([True, True, True, True, False, True, True])
    mined = negatives.mine(
        [query],
        np.array([0]),
        texts,
        allowed,
        known,
        np.array([[1.0, 0.0]], np.float32),
        vectors,
        np.array([0]),
        depth=9,
        share=0.95,
    )
    assert sorted(mined.negatives[0][mined.negatives[0] >= 0]) == [3, 5]
    assert mined.dropped == {"touches the evidence": 1, "holds the answer": 1, "too near to the question": 1}


def test_the_positive_is_the_covering_chunk_nearest_to_the_question():
    corpus = small_corpus()
    found = relevance(corpus, whole(corpus)[0], 0.5)
    vectors = np.eye(120, dtype=np.float32)
    questions = np.roll(vectors, -1, axis=0)  # question i is nearest to document i + 1
    positive = nearest(found, np.array([0, 1, 10, 15]), questions, vectors)
    assert positive.tolist() == [1, 1, 11, 15]


# Loss and schedule


def test_info_nce_by_hand():
    import torch

    questions = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    passages = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    none = torch.zeros(2, 3, dtype=torch.bool)
    e = math.exp
    expected = -(math.log(e(2) / (e(2) + 1 + e(1.2))) + math.log(e(2) / (1 + e(2) + e(1.6)))) / 2
    assert float(info_nce(questions, passages, none, 0.5)) == pytest.approx(expected, abs=1e-6)
    masked = torch.tensor([[False, False, True], [True, False, True]])
    expected = -(math.log(e(2) / (e(2) + 1)) + 0) / 2
    assert float(info_nce(questions, passages, masked, 0.5)) == pytest.approx(expected, abs=1e-6)


def test_learning_rate_rises_then_falls_to_nothing():
    config = TrainConfig(learning_rate=1e-3, warmup=0.1)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4) and max(rates) == pytest.approx(1e-3) and rates.index(max(rates)) in (9, 10)
    assert all(a > b > 0 for a, b in pairwise(rates[10:])) and rates[-1] < 2e-5
    assert learning_rate(TrainConfig(method="full", warmup=0), 0, 10) == LEARNING_RATE["full"]


# What is written


@pytest.mark.slow
def test_the_result_is_an_encoder_that_others_open(trained, monkeypatch):
    import torch
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer

    texts = ["which apple has 3", "river stone", "a longer text about copper " * 9]
    found = SentenceTransformer(str(trained.folder), device="cpu").encode(texts)
    part = BertFolder(folder=trained.folder)
    ours = np.zeros_like(found)
    for indices, vectors in part.load().encode(texts):
        ours[indices] = vectors
    assert (found * ours).sum(1).min() > 0.999
    monkeypatch.setenv("GROUNDWORK_HOME", str(trained.folder.parent.parent))
    from core.embedding.trained import Trained

    again = np.zeros_like(found)
    for indices, vectors in Trained(name=trained.folder.name).load().encode(texts):
        again[indices] = vectors
    assert (again * found).sum(1).min() > 0.999
    weights = load_file(trained.folder / "model.safetensors")
    assert all(w.dtype == torch.float32 for w in weights.values() if w.is_floating_point())


@pytest.mark.slow
def test_the_adapter_on_the_start_gives_the_merged_weights(trained, base):
    if trained.folder.name == "full":
        assert not (trained.folder / "adapter").exists()
        return
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import BertModel

    model = PeftModel.from_pretrained(BertModel.from_pretrained(base), trained.folder / "adapter").merge_and_unload()
    written = load_file(trained.folder / "model.safetensors")
    start = load_file(base / "model.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    assert (model.state_dict()[name] - written[name]).abs().max() < 1e-6
    assert trained.best_step == 0 or (written[name] - start[name]).abs().max() > 1e-4


def test_training_json_holds_all_that_made_it(trained, base):
    record = json.loads((trained.folder / "training.json").read_text("utf-8"))
    assert TrainConfig.model_validate(record["config"]).base == str(base)
    assert record["settings"] == {"max_tokens": 256, "pooling": "mean"}
    assert record["sizes"]["train"] + record["sizes"]["validation"] + record["sizes"]["test"] == 120
    assert [point["step"] for point in record["loss_curve"]] == [1, 2, 3, 4, 5, 6]
    assert [point["step"] for point in record["validation_curve"]] == [0, 2, 4, 6]
    best = max(record["validation_curve"], key=lambda point: (point["mrr"], -point["step"]))
    assert record["best_step"] == best["step"]
    assert {"torch", "transformers", "peft"} <= set(record["versions"])
    rows = [json.loads(line) for line in (trained.folder / "test.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == record["sizes"]["test"]
    for column, metric in enumerate(METRICS):
        shown = record["comparison"][metric]
        for side in ("before", "after"):
            assert shown[side] == pytest.approx(np.mean([row[side][column] for row in rows]))
        assert shown["difference"] == pytest.approx(shown["after"] - shown["before"], abs=1e-9)
    assert record["unseen"]["mrr"]["n"] == record["sizes"]["test"]
    assert record["sizes"]["test"] < record["sizes"]["unseen_chunks"] < record["sizes"]["chunks"]
    assert record["unseen"]["mrr"]["before"] >= record["comparison"]["mrr"]["before"], "fewer distractors"
    assert not work_folder(trained.folder).exists()
    assert [line["kind"] for line in read_log(trained.folder)][-1] == "end"


def test_training_lowers_the_loss(trained):
    losses = [line["loss"] for line in read_log(trained.folder) if line["kind"] == "step"]
    assert np.mean(losses[-2:]) < np.mean(losses[:2])


def test_measure_agrees_with_a_ranking_made_by_hand():
    corpus = small_corpus(shared=False)
    chunks, _ = whole(corpus)
    vectors = np.eye(120, dtype=np.float32)
    questions = vectors + 0.5 * np.roll(vectors, 1, axis=0)  # the evidence first
    questions[7] = vectors[7] + 2 * vectors[8]  # the evidence second
    values = measure(questions, vectors, relevance(corpus, chunks, 0.5), np.arange(120, dtype=np.int32), 10)
    assert values[6].tolist() == [1, 1, 1]
    assert values[7] == pytest.approx([1 / math.log2(3), 1, 0.5])


# Cancel, resume, faults


@pytest.mark.slow
def test_a_cancelled_training_continues_as_if_it_had_not_been(base, tmp_path):
    from safetensors.torch import load_file

    config = TrainConfig(base=str(base), **SMALL)
    straight = drain(start(config, tmp_path / "a" / "one"))
    folder = tmp_path / "b" / "one"
    running = start(config, folder)
    while not next(running).message.startswith("Step 5"):
        pass
    running.close()
    assert not folder.exists() and read_log(folder)[-1]["kind"] == "interrupted"
    result = drain(start(config, folder))
    kinds = [line["kind"] for line in read_log(folder)]
    assert "resume" in kinds and kinds.count("step") == 6
    one, other = (load_file(f / "model.safetensors") for f in (straight.folder, folder))
    assert all((one[name] - other[name]).abs().max() < 1e-6 for name in one)
    assert result.comparison == straight.comparison


@pytest.mark.slow
def test_other_settings_start_anew(base, tmp_path):
    folder = tmp_path / "encoders" / "one"
    running = start(TrainConfig(base=str(base), **SMALL), folder)
    while not next(running).message.startswith("Step 3"):
        pass
    running.close()
    drain(start(TrainConfig(base=str(base), **SMALL, temperature=0.1), folder))
    assert "resume" not in {line["kind"] for line in read_log(folder)}


def test_a_checkpoint_is_of_the_evidence_and_the_depth_by_which_it_was_chosen(base, tmp_path, monkeypatch):
    judged = [EvaluationConfig(**some) for some in ({}, {"resamples": 200}, {"overlap": 0.4}, {"k": 5})]
    works = [start(TrainConfig(base=str(base), **SMALL), tmp_path / "encoders" / "one", evaluation=some) for some in judged]
    usual, same, other, deep = marks_of(monkeypatch, training, "Loop", works)
    assert usual == same and len({usual, other, deep}) == 3


def test_early_stopping_keeps_the_best(base, tmp_path, monkeypatch):
    values = iter([0.5, 0.7, 0.6, 0.6])
    monkeypatch.setattr(Validation, "measure", lambda *_: dict.fromkeys(("ndcg", "recall", "mrr"), next(values)))
    config = TrainConfig(base=str(base), **SMALL | {"max_steps": 100}, patience=2)
    result = drain(start(config, tmp_path / "one"))
    assert (result.best_step, result.steps, result.stopped) == (2, 6, "early")


def test_where_nothing_is_gained_the_start_comes_back(base, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    monkeypatch.setattr(Validation, "measure", lambda *_: dict.fromkeys(("ndcg", "recall", "mrr"), 0.5))
    result = drain(start(TrainConfig(base=str(base), **SMALL), tmp_path / "one"))
    assert result.best_step == 0 and result.comparison["mrr"]["difference"] == 0
    one, other = load_file(base / "model.safetensors"), load_file(result.folder / "model.safetensors")
    assert all((one[name] - other[name]).abs().max() == 0 for name in one)


def test_a_loss_that_is_no_number_before_weights_were_kept_names_no_checkpoint(base, tmp_path, monkeypatch):
    real = info_nce
    monkeypatch.setattr(loop, "info_nce", lambda *given: real(*given) * math.nan)
    folder = tmp_path / "one"
    with pytest.raises(WorkbenchError, match=r"diverged: the loss is nan at step 1.*No weights were kept yet") as error:
        drain(start(TrainConfig(base=str(base), **SMALL), folder))
    assert error.value.where == str(work_folder(folder)) and not (work_folder(folder) / "checkpoint.pt").exists()


def test_a_loss_that_is_no_number_stops_and_keeps_the_best(base, tmp_path, monkeypatch):
    import torch

    real, calls = info_nce, []

    def broken(*given):
        calls.append(1)
        return real(*given) * (torch.nan if len(calls) == 4 else 1)

    monkeypatch.setattr(loop, "info_nce", broken)
    folder = tmp_path / "one"
    with pytest.raises(WorkbenchError, match=r"diverged: the loss is nan at step 4.*learning_rate"):
        drain(start(TrainConfig(base=str(base), **SMALL), folder))
    assert not folder.exists()
    assert read_log(folder)[-1] | {"time": 0} == {"kind": "failed", "step": 4, "reason": "loss nan", "time": 0}
    kept = torch.load(work_folder(folder) / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 2 and all(torch.isfinite(w).all() for w in kept["best"].values())


def test_a_full_disk_is_told(base, tmp_path):
    folder = tmp_path / "one"
    full = files_of_at_most(20_000)
    with pytest.raises(WorkbenchError, match=r"could not be written: File too large.* free.*Free some space"), full:
        drain(start(TrainConfig(base=str(base), **SMALL), folder))
    assert not folder.exists()


def test_a_damaged_checkpoint_is_not_resumed(base, tmp_path):
    folder = tmp_path / "one"
    work_folder(folder).mkdir(parents=True)
    (work_folder(folder) / "checkpoint.pt").write_bytes(b"half a checkpoint")
    assert drain(start(TrainConfig(base=str(base), **SMALL), folder)).steps == 6


@pytest.mark.slow
@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_flipped_bit_in_a_checkpoint_begins_the_training_anew_and_is_told(base, tmp_path, monkeypatch, place):
    from safetensors.torch import load_file

    monkeypatch.setattr(files, "notices", [])
    config = TrainConfig(base=str(base), **SMALL)
    straight, folder = drain(start(config, tmp_path / "straight" / "one")), tmp_path / "flipped" / "one"
    running = start(config, folder)
    while not next(running).message.startswith("Step 3"):
        pass
    running.close()
    checkpoint = work_folder(folder) / "checkpoint.pt"
    data = bytearray(checkpoint.read_bytes())
    data[int(place * len(data))] ^= 1  # of a tensor: they are nearly all of it
    checkpoint.write_bytes(data)
    again = drain(start(config, folder))
    assert "checkpoint was damaged" in " ".join(files.notices)
    assert "resume" not in {line["kind"] for line in read_log(again.folder)}
    one, other = (load_file(result.folder / "model.safetensors") for result in (straight, again))
    assert all(one[name].equal(other[name]) for name in one)


def test_what_cannot_be_trained_says_why(base, tmp_path):
    config, corpus = TrainConfig(base=str(base), **SMALL), small_corpus()

    def fails(text, config=config, corpus=corpus, folder=tmp_path / "encoders" / "one"):
        with pytest.raises(WorkbenchError, match=text):
            drain(start(config, folder, corpus))

    fails("Only 0 questions", corpus=Corpus("none", corpus.documents))
    fails("questions with evidence for validation", corpus=small_corpus(40))
    fails("no encoder 'nothing'.*minilm", TrainConfig(base="nothing"))
    fails("cannot name an encoder", folder=tmp_path / "encoders" / "..a b")
    (tmp_path / "gpt").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / "gpt" / name).write_text('{"model_type": "gpt2"}')
    fails("not a BERT model", TrainConfig(base=str(tmp_path / "gpt")))
    (tmp_path / "encoders" / "there").mkdir()
    fails("an encoder 'there' already", folder=tmp_path / "encoders" / "there")
    dense = tuple(q._replace(gold=(*q.gold, Gold("d000", 0, 5))) for q in corpus.queries)
    fails("share so much evidence", corpus=Corpus("dense", corpus.documents, dense))


def test_one_training_of_a_name_at_a_time(base, tmp_path):
    running = start(TrainConfig(base=str(base), **SMALL), tmp_path / "one")
    next(running)
    with pytest.raises(WorkbenchError, match="being trained already"):
        next(start(TrainConfig(base=str(base), **SMALL), tmp_path / "one"))
    running.close()


def test_validation_holds_the_evidence_of_what_it_asks():
    corpus = small_corpus()
    chunks, texts = whole(corpus)
    found = relevance(corpus, chunks, 0.5)
    rows = split_rows(corpus, found, 0.4, 0).validation
    config = TrainConfig(validation_chunks=100, validation_questions=20)
    check = Validation(config, corpus, chunks, texts, rows, found, EvaluationConfig())
    assert set(check.rows) <= set(rows) and len(check.rows) == 20
    assert len(check.texts) == 100
    gold = {corpus.documents[int(g.document_id[1:])].text for row in check.rows for g in corpus.queries[row].gold}
    assert gold <= set(check.texts)
