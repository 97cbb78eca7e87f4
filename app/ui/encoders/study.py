"""The tab Experiment: the encoders side by side by what is done to their vectors, or any one or two settings, as an experiment in place."""

from collections.abc import Sequence

from app.ui.experiments import here
from core.config import TrialConfig
from core.labs.encoders.comparison import Offer, variant

PROJECTION = "transform.projection"


def study(config: TrialConfig, chosen: Sequence[Offer]) -> None:
    """Each encoder alone, as in the table."""
    encoders = [here.as_value(offer.part) for offer in chosen]
    here.draw(variant(config, config.embedding), {"embedding": encoders, PROJECTION: ()})
