"""A believable sale event out of a seed: what `zhengdian generate` and the demo play (contract §1, §5).

`generate` yields the events, `write_sale` writes them as .jsonl files, `retime` moves them to another time.
"""

from replay.generator.config import SaleConfig
from replay.generator.sale import generate, retime
from replay.generator.write import EVENTS_PER_BUYER, write_sale

__all__ = ["EVENTS_PER_BUYER", "SaleConfig", "generate", "retime", "write_sale"]
