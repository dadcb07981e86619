"""The one catalogue of the pages' texts, Chinese and English, a module a page. `{name}` places are filled in by the page."""

from collections import ChainMap
from typing import Final, Literal

from web.texts import audit, calls, common, qc, reports, samples, scorecards, sign_in, sql, wall

Lang = Literal["zh", "en"]
DEFAULT_LANG: Final[Lang] = "zh"

_PAGES: Final = (common, wall, qc, samples, calls, reports, scorecards, sql, audit, sign_in)
_TEXTS: Final = ChainMap(*(page.TEXTS for page in _PAGES))


def texts(lang: Lang) -> dict[str, str]:
    """Key -> text in that language, for a page as a whole."""
    column = 0 if lang == "zh" else 1
    return {key: pair[column] for key, pair in _TEXTS.items()}


def pick_lang(*wishes: str | None) -> Lang:
    """The first wish that names a language of the catalogue; Chinese without one."""
    named: tuple[Lang, ...] = ("zh", "en")
    found = (lang for wish in wishes for lang in named if (wish or "").lower().startswith(lang))
    return next(found, DEFAULT_LANG)
