"""One ready user per role for the demo, which listens on loopback alone: their password is known to everybody."""

from pathlib import Path
from typing import Final

PASSWORD: Final = "zhengdian-demo"  # noqa: S105
PEOPLE: Final = {
    "ops": "周宁（运营）",
    "qc": "李静（质检）",
    "caller": "王敏（回访专员）",
    "engineer": "陈工（数据）",
    "admin": "赵敏（管理员）",
}
"""role, which is the name to sign in with, and display name"""
HINT: Final = f"演示账号 / demo users: {' · '.join(PEOPLE)}\n密码 / password: {PASSWORD}"
"""what the sign-in page says"""


def write_demo_users(path: Path) -> None:
    """The users file. Raises OSError."""
    from web.access.roles import Role
    from web.access.users import User, UsersFile, hash_password, write_users

    hashed = hash_password(PASSWORD)  # slow by design, and the same secret for all
    people = [User(name=role, roles=[Role(role)], password=hashed, display_name=name) for role, name in PEOPLE.items()]
    write_users(path, UsersFile(users=people))
