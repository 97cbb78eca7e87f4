"""How fast the bundled encoder is beside sentence-transformers' fp32 default, and what share of the machine it uses.

    python -m benchmarks.encoding [--texts N] [--repeats N]

Texts: half XQuAD paragraphs, half MedQuAD answers drawn over their whole range of lengths, from GROUNDWORK_DATASETS.
Both encode the same texts in turn; medians; one JSON document on standard output. Run it on an otherwise idle machine:
the load average before and after stands in the document.
"""

import argparse
import json
import os
import statistics
import zipfile
from xml.etree import ElementTree

import numpy as np

from benchmarks import DATASETS
from benchmarks._clock import timed
from benchmarks.promises import spread
from core.embedding.minilm import MiniLM, bundled_folder
from core.models.all_cores import workers_alone

SHAPES = ((384, 1152), (384, 384), (384, 1536), (1536, 384))  # of the matrix products of one layer
ROWS = 1024  # tokens of one batch


def xquad() -> tuple[list[str], list[str]]:
    data = json.loads((DATASETS / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    paragraphs = [p for article in data for p in article["paragraphs"]]
    return [p["context"] for p in paragraphs], [qa["question"] for p in paragraphs for qa in p["qas"]]


def answers(count: int) -> list[str]:
    """Evenly spaced over MedQuAD's answers sorted by length: the mix of lengths of the whole."""
    with zipfile.ZipFile(DATASETS / "medquad" / "MedQuAD.zip") as archive:
        files = [archive.read(name) for name in archive.namelist() if name.endswith(".xml")]
    texts = [a.text.strip() for file in files for a in ElementTree.fromstring(file).iter("Answer") if a.text]
    texts = sorted(filter(None, texts), key=len)
    return [texts[i] for i in np.linspace(0, len(texts) - 1, count).astype(int)]


def ours(encoder, texts: list[str]) -> np.ndarray:
    out = np.empty((len(texts), encoder.dim), np.float32)
    for indices, vectors in encoder.encode(texts):
        out[indices] = vectors
    return out


def peak_flops(dtype: str) -> float:
    """Multiplications and additions a second of torch.mm at the shapes of one layer, every core busy with its own."""
    import torch

    pairs = [(torch.randn(ROWS, k), torch.randn(k, n)) for k, n in SHAPES]
    pairs = [(a.to(getattr(torch, dtype)), b.to(getattr(torch, dtype))) for a, b in pairs]
    pool, workers = workers_alone()

    def layers(count: int) -> None:
        list(pool.map(lambda _: [torch.mm(a, b) for _ in range(count) for a, b in pairs], range(workers)))

    layers(2)
    times = [timed(lambda: layers(4)) for _ in range(7)]
    return workers * 4 * 2 * ROWS * sum(k * n for k, n in SHAPES) / statistics.median(times)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--texts", type=int, default=120, help="texts in each repeat; half of them XQuAD paragraphs, of which there are 240"
    )
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    from sentence_transformers import SentenceTransformer

    load_before = os.getloadavg()[0]
    paragraphs, questions = xquad()
    half = min(options.texts // 2, len(paragraphs))
    texts = [*paragraphs[:: len(paragraphs) // half][:half], *answers(options.texts - half)]
    encoder, library = MiniLM().load(), SentenceTransformer(str(bundled_folder()), local_files_only=True)
    reference = library.encode(questions, batch_size=32) @ library.encode(paragraphs, batch_size=32).T
    scores = ours(encoder, questions) @ ours(encoder, paragraphs).T
    tops = [np.argsort(-s, axis=1)[:, :10] for s in (reference, scores)]

    lengths = np.array([min(len(o) + 2, encoder.max_tokens) for o in encoder.token_offsets(texts)])
    linear = 2 * 6 * sum(k * n for k, n in SHAPES) * lengths.sum()  # six layers
    attention = 2 * 2 * 6 * 384 * (lengths**2).sum()
    times: dict[str, list[float]] = {"ours": [], "library": [], "peak": []}
    for _ in range(options.repeats):
        times["ours"].append(timed(lambda: ours(encoder, texts)))
        times["library"].append(timed(lambda: library.encode(texts, batch_size=32)))
        times["peak"].append(peak_flops(encoder.dtype))
    own, peak = statistics.median(times["ours"]), statistics.median(times["peak"])
    ratios = [library / own for own, library in zip(times["ours"], times["library"], strict=True)]
    shares = [(linear + attention) / own / peak for own, peak in zip(times["ours"], times["peak"], strict=True)]
    print(
        json.dumps(
            {
                "texts": len(texts),
                "tokens": int(lengths.sum()),
                "dtype": encoder.dtype,
                "ours_texts_per_s": len(texts) / own,
                "ours_tokens_per_s": lengths.sum() / own,
                "library_texts_per_s": len(texts) / statistics.median(times["library"]),
                "times_as_fast": statistics.median(ratios),
                "overlap_at_10": float(np.mean([np.isin(a, b).mean() for a, b in zip(*tops, strict=True)])),
                "peak_gflops": peak / 1e9,
                "share_of_peak": (linear + attention) / own / peak,
                "share_of_peak_without_attention": linear / own / peak,
                "seconds": {name: times[name] for name in ("ours", "library")},
                "spread": {"times_as_fast": spread(ratios), "share_of_peak": spread(shares)},
                "load": [load_before, os.getloadavg()[0]],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
