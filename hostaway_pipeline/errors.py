"""Every error of this project that a caller may handle.

PipelineError                     what happened and how to fix it, in one line
├── ConfigurationError            a setting is missing or wrong: nothing was started
│   ├── KeyringError              an encryption key is missing, unknown or wrong
│   ├── SchemaBehind              the database schema is not the one this version needs
│   └── ModelsMissing             a table of the analyst layer has not been built yet
├── DatabaseUnavailable           Postgres cannot be reached, or cannot write
│   └── DatabaseConflict          another transaction holds the same rows: a retry may succeed at once
├── AccountError                  the account is unknown, exists already or is not active
├── AmbiguousReservation          several accounts have a reservation with this id
├── SyncInProgress                another process holds the lock: of the account, or of the build for analysts
├── UnexpectedError               a bug of ours: its class and place, never its text
├── EventRejected                 Postgres cannot store what was delivered
├── MessageNotSent                a message was not sent, or it is unknown whether it was
└── ApiError                      Hostaway's answer, classified where it is read
    ├── TransientApiError         worth a retry: network, 429, 5xx, 408, a garbled body
    │   ├── NetworkError
    │   │   └── Aborted           no failure: this process is stopping
    │   ├── RateLimited           carries the instant from which the server accepts requests again
    │   ├── ServerError
    │   └── GarbledBody
    └── PermanentApiError         the same request will fail again
        ├── InvalidCredentials    401: the client secret is wrong; no call of the account will succeed
        └── ObjectRefused         about the one object that was requested
            ├── AccessDenied      403 in Hostaway's envelope, with a good token
            ├── NotFound          404 in Hostaway's envelope
            └── RequestRejected   any other 4xx, or `status: fail`
"""

from datetime import datetime


class PipelineError(Exception):
    """One line for a person: what happened, and how to fix it."""


class ConfigurationError(PipelineError):
    """A setting is missing or wrong."""


class KeyringError(ConfigurationError):
    """An encryption key is missing, unknown or wrong."""


class SchemaBehind(ConfigurationError):
    """The database schema is not the one this version needs."""


class ModelsMissing(ConfigurationError):
    """A table of the analyst layer has not been built yet."""


class DatabaseUnavailable(PipelineError):
    """Postgres cannot be reached or cannot write."""


class DatabaseConflict(DatabaseUnavailable):
    """Another transaction holds the same rows: a deadlock, a serialization failure, or a lock that took too long."""


class AccountError(PipelineError):
    """The account is unknown, exists already or is not active."""


class AmbiguousReservation(PipelineError):
    """Several accounts have a reservation with this id."""


class SyncInProgress(PipelineError):
    """Another process is syncing the account."""


class UnexpectedError(PipelineError):
    """An unforeseen exception, in one line that does not quote its text, which may hold personal data."""

    @classmethod
    def of(cls, error: BaseException) -> "UnexpectedError":
        return cls(f"unexpected error: {class_and_place(error)}; this is a bug in the program")


def class_and_place(error: BaseException) -> str:
    """An error's class, and the innermost function and line that raised it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" in {place.tb_frame.f_code.co_name}, line {place.tb_lineno}" if place else ""
    return f"{type(error).__name__}{where}"


class EventRejected(PipelineError):
    """Postgres cannot store what was delivered."""


class MessageNotSent(PipelineError):
    """A message was not sent, or it is unknown whether it was: `status` says which.

    `retry_after`: seconds until a retry may succeed, where known.
    """

    def __init__(self, message: str, status: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ApiError(PipelineError):
    """Hostaway did not give the requested answer."""


class TransientApiError(ApiError):
    """The same request may succeed later."""


class NetworkError(TransientApiError):
    """No answer: refused, cut, timed out."""


class Aborted(NetworkError):
    """The process is stopping. This says nothing about Hostaway, and is not retried."""

    def __init__(self) -> None:
        super().__init__("stopped before Hostaway answered, because this process ends")


class RateLimited(TransientApiError):
    """429. `retry_at` is None when the server gave no time."""

    def __init__(self, message: str, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class ServerError(TransientApiError):
    """5xx, or 408."""


class GarbledBody(TransientApiError):
    """The body is not Hostaway's documented JSON envelope, or its result has the wrong type."""


class PermanentApiError(ApiError):
    """The same request will fail again."""


class InvalidCredentials(PermanentApiError):
    """Hostaway does not accept the account id and client secret."""


class ObjectRefused(PermanentApiError):
    """Concerns one object or one request; says nothing about the rest of the account."""


class AccessDenied(ObjectRefused):
    """403 although the token is good."""


class NotFound(ObjectRefused):
    """Hostaway has no such object."""


class RequestRejected(ObjectRefused):
    """Hostaway understood the request and refuses it."""
