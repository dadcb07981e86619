"""Signed cookies: who has signed in, until when. Nothing is kept on the server; a changed password ends a session.

Who has signed in at a provider is in no file here, so the cookie says who they are and which roles they had then.
"""

from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

from web.access.roles import Person, Role
from web.access.users import Users

COOKIE: Final = "zhengdian_session"


class Sessions:
    """Makes and reads the cookie's value."""

    def __init__(self, users: Users, secret: str, hours: float, oidc_stamp: str = "") -> None:
        """`oidc_stamp`: of the provider whose people have sessions; empty for none."""
        self._users = users
        self._oidc_stamp = oidc_stamp
        self._signer = URLSafeTimedSerializer(secret, salt=COOKIE)
        self.max_age_seconds: Final = int(hours * 3600)

    def begin(self, person: Person) -> str:
        """The cookie's value."""
        if person.by == "oidc":
            who = [person.name, sorted(person.roles), person.display_name, sorted(person.agent_ids)]
            return str(self._signer.dumps([*who, self._oidc_stamp]))
        return str(self._signer.dumps([person.name, self._users.stamp_of(person.name)]))

    def person(self, value: str) -> Person | None:
        """Whose session that is; None when it is forged, over, or its user or provider is not what it was."""
        try:
            name, *more, stamp = self._signer.loads(value, max_age=self.max_age_seconds)
            if not more:
                return self._users.person(str(name), str(stamp))
            roles, shown, accounts = more
            if not self._oidc_stamp or stamp != self._oidc_stamp:
                return None
            return Person(name, frozenset(map(Role, roles)), shown, frozenset(accounts), by="oidc")
        except (BadSignature, ValueError, TypeError):
            return None
