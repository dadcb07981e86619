"""What sums have in common: named figures that can be compared, and sent to another process."""

from typing import Any, ClassVar


class Figures:
    """Base of sums. A plain class rather than a struct or a dataclass: compiled, its fields are read without a lookup."""

    FIGURES: ClassVar[tuple[str, ...]]
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        for figure in self.FIGURES:  # noqa: SIM110  a generator costs more than the comparison
            if getattr(self, figure) != getattr(other, figure):
                return False
        return True

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _of, (type(self), [getattr(self, figure) for figure in self.FIGURES])


def _of(kind: type[Figures], figures: list[Any]) -> Figures:
    sums = kind()
    for name, figure in zip(kind.FIGURES, figures, strict=True):
        setattr(sums, name, figure)
    return sums
