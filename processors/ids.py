"""Ids derived from what caused them, so that any re-run yields the same ids (contract §3)."""

from hashlib import blake2b


def derive(prefix: str, *cause: str) -> str:
    """`prefix` and 20 hex digits of the cause's BLAKE2b hash; parts can't run into each other."""
    return digest(prefix, joined(*cause))


def joined(*cause: str) -> str:
    """The text of a cause, or of a part of one."""
    return "".join([f"{len(part)}:{part}" for part in cause])


def digest(prefix: str, text: str) -> str:
    """The id of a cause's whole text."""
    return f"{prefix}-{blake2b(text.encode(), digest_size=10).hexdigest()}"
