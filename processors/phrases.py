"""Finding phrases in chat and review texts (contract section 2, "Phrases").

One pass of an Aho-Corasick automaton finds every phrase of every category; of overlapping matches the longest
counts alone, so that 不可能 is forbidden and not also a vague 可能.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick

EXCEPTIONS: Final = "exceptions"
"""The category whose phrases shadow shorter overlapping ones and are themselves no hits (行不行 hides 不行)."""

# One character to one character, so that an offset into the folded text is one into the original:
# full-width ASCII (U+FF01-U+FF5E, as typed with a Chinese keyboard) to half-width, then A-Z to a-z.
_FOLD: Final = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {
    upper + width: upper + 32 for upper in range(ord("A"), ord("Z") + 1) for width in (0, 0xFEE0)
}
_FEW: Final = 20
"""characters to fold one after the other faster than by a table"""
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def fold(text: str) -> str:
    """`text` in lower-case ASCII and half-width forms, of the same length, character by character."""
    return text.translate(_FOLD)


class Hit(NamedTuple):
    """One phrase found in a text.

    `phrase` is spelt as in the ruleset; `start` and `end` are character offsets into the text as it was given,
    `end` exclusive, so that `text[start:end]` is what the person wrote.
    """

    category: str
    phrase: str
    start: int
    end: int


class PhraseMatcher:
    """Finds the phrases of several categories in one pass.

    `phrases` maps a category to its phrases. A phrase may stand in several categories and then gives a hit for
    each, in the order of the mapping. Raises ValueError for an empty phrase. Immutable and safe to share.
    """

    __slots__ = ("_automaton", "_few", "_fold", "_meanings", "phrases")

    def __init__(self, phrases: Mapping[str, Sequence[str]]) -> None:
        self.phrases: Final = {category: tuple(members) for category, members in phrases.items()}
        """What it was made of, exceptions included."""
        meanings: dict[str, dict[str, str]] = {}
        for category, members in phrases.items():
            for phrase in members:
                if not phrase:
                    raise ValueError(f"an empty phrase in category {category}")
                meanings.setdefault(fold(phrase), {}).setdefault(category, phrase)
        self._meanings: tuple[tuple[tuple[str, str], ...], ...] = tuple(
            tuple((category, phrase) for category, phrase in spelt.items() if category != EXCEPTIONS)
            for spelt in meanings.values()
        )
        self._automaton = AhoCorasick(list(meanings))
        # what folds into no character of any phrase may stay as it is
        wanted = {ord(character) for phrase in meanings for character in phrase}
        self._fold = {one: folded for one, folded in _FOLD.items() if folded in wanted}
        self._few = tuple((chr(a), chr(b)) for a, b in self._fold.items()) if len(self._fold) <= _FEW else ()

    def _folded(self, text: str) -> str:
        """`fold` as far as it matters to these phrases."""
        if not self._few:
            return text.translate(self._fold) if self._fold else text
        for one, folded in self._few:
            text = text.replace(one, folded)
        return text

    def find(self, text: str) -> tuple[Hit, ...]:
        """The hits in `text` in order of `start`; () when there is none.

        Matches are taken longest first (leftmost first among equals); one that overlaps a match already taken is
        left out, whatever its category.
        """
        folded = self._folded(text)
        try:
            matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        except UnicodeEncodeError:  # half of a surrogate pair, as some chat clients cut an emoji
            folded = _LONE_SURROGATE.sub("\ufffd", folded)
            matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        if not matches:
            return ()
        if len(matches) > 1:
            matches = _longest_alone(matches, len(folded))
        return tuple(
            Hit(category, phrase, start, end)
            for index, start, end in matches
            for category, phrase in self._meanings[index]
        )


def _longest_alone(matches: list[tuple[int, int, int]], length: int) -> list[tuple[int, int, int]]:
    """Of (index, start, end) matches those that no longer (or equally long, further left) one overlaps, by start."""
    covered = bytearray(length)  # keeps a long text full of matches linear, where comparing pairs would not
    taken: list[tuple[int, int, int]] = []
    for match in sorted(matches, key=lambda m: (m[1] - m[2], m[1])):
        _, start, end = match
        if not any(covered[start:end]):
            covered[start:end] = b"\x01" * (end - start)
            taken.append(match)
    taken.sort(key=lambda m: m[1])
    return taken
