"""Who may do what: roles, the users file, sessions, requests from other sites."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from limits import parse
from starlette.datastructures import Headers

from deploy import cli
from web.access import users as users_module
from web.access.guard import Guard, is_foreign, local_path
from web.access.limits import Limits
from web.access.roles import GRANTS, LOCAL, May, Person, Role
from web.access.sessions import Sessions
from web.access.users import User, Users, UsersError, UsersFile, hash_password, new_token, read_users, write_users

PASSWORD = "correct horse"


@pytest.fixture
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def file(tmp_path: Path, hashed: str) -> Path:
    path = tmp_path / "users.yaml"
    mei = User(name="mei", roles=[Role.QC], password=hashed, agent_ids=["s:mei"])
    write_users(path, UsersFile(users=[mei]))
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_module, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(users_module, "_HASHER", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


def test_nobody_may_judge_call_or_query_but_whose_work_it_is() -> None:
    def who(what: May) -> set[Role]:
        return {role for role in Role if Person("x", frozenset({role})).may(what)}

    assert who(May.WATCH) == set(Role)
    assert who(May.REVIEW) == {Role.QC, Role.ADMIN}
    assert who(May.CALL) == {Role.CALLER, Role.ADMIN}
    assert who(May.QUERY) == who(May.SEND) == who(May.MEASURE) == {Role.ENGINEER, Role.ADMIN}
    assert who(May.ANNOUNCE) == {Role.OPS, Role.ADMIN}
    assert Role.OPS not in who(May.SEE_BUYERS)
    assert GRANTS[Role.ADMIN] == set(May)
    assert all(LOCAL.may(what) for what in May)
    assert not any(Person("x", frozenset()).may(what) for what in May)


def test_a_person_signs_in_by_name_and_password(file: Path) -> None:
    users = Users(file)
    person = users.check("mei", PASSWORD)
    assert person == Person("mei", frozenset({Role.QC}), agent_ids=frozenset({"s:mei"}))
    assert users.check("mei", PASSWORD + "!") is None
    assert users.check("nobody", PASSWORD) is None
    assert not Users(None)
    assert Users(None).check("mei", PASSWORD) is None


def test_an_unknown_name_takes_as_long_as_a_wrong_password(file: Path) -> None:
    users = Users(file)

    def seconds(name: str) -> float:
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            users.check(name, "wrong password")
            best = min(best, time.process_time() - began)
        return best

    assert 0.3 < seconds("nobody") / seconds("mei") < 3


def test_a_token_is_known_by_its_hash_alone(file: Path) -> None:
    token, sha256 = new_token()
    assert token not in sha256
    found = read_users(file)
    write_users(
        file, UsersFile.model_validate({"tokens": [{"name": "robot", "roles": ["engineer"], "sha256": sha256}]})
    )
    users = Users(file)
    assert users.token(token) == Person("robot", frozenset({Role.ENGINEER}))
    assert users.token(token[:-1]) is None
    assert users.token("") is None
    assert token not in file.read_text()
    assert found.users[0].name == "mei"


def test_what_changes_in_the_file_counts_at_once(file: Path, hashed: str) -> None:
    users = Users(file)
    sessions = Sessions(users, "secret", 1)
    person = users.check("mei", PASSWORD)
    assert person is not None
    cookie = sessions.begin(person)
    assert sessions.person(cookie) == person
    found = read_users(file)
    found.users[0].roles = [Role.OPS]
    write_users(file, found)
    changed = sessions.person(cookie)
    assert changed is not None
    assert changed.roles == {Role.OPS}
    found.users[0].password = hash_password("another horse")
    write_users(file, found)
    assert sessions.person(cookie) is None
    found.users[0].password = hashed
    write_users(file, found)
    assert sessions.person(cookie) == changed
    write_users(file, UsersFile())
    assert sessions.person(cookie) is None


def test_a_file_that_can_not_be_read_any_more_leaves_nobody_in(file: Path) -> None:
    users = Users(file)
    text = file.read_text()
    file.write_text("users: [")
    assert users.check("mei", PASSWORD) is None
    file.unlink()
    assert users.check("mei", PASSWORD) is None
    file.write_text(text)
    assert users.check("mei", PASSWORD) is not None


def test_a_session_ends_and_can_not_be_forged(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users(file)
    sessions = Sessions(users, "secret", 1)
    person = users.check("mei", PASSWORD)
    assert person is not None
    cookie = sessions.begin(person)
    assert Sessions(users, "secret", 1).person(cookie) == person
    assert Sessions(users, "another", 1).person(cookie) is None
    for place in (2, len(cookie) // 2, len(cookie) - 5):  # the last character has bits that mean nothing
        forged = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert sessions.person(forged) is None
    assert sessions.person("") is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3602)
    assert sessions.person(cookie) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("users: [", "users.yaml: while parsing"),
        ("users: [{name: a b, roles: [qc], password: $argon2id$}]", "users.0.name: "),
        ("users: [{name: a, roles: [], password: $argon2id$}]", "users.0.roles: "),
        ("users: [{name: a, roles: [boss], password: $argon2id$}]", "users.0.roles.0: "),
        ("users: [{name: a, roles: [qc], password: plain}]", "users.0.password: "),
        ("users: [{name: a, roles: [qc], password: $argon2id$, rols: 1}]", "users.0.rols: "),
        (
            "users: [{name: a, roles: [qc], password: $argon2id$}]\n"
            f"tokens: [{{name: a, roles: [qc], sha256: {'a' * 64}}}]",
            "a is there twice",
        ),
    ],
)
def test_a_wrong_file_is_told_in_one_line_that_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(text)
    with pytest.raises(UsersError, match=said) as error:
        Users(path)
    assert "\n" not in str(error.value)
    assert "plain" not in str(error.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsersError, match="No such file"):
        Users(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://shop.test", "host": "shop.test"}, True),
        ({"origin": "https://shop.test", "host": "shop.test"}, False),
        ({"origin": "http://shop.test:8080", "host": "shop.test"}, True),
        ({"origin": "http://evil.test", "host": "shop.test"}, True),
        ({"origin": "null", "host": "shop.test"}, True),
        ({"origin": "http://[", "host": "shop.test"}, True),
    ],
)
def test_a_request_that_another_site_made_the_browser_send_is_foreign(headers: dict[str, str], foreign: bool) -> None:
    assert is_foreign(Headers(headers)) == foreign


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/qc?rule=a", "/qc?rule=a"),
        ("", "/"),
        ("qc", "/"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("https://evil.test/qc", "/"),
        ("javascript:alert(1)", "/"),
        ("//[", "/"),
    ],
)
def test_after_signing_in_one_stays_on_this_site(target: str, path: str) -> None:
    assert local_path(target) == path


async def through(guard_of: Any, kind: str, path: str, **headers: str) -> Any:
    """The scope that reaches the application, or the status that the guard answers with."""
    sent: list[Any] = []
    reached: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "method": "GET", "query_string": b"", "client": ("127.0.0.1", 1)}
    scope["headers"] = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if kind == "websocket":
        del scope["method"]
    await guard_of(app)(scope, None, send)
    return reached[0]["state"]["person"] if reached else sent[0].get("status", sent[0].get("code"))


@pytest.fixture
def guard(file: Path) -> Any:
    users = Users(file)
    sessions = Sessions(users, "secret", 1)

    def make(**options: Any) -> Any:
        return lambda app: Guard(
            app, **{"users": users, "sessions": sessions, "limits": Limits(), "open": False, **options}
        )

    make.cookie = sessions.begin(Person("mei", frozenset()))  # type: ignore[attr-defined]
    return make


async def test_pages_sockets_and_files_are_behind_the_guard(guard: Any) -> None:
    signed = f"zhengdian_session={guard.cookie}"
    for path in ("/", "/qc", "/calls", "/static/desk.js", "/api/v1/flags", "/_nicegui", "/_niceguix/y"):
        assert await through(guard(), "http", path) == 401, path
        assert (await through(guard(), "http", path, cookie=signed)).name == "mei"
    for path in ("/healthz", "/sign-in", "/_nicegui/3/static/nicegui.js"):
        assert await through(guard(), "http", path) is None, path
    socket = "/_nicegui_ws/socket.io/"
    assert await through(guard(), "websocket", socket) == 1008
    assert (await through(guard(), "websocket", socket, cookie=signed, origin="http://a", host="a")).name == "mei"
    assert await through(guard(), "websocket", socket, cookie=signed, origin="http://b", host="a") == 1008


@pytest.mark.parametrize("other", ['a={"x":1}', "foo[bar]=1", "a", "x/y=1", "n=\xe9"])
async def test_another_applications_cookie_is_in_nobodys_way(guard: Any, other: str) -> None:
    cookie = f"{other}; zhengdian_session={guard.cookie}"
    assert (await through(guard(), "http", "/qc", cookie=cookie)).name == "mei"


async def test_an_open_web_leaves_a_gateways_authorization_alone(guard: Any) -> None:
    for authorization in ("Basic eDp5", "Bearer of-a-gateway"):
        assert await through(guard(open=True), "http", "/qc", authorization=authorization) is LOCAL
        assert await through(guard(), "http", "/qc", authorization=authorization) == 401
    # and a browser sends Basic by itself, so that it proves nothing about where a request comes from
    foreign = {"authorization": "Basic eDp5", "origin": "http://b", "host": "a"}
    assert await through(guard(open=True), "websocket", "/x", **foreign) == 1008


async def test_a_web_open_to_its_machine_is_not_open_to_whom_a_proxy_speaks_for(guard: Any) -> None:
    for header in ("x_forwarded_for", "forwarded"):
        proxied = {header: "203.0.113.7"}
        assert await through(guard(open=True, unproxied=True), "http", "/qc", **proxied) == 403
        assert await through(guard(open=True), "http", "/qc", **proxied) is LOCAL
        assert await through(guard(open=True, unproxied=True), "http", "/healthz", **proxied) is LOCAL
        signed = {**proxied, "cookie": f"zhengdian_session={guard.cookie}"}
        assert (await through(guard(open=True, unproxied=True), "http", "/qc", **signed)).name == "mei"


def test_limits_forget_whom_they_have_not_seen_for_long() -> None:
    limits = Limits()
    tight = parse("2/second")
    assert [limits.take(tight, "mei") for _ in range(3)] == [True, True, False]
    assert limits.take(tight, "lan")
    time.sleep(2.1)
    assert limits.take(tight, "mei")


def test_a_written_file_keeps_its_mode(file: Path) -> None:
    file.chmod(0o640)
    write_users(file, UsersFile())
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("ZHENGDIAN_WEB_USERS", str(tmp_path / "below" / "users.yaml"))

    def call(*args: str, typed: str = "") -> tuple[int, str, str]:
        read, write = os.pipe()
        os.write(write, typed.encode())
        os.close(write)
        with os.fdopen(read) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            code = cli.run(["users", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_users_are_added_changed_and_removed_on_the_command_line(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "below" / "users.yaml"
    assert run("list")[0] == 1
    assert run("add", "mei", "--role", "qc", "--role", "ops", typed=PASSWORD + "\n")[0] == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text()
    code, token, _ = run("token", "robot", "--role", "engineer")
    assert code == 0
    users = Users(path)
    assert users.check("mei", PASSWORD) == Person("mei", frozenset({Role.QC, Role.OPS}))
    assert users.token(token.strip()) is not None
    assert run("list")[1] == "user\tmei\tqc,ops\ntoken\trobot\tengineer\n"
    assert run("password", "mei", typed="another horse\n")[0] == 0
    assert users.check("mei", PASSWORD) is None
    assert users.check("mei", "another horse") is not None
    assert run("remove", "mei")[0] == 0
    assert users.check("mei", "another horse") is None


@pytest.mark.parametrize(
    ("args", "typed", "code", "said"),
    [
        (["add", "a", "--role", "boss"], PASSWORD, 2, "roles.0: "),
        (["add", "a b", "--role", "qc"], PASSWORD, 2, "name: "),
        (["add", "a", "--role", "qc"], "short", 1, "at least 10 characters"),
        (["add", "a", "--role", "qc"], "", 1, "at least 10 characters"),
        (["add", "a", "--role", "qc"], "x" * 257, 1, "256 characters at most"),
        (["remove", "a"], "", 1, "No such file"),
        (["password", "a"], PASSWORD, 1, "No such file"),
    ],
)
def test_what_can_not_be_is_told_in_one_line(run: Any, args: list[str], typed: str, code: int, said: str) -> None:
    got, out, err = run(*args, typed=typed + "\n")
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert said in err
    assert typed == "" or typed not in err
