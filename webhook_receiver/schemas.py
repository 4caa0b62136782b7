"""Request and response bodies of our own API. Secrets occur in requests only."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from hostaway_pipeline.domain.cadences import Schedule
from hostaway_pipeline.domain.texts import is_blank
from hostaway_pipeline.domain.vocabulary import AccountState, Cadence, Channel, EventStatus, Mode

BIGINT = 2**63 - 1
Id = Annotated[int, Field(ge=1, le=BIGINT)]


def _printable(secret: SecretStr) -> SecretStr:
    """JSON may hold half a surrogate pair, which can be neither encrypted nor sent."""
    if not secret.get_secret_value().isprintable():
        raise ValueError("contains a character that cannot be printed")
    return secret


# Postgres stores no NUL.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Name = Annotated[Text, Field(max_length=200)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=500), AfterValidator(_printable)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Problem(BaseModel):
    """The body of every error."""

    detail: str = Field(description="What happened, and what to do about it", examples=["account 59808 is not known"])


def _examples(*bodies: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(bodies)})


class NewAccount(Strict):
    model_config = _examples(
        {"account_id": 59808, "client_secret": "from Hostaway's dashboard", "name": "Seaside Homes"}
    )
    account_id: Id = Field(description="Hostaway's account id, which is also the API client id", examples=[59808])
    client_secret: Secret = Field(description="From Hostaway's dashboard; checked, encrypted, never shown again")
    name: Name | None = Field(None, examples=["Seaside Homes"])
    customer_id: UUID | None = Field(None, description="Your own id of this customer; by default a new one")
    sync: bool = Field(True, description="Start the first sync at once")


class OwnSchedule(Strict):
    """Periods and times of an account's own; `default` takes one back, and modes that are left out keep theirs."""

    refresh: str | None = Field(None, description="Period", examples=["30m"])
    reconcile: str | None = Field(None, description="Time of day in HOSTAWAY_TIME_ZONE", examples=["03:00"])
    listings: str | None = Field(None, description="Period", examples=["4h"])
    calendar: str | None = Field(None, description="Period", examples=["1d"])

    @model_validator(mode="after")
    def _parse(self) -> Self:
        self.parsed()
        return self

    def parsed(self) -> dict[Cadence, Schedule]:
        """Raises ValueError."""
        modes: tuple[Cadence, ...] = ("refresh", "reconcile", "listings", "calendar")
        texts = {mode: getattr(self, mode) for mode in modes}
        return {mode: Schedule.parse(mode, text) for mode, text in texts.items() if text is not None}


class AccountUpdate(Strict):
    """Fields that are left out keep their values."""

    model_config = _examples(
        {"name": "Seaside Homes"},
        {"client_secret": "a new one from the dashboard"},
        {"schedule": {"refresh": "30m", "reconcile": "03:00"}},
    )
    client_secret: Secret | None = Field(None, description="Checked with Hostaway before it replaces the current one")
    name: Name | None = None
    schedule: OwnSchedule | None = None


class AccountReplacement(Strict):
    model_config = _examples({"client_secret": "a new one from the dashboard", "name": "Seaside Homes"})
    client_secret: Secret = Field(description="Checked with Hostaway before it replaces the current one")
    name: Name | None = None


class DueTime(BaseModel):
    mode: Cadence
    schedule: str = Field(description="The account's own period or time of day, or `default`")
    next_due_at: datetime | None = Field(description="Null: on request only")
    requested_at: datetime | None = Field(description="A request that no success has answered yet")
    as_of: datetime | None = Field(description="The copy holds what Hostaway had at this time")


class Webhook(BaseModel):
    is_registered: bool
    is_enabled: bool | None = Field(description="As Hostaway reported at `checked_at`")
    checked_at: datetime | None
    heard_at: datetime | None = Field(description="When the newest event was received")


class AccountSummary(BaseModel):
    account_id: int
    customer_id: UUID
    name: str | None
    status: AccountState
    last_sync_at: datetime | None = Field(description="The copy is known to be complete as of this time")
    last_run_status: str | None = Field(examples=["succeeded"])
    last_error: str | None
    rows: dict[str, int] = Field(examples=[{"listings": 7, "reservations": 787}])
    schedule: dict[str, str] = Field(
        description="Schedules of the account's own, by mode", examples=[{"refresh": "30m"}]
    )


class AccountDetail(AccountSummary):
    webhook: Webhook
    due: list[DueTime] = Field(description="By mode")


class Created(AccountDetail):
    webhook_problem: str | None = Field(description="Why no webhook could be registered")


class Removed(BaseModel):
    account_id: int
    rows_deleted: bool
    webhook_problem: str | None = Field(description="Why the webhook could not be removed at Hostaway")


class SyncAsked(BaseModel):
    account_id: int
    mode: Mode
    status: Literal["requested"] = "requested"


class EntityCounts(BaseModel):
    fetched: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int


class DryRun(BaseModel):
    account_id: int
    mode: Mode
    status: str = Field(examples=["succeeded"])
    seconds: float
    api_calls: int
    http_429: int
    entities: dict[str, EntityCounts] = Field(description="What would change")
    error: str | None


def _readable(text: str) -> str:
    if is_blank(text):
        raise ValueError("shows nothing: it holds only spaces and characters that cannot be seen")
    return text


class NewMessage(Strict):
    model_config = _examples({"reservation_id": 1234567, "message": "Your key is at the reception."})
    reservation_id: Id = Field(examples=[1234567])
    message: Annotated[Text, Field(min_length=1, max_length=10_000), AfterValidator(_readable)] = Field(
        examples=["Your key is at the reception."]
    )
    channel_type: Channel = "email"
    account_id: Id | None = Field(
        None, description="Needed when several accounts have this reservation id, or when it is not stored yet"
    )
    resend: bool = Field(
        False,
        description="Only after the answer `unclear`: send it again if it is not found. Accepted once "
        "HOSTAWAY_SEND_PATIENCE (10 minutes by default) has passed since the last attempt, refused with 409 before",
    )


class SentMessage(BaseModel):
    id: int
    account_id: int
    reservation_id: int
    conversation_id: int
    message_id: int | None = Field(description="Hostaway's id")
    channel_type: str
    status: str = Field(examples=["sent"])
    attempts: int


class Event(BaseModel):
    id: int
    account_id: int
    event: str
    object: str
    object_id: int | None
    received_at: datetime
    status: EventStatus
    attempts: int
    error: str | None
    applied_at: datetime | None
    request_id: str | None


class Events(BaseModel):
    pending: int
    failed: int
    events: list[Event]


class Replay(Strict):
    model_config = _examples({"ids": [4711, 4712]}, {"failed": True, "account_id": 59808})
    ids: list[Id] = Field(default_factory=list, max_length=10_000)
    failed: bool = Field(False, description="All failed events, instead of ids")
    account_id: Id | None = None


class Replayed(BaseModel):
    pending_again: int
