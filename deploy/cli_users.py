"""Commands for the web's local users and API tokens. Passwords are typed or piped in, never arguments."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.context import load_settings, say
from deploy.errors import CommandError, wrong_use

if TYPE_CHECKING:
    from web.access.users import UsersFile

app = typer.Typer()
_users = typer.Typer(help="The web's users and API tokens.")
app.add_typer(_users, name="users")

_File = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Users file; default: ZHENGDIAN_WEB_USERS.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and . _ @ + -")]
_Roles = Annotated[list[str], typer.Option("--role", help="ops, qc, caller, engineer or admin; may be given again.")]


@_users.command("add")
def add(
    name: _Name,
    role: _Roles,
    display_name: Annotated[str, typer.Option(help="How the pages call them.")] = "",
    agent_id: Annotated[
        list[str] | None, typer.Option(help="Service account they chat with; may be given again.")
    ] = None,
    file: _File = None,
) -> None:
    """Add somebody who may sign in. Asks for the password, or reads it as a line from a pipe."""
    from web.access.users import User

    path = _path(file)
    users = _read(path, new=True)
    _must_be_new(users, name)
    entry = {"name": name, "roles": role, "display_name": display_name, "agent_ids": agent_id or []}
    _checked(lambda: User.model_validate({**entry, "password": "$argon2id$"}))  # before somebody types a password
    users.users.append(_checked(lambda: User.model_validate({**entry, "password": _password()})))
    _write(path, users)
    say(f"{name} may sign in as {', '.join(role)}")


@_users.command("password")
def password(name: _Name, file: _File = None) -> None:
    """Set somebody's password anew. Their sessions end."""
    path = _path(file)
    users = _read(path)
    user = next((user for user in users.users if user.name == name), None)
    if user is None:
        raise CommandError(f"{path}: no user {name}")
    user.password = _password()
    _write(path, users)
    say(f"{name} has a new password")


@_users.command("token")
def token(name: _Name, role: _Roles, file: _File = None) -> None:
    """Make an API token for a program and print it, this once."""
    from web.access.users import Token, new_token

    path = _path(file)
    users = _read(path, new=True)
    _must_be_new(users, name)
    secret, sha256 = new_token()
    users.tokens.append(_checked(lambda: Token.model_validate({"name": name, "roles": role, "sha256": sha256})))
    _write(path, users)
    print(secret)


@_users.command("remove")
def remove(name: _Name, file: _File = None) -> None:
    """Take a user or a token out. A web part that runs notices within a second or two."""
    path = _path(file)
    users = _read(path)
    before = len(users.users) + len(users.tokens)
    users.users = [user for user in users.users if user.name != name]
    users.tokens = [one for one in users.tokens if one.name != name]
    if len(users.users) + len(users.tokens) == before:
        raise CommandError(f"{path}: neither a user nor a token {name}")
    _write(path, users)
    say(f"{name} is out")


@_users.command("list")
def show(file: _File = None) -> None:
    """Users and tokens with their roles."""
    users = _read(_path(file))
    for kind, entries in (("user", users.users), ("token", users.tokens)):
        for entry in entries:
            print(kind, entry.name, ",".join(entry.roles), sep="\t")


def _path(file: Path | None) -> Path:
    path = file if file is not None else load_settings().web_users
    if path is None:
        raise wrong_use("which users file? --file FILE, or set ZHENGDIAN_WEB_USERS")
    return path


def _read(path: Path, *, new: bool = False) -> "UsersFile":
    from web.access.users import UsersError, UsersFile, read_users

    if new and not path.exists():
        return UsersFile()
    try:
        return read_users(path)
    except UsersError as error:
        raise CommandError(str(error)) from None


def _write(path: Path, users: "UsersFile") -> None:
    from web.access.users import write_users

    try:
        write_users(path, users)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None


def _must_be_new(users: "UsersFile", name: str) -> None:
    if name in {entry.name for entry in [*users.users, *users.tokens]}:
        raise CommandError(f"{name} is there already")


def _checked(make: Callable[[], Any]) -> Any:
    from pydantic import ValidationError

    try:
        return make()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise wrong_use(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


def _password() -> str:
    from web.access.users import UsersError, hash_password

    if sys.stdin.isatty():
        text = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    try:
        return hash_password(text)
    except UsersError as error:
        raise CommandError(str(error)) from None
