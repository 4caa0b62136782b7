"""Every error of this project that a caller may want to tell apart. Raised beside their causes, drawn here.

PipelineError                     what happened and the way out, in one line
├── ConfigurationError            a setting is missing or wrong: nothing was started
│   ├── KeyringError              an encryption key is missing, unknown or wrong
│   └── SchemaBehind              the database schema is not the one this version needs
├── DatabaseUnavailable           Postgres cannot be reached, or cannot write
├── AccountError                  the account is unknown, exists already or is not active
├── SyncInProgress                another process holds the account's lock
├── EventRejected                 Postgres cannot store what was delivered
├── MessageNotSent                a message could not be sent, or nobody knows whether it was
└── ApiError                      Hostaway's answer, classified once, where it is read
    ├── TransientApiError         worth another try: network, 429, 5xx, 408, a garbled body
    │   ├── NetworkError
    │   │   └── Aborted           nothing was wrong: this process ends
    │   ├── RateLimited           carries the instant from which the server accepts requests again
    │   ├── ServerError
    │   └── GarbledBody
    └── PermanentApiError         the same request will fail again
        ├── InvalidCredentials    401: the client secret is wrong
        ├── AccessDenied          403 in Hostaway's envelope, with a good token
        ├── NotFound              404 in Hostaway's envelope
        └── RequestRejected       any other 4xx, or `status: fail`
"""

from datetime import datetime


class PipelineError(Exception):
    """One line for a person: what happened, and the way out."""


class ConfigurationError(PipelineError):
    """A setting is missing or wrong."""


class KeyringError(ConfigurationError):
    """An encryption key is missing, unknown or wrong."""


class SchemaBehind(ConfigurationError):
    """The database schema is not the one this version needs."""


class DatabaseUnavailable(PipelineError):
    """Postgres cannot be reached or cannot write."""


class AccountError(PipelineError):
    """The account is unknown, exists already or is not active."""


class SyncInProgress(PipelineError):
    """Another process is syncing the account."""


class EventRejected(PipelineError):
    """Postgres cannot store what was delivered."""


class MessageNotSent(PipelineError):
    """A message could not be sent, or nobody knows whether it was: `status` tells which."""

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


class ApiError(PipelineError):
    """Hostaway's answer was not the one that was asked for."""


class TransientApiError(ApiError):
    """The same request may succeed later."""


class NetworkError(TransientApiError):
    """No answer: refused, cut, timed out."""


class Aborted(NetworkError):
    """The work was told to stop: it says nothing about Hostaway, and is not tried again."""

    def __init__(self) -> None:
        super().__init__("stopped before Hostaway answered, because this process ends")


class RateLimited(TransientApiError):
    """429. `retry_at` is None when the server named no time."""

    def __init__(self, message: str, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class ServerError(TransientApiError):
    """5xx, or 408."""


class GarbledBody(TransientApiError):
    """The body is not the JSON envelope that Hostaway documents, or its result is not what was asked for."""


class PermanentApiError(ApiError):
    """The same request will fail again."""


class InvalidCredentials(PermanentApiError):
    """Hostaway does not accept the account id and client secret."""


class AccessDenied(PermanentApiError):
    """403 although the token is good."""


class NotFound(PermanentApiError):
    """Hostaway has no such object."""


class RequestRejected(PermanentApiError):
    """Hostaway understood the request and refuses it."""
