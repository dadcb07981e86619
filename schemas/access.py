"""Who saw and did what in the web part: the events of `audit.access`, CloudEvents 1.0.

What people do to flags and call tasks is not among them: it is in `audit.commands`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.types import Id, TimeMs

AccessType = Literal[
    "access.signed_in",
    "access.sign_in_refused",
    "access.signed_out",
    "access.seen",
    "access.queried",
    "access.exported",
    "access.sent",
    "access.refused",
]
RecognisedBy = Literal["password", "oidc", "token", ""]


class Access(BaseModel):
    """One access: who, from where, to what."""

    model_config = ConfigDict(extra="forbid")

    actor: str = Field(description="who has signed in, or the token's name; empty: a name that nobody has")
    roles: list[str] = Field(description="that they had then")
    recognised_by: RecognisedBy = Field(description="password, oidc or token; empty: not at all")
    address: str = Field(description="of the client, as the web part sees it")
    what: str = Field(
        description="what was looked at: conversation, flags, call_queue, …; the path of what was refused"
    )
    shop_id: str = Field("", description="of the buyers")
    buyer_ids: list[str] = Field([], description="buyers who were shown, not masked")
    target_id: str = Field("", description="the one flag or task that was shown")
    detail: str = Field(
        "", description="the SQL, the reason of a refusal, the types of the events sent, what who signs in is called"
    )
    status: int = Field(200, description="HTTP status that was answered")
    size: int = Field(0, ge=0, description="bytes of a query's answer or an export, number of events sent")


class AccessEvent(BaseModel):
    """Somebody saw or did something. Key: actor."""

    model_config = ConfigDict(extra="forbid")

    specversion: Literal["1.0"] = "1.0"
    id: Id = Field(description="derived from all the rest")
    source: Id
    type: AccessType
    time: TimeMs
    data: Access
