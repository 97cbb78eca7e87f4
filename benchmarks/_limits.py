"""A required figure beside its limit, as docs/measurements.md shows it."""


def against(value: float, limit: float, least: bool = False) -> dict:
    """least: the value must reach the limit; otherwise it must not pass it."""
    return {"value": value, "at_least" if least else "at_most": limit, "met": value >= limit if least else value <= limit}
