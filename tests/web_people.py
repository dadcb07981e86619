"""One user per role, named like it, and signing in as one of them."""

from pathlib import Path
from typing import Any

import orjson

from web.access.roles import Role
from web.access.users import User, UsersFile, hash_password, write_users

PASSWORD = "correct horse"
SITE = "http://127.0.0.1:8080"
HERE = {"origin": SITE, "sec-fetch-site": "same-origin"}


def write_people(path: Path, **agent_ids: list[str]) -> None:
    """A users file; `agent_ids`: the accounts of those who chat themselves."""
    people = [
        User(name=role, roles=[role], password=hash_password(PASSWORD), agent_ids=agent_ids.get(role, []))
        for role in Role
    ]
    write_users(path, UsersFile(users=people))


def sign_in(client: Any, name: str, password: str = PASSWORD, **form: str) -> Any:
    return client.post("/sign-in", data={"name": name, "password": password, **form}, headers=HERE)


class Kept:
    """A broker that takes everything and keeps it; or, while it is `away`, nothing."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes]] = []
        self.away = False

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        from sinks.kafka import PublishError

        if self.away:
            raise PublishError("no broker")
        self.records += records

    def events(self, topic: str) -> list[dict[str, Any]]:
        """What it has of a topic."""
        return [orjson.loads(value) for name, _, value in self.records if name == topic]
