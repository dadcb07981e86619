"""Phrase search (contract §2): of overlapping matches in a text the longest counts alone.

Choices where the contract is silent: all phrase lists of the ruleset compete with one another; of equally long
overlapping matches the one that starts first counts; what a dropped match overlapped is judged without it.
"""

import unicodedata
from functools import cache


@cache
def plain(text):
    """Case and full-width forms don't matter."""
    return unicodedata.normalize("NFKC", text).lower()


def matched_lists(text, lists):
    """Names of the phrase lists that have a match standing in the text. `lists`: name -> phrases."""
    text = plain(text)
    matches = []
    for name, phrases in lists.items():
        for phrase in map(plain, phrases):
            for start in range(len(text) if phrase in text else 0):
                if text.startswith(phrase, start):
                    matches.append((-len(phrase), start, name))
    standing = []
    for length, start, name in sorted(matches):
        end = start - length
        if all((start, end) == (a, b) or end <= a or b <= start for a, b, _ in standing):
            standing.append((start, end, name))
    return {name for _, _, name in standing}
