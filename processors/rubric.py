"""A reviewer's sheet becomes a score (domain: quality control). Pure."""

from collections.abc import Mapping, Sequence

from processors.ruleset_model import RubricItem


class RubricError(ValueError):
    """The sheet does not fit the rubric; `str()` is one line that names the item."""


def score(rubric: Sequence[RubricItem], marks: Mapping[str, float]) -> float:
    """0 to 100: the weighted mean of the marks (0 missed … 1 done, for each item of the rubric), to one decimal.

    0 when a critical item has less than full marks. Raises RubricError for an item that is missing, unknown, or has a mark
    outside 0 to 1.
    """
    keys = {item.key for item in rubric}
    if unknown := sorted(marks.keys() - keys):
        raise RubricError(f"{unknown[0]}: is not in the rubric")
    for item in rubric:
        if item.key not in marks:
            raise RubricError(f"{item.key}: has no mark")
        if not 0 <= marks[item.key] <= 1:
            raise RubricError(f"{item.key}: a mark lies between 0 and 1")
    if any(item.critical and marks[item.key] < 1 for item in rubric):
        return 0.0
    weight = sum(item.weight for item in rubric)
    return round(100 * sum(item.weight * marks[item.key] for item in rubric) / weight, 1)
