"""What a buyer puts into an order."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from replay.generator.dice import Dice
from replay.generator.texts import catalogue
from schemas.types import format_amount

_ITEMS = (0.80, 0.95, 1.0)  # one, two or three lines: about 1.25 items an order


@dataclass(frozen=True, slots=True)
class Basket:
    """An order's lines as the contract has them, and what they cost after discounts, in fen."""

    items: list[dict[str, Any]]
    fen: int


@cache
def _shelf(kind: str) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...], tuple[str, ...]]:
    """Goods with their price in CNY, colours and sizes of one kind."""
    shelf = catalogue()[kind]
    return tuple((title, price) for title, price in shelf["goods"]), tuple(shelf["colours"]), tuple(shelf["sizes"])


def draw_wish(dice: Dice, kinds: tuple[str, ...]) -> dict[str, str]:
    """What a buyer asks about: kind, title, colour, size and price, to fill the slots of the texts."""
    kind = dice.pick(kinds)
    titles, colours, sizes = _shelf(kind)
    title, price = dice.pick(titles)
    return {
        "kind": kind,
        "title": title,
        "colour": dice.pick(colours),
        "size": dice.pick(sizes),
        "price": f"{price * 88 // 100}",
    }


def draw_basket(dice: Dice, kinds: tuple[str, ...], wish: dict[str, str] | None = None) -> Basket:
    """One to three lines, the wished one first; a discount for reaching 300 CNY, sometimes a coupon."""
    items: list[dict[str, Any]] = []
    total = 0
    for number in range(1 + dice.index(_ITEMS)):
        line = wish if wish is not None and number == 0 else draw_wish(dice, kinds)
        titles = _shelf(line["kind"])[0]
        position = next(i for i, (title, _) in enumerate(titles) if title == line["title"])
        fen = titles[position][1] * 100 - (0 if dice.chance(0.6) else 10 * dice.between(1, 99))
        quantity = 1 if dice.chance(0.94) else 2
        total += fen * quantity
        items.append(
            {
                "sku_id": f"{line['kind']}-{position + 1:03d}",
                "title": f"{line['title']} {line['colour']} {line['size']}",
                "quantity": quantity,
                "unit_price": format_amount(fen),
            }
        )
    discount = total // 30_000 * 4_000 + (500 if dice.chance(0.25) else 0)
    return Basket(items, max(100, total - discount))
