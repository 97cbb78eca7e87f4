"""The settings that a sweep of an index measures."""

from itertools import product
from typing import Any

import yaml

from core.config import PartConfig, TrialConfig, with_settings
from core.errors import WorkbenchError

GRIDS: dict[str, dict[str, list[Any]]] = {  # part -> a sweep that shows its trade-off
    "faiss_hnsw": {"m": [8, 16, 32], "ef_search": [10, 16, 32, 64, 128, 256]},
    "hnswlib": {"m": [8, 16, 32], "ef_search": [10, 16, 32, 64, 128, 256]},
    "chroma": {"ef_search": [10, 32, 100, 200]},
    "faiss_ivf": {"nlist": [0], "nprobe": [1, 2, 4, 8, 16, 32]},
    "faiss_ivf_pq": {"m": [16, 32, 64], "nprobe": [2, 4, 8, 16, 32], "rescore": [1, 4]},
    "faiss_sq": {"bits": ["8bit", "4bit", "fp16"], "rescore": [1, 2, 4]},
    "faiss_disk": {"storage": ["float32", "int8"], "nprobe": [1, 2, 4, 8, 16, 32]},
    "lancedb": {"nprobe": [1, 2, 4, 8, 16, 32], "refine": [1, 4]},
}  # fmt: skip
MAIN = ("ef_search", "nprobe", "rescore", "refine")  # query settings, the one that matters most first


def grid_configs(config: TrialConfig, grid: dict[str, list[Any]]) -> list[TrialConfig]:
    """The recipe at each point of the grid; the last setting varies fastest."""
    return [with_settings(config, dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def main_setting(part: PartConfig) -> str:
    """The query setting that decides recall; "" where there is none."""
    return next((name for name in MAIN if name in part.query_settings), "")


def default_grid(part: PartConfig, num_vectors: int, dim: int) -> dict[str, list[Any]]:
    """Values for a sweep of the part that this many vectors of so many dimensions allow; the one in use is among them."""
    grid = {}
    for name, values in GRIDS.get(part.part, {}).items():
        allowed = [v for v in values if name != "m" or "pq" not in part.part or dim % v == 0]
        allowed = [v for v in allowed if name != "nprobe" or v <= 4 * num_vectors**0.5]
        now = getattr(part, name)
        grid[name] = sorted({*allowed, now}) if all(isinstance(v, int) for v in (*allowed, now)) else allowed
    return grid or {"metric": [part.metric]}


def grid_of(texts: dict[str, str]) -> dict[str, list[Any]]:
    """{"index.m": [8, 16]} from {"index.m": "8,16"}, as the command line reads it."""
    try:
        return {path: [yaml.safe_load(value) for value in text.split(",")] for path, text in texts.items()}
    except yaml.YAMLError:
        raise WorkbenchError("These values cannot be read.", todo="Give values with commas between them.") from None
