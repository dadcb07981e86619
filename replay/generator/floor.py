"""The service floor: shops, their agents, teams, roles and how well each agent works."""

from dataclasses import dataclass
from typing import Any

from replay.generator import events
from replay.generator.basket import draw_basket
from replay.generator.config import HOUR_MS, SaleConfig
from replay.generator.demand import Demand
from replay.generator.dice import Dice
from replay.generator.events import Moment, local_hour, stamp
from replay.generator.texts import catalogue

ROLES = ("presale", "aftersale", "reminder", "order_change", "review_specialist", "escalation")
# Before sales and after sales stand about 7 to 3 on a sale day.
_ROLE_SHARES = (0.56, 0.22, 0.08, 0.05, 0.05, 0.04)
_SELLING = frozenset({"presale", "reminder", "order_change"})
_SHIFTS = (range(8, 17), range(15, 24), range(12, 21), (22, 23, 0, 1, 2, 3, 4, 5, 6, 7))
_PAID_ORDERS_PER_BUYER = 0.56
_TEAMS_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Agent:
    """A service sub-account: who, and how. Chances are per reply or per occasion, 0 to 1."""

    agent_id: str
    name: str
    number: str
    team: str
    role: str
    reply_median_s: float
    assisted: float
    forbidden: float
    vague: float
    eagerness: float
    inattention: float
    shift: int


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop with its shelves and its agents on duty by role and local hour."""

    shop_id: str
    kinds: tuple[str, ...]
    agents: tuple[Agent, ...]
    teams: tuple[str, ...]
    on_duty: dict[str, tuple[tuple[Agent, ...], ...]]

    def agent(self, role: str, at_ms: int, dice: Dice, other_than: Agent | None = None) -> Agent:
        """Someone of that role on duty then; who is on duty at all stands in where the role is not manned."""
        choices = self.on_duty[role][local_hour(at_ms)]
        chosen = dice.pick(choices)
        if chosen is other_than and len(choices) > 1:
            chosen = choices[(choices.index(chosen) + 1) % len(choices)]
        return chosen


def build_floor(config: SaleConfig) -> list[Shop]:
    """All shops; the agents are spread evenly over them."""
    shops = []
    for number in range(config.shops):
        agents = config.agents // config.shops + (number < config.agents % config.shops)
        shops.append(_shop(config, number, agents))
    return shops


def _shop(config: SaleConfig, number: int, count: int) -> Shop:
    known = catalogue()["shops"]
    shop_id, kinds = known[number % len(known)]
    if number >= len(known):
        shop_id = f"{shop_id}-{number // len(known) + 1}"
    dice = Dice(config.seed, "floor", shop_id)
    teams = tuple(catalogue()["selling_teams"][(number * 2 + i) % 8] for i in range(2 if count < 40 else 4))
    roles = _roles(count)
    taken: set[str] = set()
    agents = tuple(_agent(dice, shop_id, i, role, teams, taken) for i, role in enumerate(roles))
    shifts = config.hours > 8
    return Shop(shop_id, tuple(kinds), agents, teams, {role: _rota(agents, role, shifts) for role in ROLES})


def _roles(count: int) -> list[str]:
    """One of each role while there are enough, the rest by share."""
    roles = ["presale"] * min(count, 2) + list(ROLES[1:])
    roles = roles[:count]
    wanted = [share * count for share in _ROLE_SHARES]
    while len(roles) < count:
        missing = [want - roles.count(role) for role, want in zip(ROLES, wanted, strict=True)]
        roles.append(ROLES[missing.index(max(missing))])
    return roles


def _agent(dice: Dice, shop_id: str, index: int, role: str, teams: tuple[str, ...], taken: set[str]) -> Agent:
    surname, surname_pinyin = dice.pick(catalogue()["surnames"])
    given, pinyin = dice.pick(catalogue()["given_names"])
    handle = next(
        h for h in (pinyin, surname_pinyin + pinyin, f"{surname_pinyin}{pinyin}{index + 1}") if h not in taken
    )
    taken.add(handle)
    careless = dice.chance(0.25)  # temporary staff and tired hands cause most of what QC finds
    eager = dice.chance(0.3)
    return Agent(
        agent_id=f"{shop_id}:{handle}",
        name=surname + given,
        number=f"{index + 1:03d}",
        team=teams[index % len(teams)] if role in _SELLING else catalogue()["service_team"],
        role=role,
        reply_median_s=min(90.0, max(8.0, dice.lognormal_ms(22.0 if not careless else 38.0, 0.5) / 1000)),
        assisted=0.08 + 0.25 * dice.random(),
        forbidden=(0.012 if careless else 0.0012) * (0.5 + dice.random()),
        vague=(0.025 if careless else 0.004) * (0.5 + dice.random()),
        eagerness=(0.45 + 0.5 * dice.random()) if eager else 0.18 * dice.random(),
        inattention=(0.035 if careless else 0.009) * (0.5 + dice.random()),
        shift=index % 3 if index % 10 != 9 else 3,
    )


def _rota(agents: tuple[Agent, ...], role: str, shifts: bool) -> tuple[tuple[Agent, ...], ...]:
    """Who answers for the role in each local hour; never empty."""
    rota = []
    for hour in range(24):
        here = tuple(a for a in agents if not shifts or hour in _SHIFTS[a.shift]) or agents[:1]
        rota.append(tuple(a for a in here if a.role == role) or tuple(a for a in here if a.role == "presale") or here)
    return tuple(rota)


def reference_events(config: SaleConfig, shops: list[Shop], demand: Demand) -> list[Moment]:
    """Agents and sale events, announced weeks before the sale, in time order."""
    moments = []
    for position, shop in enumerate(shops):
        hired = events.local_midnight(config.start_ms) - 30 * events.DAY_MS + 9 * HOUR_MS + position * 60_000
        for index, agent in enumerate(shop.agents):
            at_ms = hired + index * 10
            moments.append(
                events.agent_upserted(at_ms, shop.shop_id, agent.agent_id, agent.name, agent.team, agent.role)
            )
        moments.append(events.sale_event_scheduled(hired + 7 * events.DAY_MS, _sale(config, shop, demand)))
    return sorted(moments, key=lambda moment: moment[0])


def _target(hour: int, amount: float, mean_fen: float, **whose: str) -> dict[str, Any]:
    orders = max(1, round(amount * 100 / mean_fen))
    return {"hour_start": stamp(hour), "amount": f"{max(1, round(amount))}.00", "orders": orders, **whose}


def _sale(config: SaleConfig, shop: Shop, demand: Demand) -> dict[str, Any]:
    start = stamp(config.start_ms)
    name = {"11-11": "双十一", "06-18": "618年中大促", "12-12": "双十二"}.get(start[5:10], "聚划算大促")
    dice = Dice(config.seed, "targets", shop.shop_id)
    mean_fen = sum(draw_basket(dice, shop.kinds).fen for _ in range(400)) / 400
    expected = mean_fen / 100 * _PAID_ORDERS_PER_BUYER * config.buyers / config.shops
    sellers = {team: [agent for agent in shop.agents if agent.team == team] for team in shop.teams}
    targets: list[dict[str, Any]] = []
    hour = config.start_ms - config.start_ms % HOUR_MS
    while hour < config.end_ms:
        share = demand.share_between(max(hour, config.start_ms), min(hour + HOUR_MS, config.end_ms))
        # a target asks for a little more than is to be expected, in round hundreds
        amount = max(1, round(expected * share * 1.05 / 100)) * 100
        targets.append(_target(hour, amount, mean_fen))
        for team, agents in sellers.items():
            # what buyers order without having talked to anybody is nobody's to reach
            part = amount * _TEAMS_SHARE / len(shop.teams)
            targets.append(_target(hour, part, mean_fen, team=team))
            targets += [_target(hour, part / len(agents), mean_fen, agent_id=agent.agent_id) for agent in agents]
        hour += HOUR_MS
    return {
        "shop_id": shop.shop_id,
        "sale_event_id": f"sale-{start[:10]}-{shop.shop_id}",
        "name": name + ("晚场" if local_hour(config.start_ms) >= 17 and config.hours <= 8 else ""),
        "starts_at": start,
        "ends_at": stamp(config.end_ms),
        "teams": list(shop.teams),
        "pk_basis": dice.pick(("amount", "amount", "orders")),
        "targets": targets,
    }
