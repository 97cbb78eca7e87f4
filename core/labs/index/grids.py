"""The settings that a sweep of an index measures."""

from itertools import product
from typing import Any

from core import files
from core.config import PartConfig, TrialConfig, with_settings


def grid_configs(config: TrialConfig, grid: dict[str, list[Any]]) -> list[TrialConfig]:
    """The recipe at each point of the grid; the last setting varies fastest."""
    return [with_settings(config, dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def main_setting(part: PartConfig) -> str:
    """The query setting that decides recall; "" where there is none."""
    return next(iter(part.query_settings), "")


def default_grid(part: PartConfig, num_vectors: int, dim: int) -> dict[str, list[Any]]:
    """Values for a sweep of the part that this many vectors of so many dimensions allow; the one in use is among them."""
    grid = {}
    for name, values in part.grid(num_vectors, dim).items():
        now = getattr(part, name)
        grid[name] = sorted({*values, now}) if all(isinstance(v, int) for v in (*values, now)) else values
    return grid or {"metric": [part.metric]}


def grid_of(texts: dict[str, str]) -> dict[str, list[Any]]:
    """{"index.m": [8, 16]} from {"index.m": "8,16"}, as the command line reads it."""
    return {path: [files.read_value(value) for value in text.split(",")] for path, text in texts.items()}
