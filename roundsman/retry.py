"""Exponential backoff with full jitter, as a pure function of the attempt."""

import random
from datetime import timedelta


def backoff(
    attempt: int,
    *,
    first: timedelta = timedelta(seconds=2),
    most: timedelta = timedelta(minutes=5),
    rng: random.Random | None = None,
) -> timedelta:
    """How long to wait after the given failed attempt (1 = the first).

    Doubles from `first` up to `most`; the result lies between half of that and all of it, so that many
    failures of one moment do not come back in one moment.
    """
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, not {attempt}")
    doublings = 2 ** min(attempt - 1, 32)
    ceiling = most if first > most / doublings else first * doublings  # a product may be longer than any timedelta
    share: float = (rng or random).uniform(0.5, 1.0)
    return ceiling * share
