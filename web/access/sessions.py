"""Signed cookies: who has signed in, until when. Nothing is kept on the server; a changed password ends a session."""

import secrets
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

from web.access.roles import Person
from web.access.users import Users

COOKIE: Final = "zhengdian_session"


class Sessions:
    """Makes and reads the cookie's value."""

    def __init__(self, users: Users, secret: str, hours: float) -> None:
        """`secret`: empty for one of this process only, with which all sessions end."""
        self._users = users
        self._signer = URLSafeTimedSerializer(secret or secrets.token_hex(32), salt=COOKIE)
        self.max_age_seconds: Final = int(hours * 3600)

    def begin(self, person: Person) -> str:
        """The cookie's value."""
        return str(self._signer.dumps([person.name, self._users.stamp_of(person.name)]))

    def person(self, value: str) -> Person | None:
        """Whose session that is; None when it is forged, over, or its user is not what it was."""
        try:
            name, stamp = self._signer.loads(value, max_age=self.max_age_seconds)
            return self._users.person(str(name), str(stamp))
        except (BadSignature, ValueError, TypeError):
            return None
