"""A buyer's chat with the agents of a shop: rounds, delays, hand-overs, and the slips that an audit finds."""

from collections.abc import Iterator, Sequence
from typing import Any

from replay.generator import events
from replay.generator.demand import Demand
from replay.generator.dice import Dice
from replay.generator.events import Moment
from replay.generator.floor import Agent, Shop
from replay.generator.texts import texts


class Buyer:
    """A buyer's own clock (milliseconds since the epoch), dice and numbering of what the buyer causes."""

    __slots__ = ("_counts", "buyer_id", "dice", "now", "number")

    def __init__(self, index: int, dice: Dice, now: int) -> None:
        self.number = f"{index:06d}"
        self.buyer_id = f"b-{self.number}"
        self.dice = dice
        self.now = now
        self._counts: dict[str, int] = {}

    def wait(self, milliseconds: int) -> None:
        """Let time pass, at least a moment of it."""
        self.now += max(milliseconds, 50)

    def wait_about(self, median_s: float, sigma: float = 0.6) -> None:
        """Let a human delay pass, log-normal around a median in seconds, cut at twelve medians."""
        self.wait(min(self.dice.lognormal_ms(median_s, sigma), int(median_s * 12_000)))

    def new_id(self, prefix: str) -> str:
        """The buyer's next id of that kind: m-000123-004."""
        count = self._counts.get(prefix, 0) + 1
        self._counts[prefix] = count
        return f"{prefix}-{self.number}-{count:03d}"


class Conversation:
    """One visit's chat. `agent` is who serves now; `lost` becomes true when the buyer gives up unanswered."""

    def __init__(self, buyer: Buyer, shop: Shop, demand: Demand, role: str, wish: dict[str, str]) -> None:
        dice = buyer.dice
        self.buyer = buyer
        self.shop = shop
        self.busy = demand.chats_per_agent(buyer.now)
        self.lost = False
        self._words = texts()
        self._slots = {
            **wish,
            "courier": dice.pick(self._words["couriers"]),
            "city": dice.pick(self._words["cities"]),
            "gift": dice.pick(self._words["gifts"]),
            "clock": f"{(events.local_hour(buyer.now) + 1) % 24}点",
        }
        self._used: set[int] = set()
        self._said: set[str] = set()
        self.assign(shop.agent(role, buyer.now, dice))

    def assign(self, agent: Agent) -> None:
        """From here on the thread is with this agent."""
        self.agent = agent
        self._slots["name"] = agent.name
        self._slots["number"] = agent.number

    def buyer_says(self, template: str) -> Moment:
        """A buyer's text, now."""
        return self._message({"sender": "buyer", "text": template.format_map(self._slots)})

    def buyer_shows(self) -> Moment:
        """A picture from the buyer, without text."""
        return self._message({"sender": "buyer", "text": "", "content_type": "image"})

    def agent_says(self, template: str, mode: str | None = None, **extra: str) -> Moment:
        """An agent's text, now; without a mode the agent's habit decides between human and assisted."""
        if mode is None:
            mode = "assisted" if self.buyer.dice.chance(self.agent.assisted) else "human"
        text = template.format_map(self._slots)
        return self._message({"sender": "agent", "reply_mode": mode, "text": text, **extra})

    def _message(self, said: dict[str, Any]) -> Moment:
        buyer = self.buyer
        data = {"shop_id": self.shop.shop_id, "buyer_id": buyer.buyer_id, "agent_id": self.agent.agent_id, **said}
        return events.chat_message(buyer.now, buyer.new_id("m"), data)

    def open(self) -> Iterator[Moment]:
        """The buyer says hello; when it is busy a robot answers first."""
        buyer = self.buyer
        yield self.buyer_says(buyer.dice.pick(self._words["hello"]))
        if buyer.dice.chance(min(0.85, 0.2 + 0.07 * self.busy)):
            buyer.wait(buyer.dice.between(300, 1500))
            yield self.agent_says(buyer.dice.pick(self._words["auto_greeting"]), "auto")
        yield from self.answer(self._words["greeting"], polish=False)

    def ask(self, kinds: Sequence[str]) -> Iterator[Moment]:
        """A round about one subject of these kinds of goods, another than before while there are others."""
        dice = self.buyer.dice
        subjects = [*self._words["topics"]["any"], *(t for kind in kinds for t in self._words["topics"][kind])]
        number = int(dice.random() * len(subjects))
        if number in self._used:
            number = (number + 1) % len(subjects)
        self._used.add(number)
        yield from self.round(subjects[number]["ask"], subjects[number]["reply"])

    def round(self, questions: Sequence[str], replies: Sequence[str]) -> Iterator[Moment]:
        """The buyer writes one to three messages, the agent replies or fails to."""
        buyer, dice = self.buyer, self.buyer.dice
        buyer.wait_about(16.0)
        if dice.chance(0.05):
            yield self.buyer_shows()
            buyer.wait_about(4.0)
        yield self.buyer_says(self._fresh(questions))
        while dice.chance(0.16):
            buyer.wait_about(4.0)
            yield self.buyer_says(self._fresh(questions))
        yield from self.answer(replies)

    def answer(self, replies: Sequence[str], polish: bool = True) -> Iterator[Moment]:
        """The agent's reply to what stands open: after a delay that grows with the load, or none at all."""
        buyer, dice, agent = self.buyer, self.buyer.dice, self.agent
        if dice.chance(min(0.3, agent.inattention * (0.5 + self.busy / 4))):
            yield from self._ignored(replies)
            return
        delay = self._reply_ms()
        if delay > 75_000 and dice.chance(0.4):
            buyer.wait(60_000)
            delay -= 60_000
            yield self.buyer_says(dice.pick(self._words["nudge"]))
        elif delay > 20_000 and dice.chance(min(0.3, 0.025 * self.busy)):
            buyer.wait(900)
            delay -= 900
            yield self.agent_says(dice.pick(self._words["auto_busy"]), "auto")
        buyer.wait(delay)
        yield self.agent_says(self._reply(replies, polish))
        if dice.chance(0.17):
            buyer.wait_about(5.0)
            yield self.agent_says(self._reply(replies if dice.chance(0.55) else self._words["upsell"], True))

    def _reply_ms(self) -> int:
        slower = min(4.0, 1.0 + 0.1 * max(0.0, self.busy - 2.0))
        return max(1200, self.buyer.dice.lognormal_ms(self.agent.reply_median_s * slower, 0.75))

    def _reply(self, replies: Sequence[str], polish: bool) -> str:
        dice, words = self.buyer.dice, self._words
        slip = dice.random()
        if slip < self.agent.forbidden + self.agent.vague:
            return self._fresh(words["misconduct"]["forbidden" if slip < self.agent.forbidden else "vague"])
        text = self._fresh(replies)
        return f"{dice.pick(words['prefix'])}{text}{dice.pick(words['suffix'])}" if polish else text

    def _fresh(self, choices: Sequence[str]) -> str:
        """One that was not said in this chat yet, while there is one."""
        first = int(self.buyer.dice.random() * len(choices))
        for step in range(len(choices)):
            text = choices[(first + step) % len(choices)]
            if text not in self._said:
                self._said.add(text)
                return text
        return choices[first]

    def _ignored(self, replies: Sequence[str]) -> Iterator[Moment]:
        buyer, dice = self.buyer, self.buyer.dice
        buyer.wait_about(150.0)
        if dice.chance(0.6):
            yield self.buyer_says(dice.pick(self._words["nudge"]))
            if dice.chance(0.6):
                buyer.wait_about(45.0)
                yield self.agent_says(self._reply(replies, True))
                return
        self.lost = True

    def hand_over(self, role: str, questions: Sequence[str]) -> Iterator[Moment]:
        """Another agent takes the thread over, in two cases of five without a word from the first one."""
        buyer, dice = self.buyer, self.buyer.dice
        buyer.wait_about(12.0)
        yield self.buyer_says(dice.pick(questions))
        if dice.chance(0.6):
            buyer.wait(self._reply_ms())
            yield self.agent_says(dice.pick(self._words["handover_announced"]))
        buyer.wait_about(35.0)
        self.assign(self.shop.agent(role, buyer.now, dice, self.agent))
        if dice.chance(0.3):
            yield self.buyer_says(dice.pick(questions))
            buyer.wait(self._reply_ms())
        yield self.agent_says(dice.pick(self._words["handover_taken"]))

    def close(self, thanks: Sequence[str] | None = None) -> Iterator[Moment]:
        """Thanks from both sides; an eager agent asks for a good review."""
        buyer, dice = self.buyer, self.buyer.dice
        if dice.chance(0.75):
            buyer.wait_about(12.0)
            yield self.buyer_says(dice.pick(thanks or self._words["thanks_buyer"]))
            if dice.chance(0.8):
                buyer.wait(self._reply_ms())
                yield self.agent_says(dice.pick(self._words["thanks_agent"]))
        if dice.chance(0.05 * self.agent.eagerness):
            buyer.wait_about(6.0)
            yield self.agent_says(dice.pick(self._words["misconduct"]["solicited"]))
