"""Words for sizes of agreement. They are conventions, and each says whose."""

LANDIS_KOCH = "Landis and Koch 1977, 'The measurement of observer agreement for categorical data', page 165"
KRIPPENDORFF = "Krippendorff 2004, 'Content analysis', 2nd edition, page 241"


def landis_koch(value: float) -> str:
    """For kappas, on page 165 of the source; the bounds belong to the lower word."""
    words = ((0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"), (1.0, "almost perfect"))
    return "poor" if value < 0 else next(word for bound, word in words if value <= bound + 1e-9)


def krippendorff_words(value: float) -> str:
    """For alpha: what may be concluded from data of this reliability."""
    if value >= 0.8:
        return "reliable"
    return "tentative conclusions only" if value >= 0.667 else "not reliable enough to draw conclusions"
