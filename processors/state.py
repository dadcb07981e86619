"""How facts are written to the state topic: one record per buyer, shard and writer (internal).

A shard holds some facts of one UTC day, so that a busy buyer's past is not written again with every new fact; the shard
`gone` holds the records that were derived once and are no more.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from processors.changes import FlagRecord, RoundRecord
from processors.facts import Fact, Message
from processors.rounds import Round


def encode_key(shop_id: str, buyer_id: str, shard: str, writer: bytes) -> bytes:
    """JSON keeps the ids apart whatever they hold (it writes NUL as an escape)."""
    return orjson.dumps([shop_id, buyer_id]) + b"\0" + shard.encode() + b"\0" + writer


def decode_key(key: bytes) -> tuple[str, str, str, bytes]:
    """-> shop_id, buyer_id, shard, writer."""
    identity, shard, writer = key.split(b"\0", 2)
    shop_id, buyer_id = orjson.loads(identity)
    return shop_id, buyer_id, shard.decode(), writer


def buyer_of(key: bytes) -> bytes:
    """What is the same in the keys of one buyer, and different in those of others."""
    return key.partition(b"\0")[0]


def encode_facts(facts: Sequence[Fact]) -> bytes:
    """The value of a shard of facts."""
    return b'{"facts":%s}' % _encode(facts)


def encode_gone(flags: Iterable[FlagRecord], rounds: Iterable[RoundRecord]) -> bytes:
    """The value of the shard `gone`."""
    return b'{"flags":%s,"rounds":%s}' % (
        orjson.dumps([list(flag) for flag in flags]),
        orjson.dumps([[r.round_id, _encode(_messages(r.round)).decode(), *r[2:]] for r in rounds]),
    )


def decode_value(value: bytes) -> tuple[list[Fact], list[FlagRecord], list[RoundRecord]]:
    """What one state record holds: facts, gone flags, gone rounds."""
    shard = _decode_shard(value)
    flags = [FlagRecord(*fields) for fields in shard.flags]
    rounds = [RoundRecord(id_, _round(messages), *rest) for id_, messages, *rest in shard.rounds]
    return shard.facts, flags, rounds


def _messages(round_: Round) -> list[Message]:
    return [round_.opening] if round_.reply is None else [round_.opening, round_.reply]


def _round(encoded: str) -> Round:
    opening, *replies = _decode_messages(encoded)
    return Round(opening, replies[0] if replies else None)


class _Shard(msgspec.Struct):
    facts: list[Fact] = []
    flags: list[list[Any]] = []
    rounds: list[list[Any]] = []


_encode = msgspec.json.Encoder().encode
_decode_shard = msgspec.json.Decoder(_Shard).decode
_decode_messages = msgspec.json.Decoder(list[Message]).decode
