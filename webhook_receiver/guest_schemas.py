"""Request and response bodies of the routes for guests. The address occurs in requests only."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from webhook_receiver.schemas import Id, Strict


def _address(email: SecretStr) -> SecretStr:
    if "@" not in email.get_secret_value():
        raise ValueError("is no e-mail address")
    return email


class Guest(Strict):
    """A guest, named by one of a reservation and an e-mail address."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reservation_id": 1234567}, {"email": "guest@example.com", "account_id": 59808}]
        }
    )
    reservation_id: Id | None = Field(None, description="A reservation of the guest", examples=[1234567])
    email: Annotated[SecretStr, AfterValidator(_address)] | None = Field(
        None, max_length=300, description="The guest's address", examples=["guest@example.com"]
    )
    account_id: Id | None = Field(
        None,
        description="Only in this account, which remembers the guest also if nothing is stored yet; default: all that "
        "know the guest",
    )

    @model_validator(mode="after")
    def _is_named_once(self) -> Self:
        if (self.reservation_id is None) == (self.email is None):
            raise ValueError("name the guest by reservation_id or by email")
        return self


class GuestRows(BaseModel):
    account_id: int
    rows: dict[str, int] = Field(description="Numbers of rows, by table")
    reservation_ids: list[int] = Field([], description="Reservations of the guest; empty after an erasure")
