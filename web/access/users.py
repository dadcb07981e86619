"""The file of local users and API tokens: read, checked, followed while it changes, and written by `zhengdian users`."""

import hashlib
import os
import secrets
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Final

import structlog
import yaml
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.types import Id
from web.access.roles import Person, Role

log = structlog.get_logger(__name__)

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 256
_LOOK_SECONDS: Final = 1.0
_PREFIX: Final = "zd_"
_HASHER: Final = PasswordHasher()

Name = Annotated[str, Field(pattern=r"^[\w.@+-]{1,64}$")]


class UsersError(Exception):
    """The file can't be used; `str()` is one line that names the place."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    roles: Annotated[list[Role], Field(min_length=1)]


class User(_Entry):
    """Somebody who signs in by name and password."""

    password: str = Field(pattern=r"^\$argon2id\$", description="hash, by `zhengdian users add`")
    display_name: str = Field("", max_length=64)
    agent_ids: list[Id] = Field([], description="service accounts that this person chats with")

    def person(self) -> Person:
        """Who that is."""
        return Person(self.name, frozenset(self.roles), self.display_name, frozenset(self.agent_ids), by="password")


class Token(_Entry):
    """A program with an API token."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the token, which is shown once")


class UsersFile(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid")

    users: list[User] = []
    tokens: list[Token] = []

    @model_validator(mode="after")
    def _names_are_unique(self) -> "UsersFile":
        names = [entry.name for entry in [*self.users, *self.tokens]]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]} is there twice")
        return self


def hash_password(password: str) -> str:
    """The hash to keep. Raises UsersError for one that is too short or too long."""
    if len(password) < MIN_PASSWORD:
        raise UsersError(f"a password needs at least {MIN_PASSWORD} characters")
    if len(password) > MAX_PASSWORD:
        raise UsersError(f"a password may have {MAX_PASSWORD} characters at most")
    return _HASHER.hash(password)


def new_token() -> tuple[str, str]:
    """A token, and its SHA-256 to keep. It is random and long, so a slow hash would add nothing."""
    token = _PREFIX + secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()


def read_users(path: Path) -> UsersFile:
    """The file's users and tokens. Raises UsersError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return UsersFile.model_validate(found or {})
    except OSError as error:
        raise UsersError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsersError(f"{path}: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsersError(f"{path}: {place}: {first['msg']}" if place else f"{path}: {first['msg']}") from None


def write_users(path: Path, users: UsersFile) -> None:
    """Replace the file as a whole; a new one is readable by its owner alone. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(users.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 600
    try:
        if path.exists():
            # the web part's account must be able to read what root has written
            before = path.stat()
            os.fchmod(handle, before.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(handle, before.st_uid, before.st_gid)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Users:
    """The people and tokens of a file, as it stands now: who is taken out of it has no access a second later."""

    def __init__(self, path: Path | None) -> None:
        """None: there are no users. Raises UsersError."""
        self._path = path
        self._lock = threading.Lock()
        self._looked_at = time.monotonic()
        self._stamp: tuple[int, int] | None = None
        self._users: dict[str, User] = {}
        self._tokens: dict[str, Person] = {}
        # checked for unknown names, so that the time taken does not tell whether a name exists
        self._nobody = _HASHER.hash(secrets.token_hex())
        if path is not None:
            self._stamp = self._stamp_of(path)
            self._take(read_users(path))

    def __bool__(self) -> bool:
        self._look()
        return bool(self._users or self._tokens)

    @property
    def have_passwords(self) -> bool:
        """Whether there is somebody who signs in by one."""
        self._look()
        return bool(self._users)

    def knows(self, name: str) -> bool:
        """Whether that is the name of somebody who signs in by password."""
        return name in self._users

    def display_names(self) -> dict[str, str]:
        """What those are called who sign in by password; empty where that is their name."""
        self._look()
        return {user.name: user.display_name for user in self._users.values()}

    def check(self, name: str, password: str) -> Person | None:
        """The person with that name and password. Takes about 50 ms of CPU, by design."""
        self._look()
        user = self._users.get(name)
        try:
            _HASHER.verify(user.password if user else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return None
        return user.person() if user else None

    def person(self, name: str, stamp: str) -> Person | None:
        """The person that a session belongs to, as long as name and password are what they were (see `stamp_of`)."""
        self._look()
        user = self._users.get(name)
        return user.person() if user and secrets.compare_digest(_digest(user), stamp) else None

    def stamp_of(self, name: str) -> str:
        """What a session keeps so that it ends when the password is changed; empty for an unknown name."""
        user = self._users.get(name)
        return _digest(user) if user else ""

    def token(self, token: str) -> Person | None:
        """Whose token that is."""
        self._look()
        return self._tokens.get(hashlib.sha256(token.encode()).hexdigest())

    def _look(self) -> None:
        """Read the file again when it has changed. One that can't be read leaves nobody in: it may have been emptied."""
        if self._path is None or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        with self._lock:
            self._looked_at = time.monotonic()
            try:
                stamp = self._stamp_of(self._path)
                if stamp == self._stamp:
                    return
                self._take(read_users(self._path))
                self._stamp = stamp
                log.info("users_read", users=len(self._users), tokens=len(self._tokens))
            except UsersError as error:
                if self._stamp is not None:
                    log.error("users_unreadable", error=str(error))
                self._stamp = None
                self._take(UsersFile())

    def _take(self, found: UsersFile) -> None:
        self._users = {user.name: user for user in found.users}
        self._tokens = {one.sha256: Person(one.name, frozenset(one.roles), by="token") for one in found.tokens}

    @staticmethod
    def _stamp_of(path: Path) -> tuple[int, int]:
        try:
            status = path.stat()
        except OSError as error:
            raise UsersError(f"{path}: {error.strerror}") from None
        return status.st_mtime_ns, status.st_ino


def _digest(user: User) -> str:
    return hashlib.sha256(user.password.encode()).hexdigest()[:16]
