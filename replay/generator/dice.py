"""Chance that is the same on every machine: only `random.Random.random()` is used, the one draw Python guarantees."""

import hashlib
import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Independent draws for one key (a seed and a name): a buyer's draws don't depend on any other buyer's."""

    __slots__ = ("random",)

    def __init__(self, *key: int | str) -> None:
        digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
        self.random = random.Random(int.from_bytes(digest[:8], "big")).random  # noqa: S311 - a simulation, not a secret

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely. `choices` must not be empty."""
        return choices[int(self.random() * len(choices))]

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.random() * (high - low + 1))

    def lognormal_ms(self, median_s: float, sigma: float) -> int:
        """Milliseconds, log-normal around a median in seconds: how people's delays are spread."""
        normal = math.sqrt(-2.0 * math.log(1.0 - self.random())) * math.cos(2.0 * math.pi * self.random())
        return int(median_s * 1000.0 * math.exp(sigma * normal))

    def index(self, cumulative: Sequence[float]) -> int:
        """Position in a short list of cumulative shares that ends in 1.0."""
        draw = self.random()
        for position, share in enumerate(cumulative):
            if draw < share:
                return position
        return len(cumulative) - 1
