"""Values one after the other, as people write them: "0.1,0.5" or "0:1:0.1"."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

from core.errors import WorkbenchError
from core.files.texts import read_value

MOST_VALUES = 100_000  # of one setting in a grid


def read_numbers(text: str, option: str) -> list[float]:
    """Of a grid of numbers alone."""
    [values] = read_grid([f"{option}={text}"]).values()
    if not all(isinstance(value, int | float) for value in values):
        raise WorkbenchError(f"'{text:.60}' is no grid of numbers.", where=option, todo=f"For example {option} 0:1:0.05")
    return list(map(float, values))


def read_grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """{"fusion.weight": [0.0, 0.1, …]} from "fusion.weight=0:1:0.1" (to the end, where a step reaches it) or "…=a,b,c"."""
    grid = {}
    for text in texts:
        path, _, values = text.partition("=")
        try:
            if values.count(":") == 2:
                start, stop, step = (float(v) for v in values.split(":"))
                count = math.floor((stop - start) / step + 1e-9) + 1
                if count > MOST_VALUES or math.isinf(step):
                    raise ValueError("too many values, or none between the ends")
                exact = [round(start + i * step, 10) for i in range(count)]
                grid[path] = [int(v) for v in exact] if all(v.is_integer() for v in (start, stop, step)) else exact
            else:
                if values.count(",") >= MOST_VALUES:
                    raise ValueError("too many values")
                grid[path] = [read_value(v) for v in values.split(",")]
        except (ValueError, ZeroDivisionError, OverflowError):
            grid[path] = []
        different = {value if isinstance(value, Hashable) else repr(value) for value in grid[path]}
        if len(different) < len(grid[path]):  # one would be compared with itself
            raise WorkbenchError(f"'{text:.60}' has a value twice.", where=path[:60], todo="Name each value once.")
        if not values or not grid[path]:
            raise WorkbenchError(f"'{text:.60}' is no grid.", where=path[:60], todo="For example --grid fusion.weight=0:1:0.1")
    return grid
