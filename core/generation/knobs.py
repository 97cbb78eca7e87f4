"""The knobs that several generators have, each declared once."""

from typing import Any

from core.config import knob


def temperature() -> Any:
    told = "0 always takes the likeliest token and repeats exactly. Higher is more varied."
    return knob(0.0, told, ge=0.0, le=2.0, step=0.05)


def top_p() -> Any:
    told = "Samples from the likeliest tokens that together reach this probability. 1 turns it off."
    return knob(1.0, told, gt=0.0, le=1.0, step=0.01, label="Top-p")


def top_k() -> Any:
    told = "Samples from this many likeliest tokens. 0 turns it off."
    return knob(0, told, unit="tokens", ge=0, le=1000, label="Top-k")


def min_p() -> Any:
    told = "Drops tokens below this share of the likeliest token's probability. 0 turns it off."
    return knob(0.0, told, ge=0.0, le=1.0, step=0.01, label="Min-p")


def repeat_penalty(told: str) -> Any:
    return knob(1.0, told, ge=1.0, le=2.0, step=0.05)


def max_tokens(most: int = 4096) -> Any:
    return knob(200, "The answer is cut here, and marked as cut.", unit="tokens", ge=1, le=most, label="Answer at most")


def context_tokens() -> Any:
    told = "Room for prompt and answer together. More room takes more memory."
    return knob(2048, told, unit="tokens", ge=128, le=131072, label="Context window")


def reuse_prefix() -> Any:
    told = "Keeps the shared start of successive prompts in memory, so the first token comes sooner. Off times every prompt cold."
    return knob(True, told)


def stop() -> Any:
    return knob((), "Texts that end the answer, four at most; they are not part of it.", label="Stop texts", max_length=4)


def logprobs() -> Any:
    told = "So many of the likeliest tokens are kept at each place, with log-probabilities. 0 keeps none."
    return knob(0, told, unit="tokens", ge=0, le=20)
