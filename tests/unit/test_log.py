"""What is never logged, by the name of a field and by the look of a text; and what has to stay readable."""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from hostaway_pipeline.log import REDACTED, redact, scrub

JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiI1OTgwOCJ9.abc-_123"
CIPHERTEXT = "v1:k1:" + "Ab3+/x9Z" * 6 + "=="


def redacted(**event: Any) -> dict[str, Any]:
    return dict(redact(None, "info", dict(event)))


# By the name of a field


@pytest.mark.parametrize(
    "field",
    [
        "client_secret",
        "access_token",
        "token",
        "webhook_password",
        "Authorization",
        "Cookie",
        "api_key",
        "apikey",
        "encryption_keys",
        "credentials",
        "doorCode",
        "doorSecurityCode",
        "wifiPassword",
        "cvc",
        "ccNumber",
        "card_number",
        "guestName",
        "guest_name",
        "recipientEmail",
        "phone",
        "body",
        "message_text",
        "payload",
        "raw_payload",
        "address",
    ],
)
def test_a_field_that_is_private_by_name_is_not_logged(field):
    assert redacted(**{field: "x"}) == {field: REDACTED}


@pytest.mark.parametrize("value", ["x", 4711, 4.5, ["x"], {"a": "x"}, b"x"], ids=repr)
def test_a_private_field_is_not_logged_whatever_its_type(value):
    assert redacted(payload=value) == {"payload": REDACTED}


@pytest.mark.parametrize("value", [None, True, False])
def test_whether_there_is_a_secret_may_be_logged(value):
    """`has_secret=False` is what an operator looks for."""
    assert redacted(has_secret=value) == {"has_secret": value}


@pytest.mark.parametrize(
    "event",
    [
        {"answer": {"guestName": "Andrew"}},
        {"answer": {"rows": [{"id": 1, "guestName": "Andrew"}]}},
        {"rows": [[{"ccNumber": "Andrew"}]]},
        {"rows": ({"phone": "Andrew"},)},
        {"answer": {"deep": {"deeper": {"body": "Andrew"}}}},
    ],
    ids=["mapping", "list in mapping", "lists", "tuple", "deep"],
)
def test_private_fields_are_found_in_mappings_and_lists(event):
    assert "Andrew" not in str(redacted(**event))


def test_the_rest_of_a_nested_value_stays():
    assert redacted(answer={"id": 13, "guestName": "Andrew", "ids": [1, 2]}) == {
        "answer": {"id": 13, "guestName": REDACTED, "ids": [1, 2]}
    }


def test_a_mapping_may_have_keys_that_are_no_text():
    assert redacted(pages={500: "ok"}) == {"pages": {500: "ok"}}


# By the look of a text


@pytest.mark.parametrize(
    ("text", "private"),
    [
        (f"Authorization: Bearer {JWT}", JWT),
        (f"bearer {JWT}", JWT),
        ("Authorization: Basic aG9zdDpodW50ZXIy", "aG9zdDpodW50ZXIy"),
        ("GET /accessTokens?token=abc123&limit=1", "abc123"),
        ("client_secret=8b13f4&scope=general", "8b13f4"),
        ('{"client_secret": "8b13f4"}', "8b13f4"),
        ("password: hunter2", "hunter2"),
        ("cannot reach postgresql://hostaway:hunter2@db.internal:5432/x", "hunter2"),
        ("cannot reach redis://:hunter2@cache", "hunter2"),
        ("cannot reach postgresql://hostaway:hun@ter2@db:5432/x", "ter2"),
        ("cannot reach postgresql://hostaway:hun/ter2@db:5432/x", "ter2"),
        ("cannot reach postgresql://host@away:hunter2@db:5432/x", "hunter2"),
        ("https://user:p%40ss:word@host/path", "p%40ss"),
        ("no answer from andrew.peterson+trip@mail.test", "andrew.peterson"),
        ("c-55107f63824f6e63@host.dev.hostaway.test wrote", "c-55107f63824f6e63"),
        ("call +1 (512) 555-1212 at noon", "555-1212"),
        ("call +4930123456789", "30123456789"),
        ("paid with 4111 1111 1111 1111", "1111"),
        ("paid with 4111-1111-1111-1111", "1111"),
        ("paid with 4111111111111111", "4111"),
        ("paid with 378282246310005, twice", "378282246310005"),
        (f"stored as {CIPHERTEXT}", CIPHERTEXT[6:]),
    ],
)
def test_private_text_is_cut_out_of_any_text(text, private):
    cleaned = scrub(text)
    assert private not in cleaned
    assert REDACTED in cleaned


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: {"event": text},
        lambda text: {"error": text},
        lambda text: {"lines": [text]},
        lambda text: {"answer": {"said": text}},
        lambda text: {"error": ValueError(text)},
        lambda text: {"raw": text.encode()},
    ],
    ids=["event", "field", "list", "mapping", "exception", "bytes"],
)
def test_text_is_cleaned_wherever_it_stands(wrap):
    assert JWT not in str(redacted(**wrap(f"Bearer {JWT}")))


def test_the_rest_of_a_text_stays():
    assert scrub("GET https://hostaway:hunter2@api.test/v1/listings: HTTP 500") == (
        f"GET https://hostaway:{REDACTED}@api.test/v1/listings: HTTP 500"
    )


def test_a_card_number_may_end_a_sentence():
    assert "378282246310005" not in scrub("paid with 378282246310005.")


@pytest.mark.parametrize(
    "text",
    [
        "{'client_secret': '8b13f4'}",
        "webhook_password=8b13f4",
        "refresh_token=8b13f4",
        'password="hunter 8b13f4"',
        "HOSTAWAY_ENCRYPTION_KEYS=k1:8b13f4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ],
    ids=["repr of a dict", "webhook_password", "refresh_token", "with a space", "encryption keys"],
)
def test_a_secret_is_recognised_in_its_other_forms_too(text):
    assert "8b13f4" not in scrub(text)


# What has to stay readable


@pytest.mark.parametrize(
    "event",
    [
        {"account_id": 59808, "reservation_id": 2**63 - 1},
        {"fetched": 787, "http_429": 0, "seconds": 43.25},
        {"account_id": "59808", "entity": "reservations"},
        {"ids": [40160, 40161], "answer": {"count": 787}},
        {"is_complete": True, "held_back": None},
    ],
)
def test_ids_and_counts_stay(event):
    assert redacted(**event) == event


@pytest.mark.parametrize(
    "text",
    [
        "account 59808: 787 conversations in 805 calls",
        "2026-10-05 12:00:30",
        "2026-10-05T12:00:30.123456Z",
        "from 2026-10-05 to 2026-10-06",
        "started at 1791201630",
        "12.345678901234567 seconds",
        "share 0.1234567890123456",
        "GET /conversations/2147483648/messages: HTTP 404",
        "reservation 13",
        "https://api.hostaway.com/v1/reservations?limit=500&afterId=123456789",
        "127.0.0.1:5432",
        "9c858901-8a57-4791-81fe-4c455b099bc9",
        "v1:k1 is the format",
        "HOSTAWAY_ENCRYPTION_KEYS: key 'k1' is given twice",
    ],
)
def test_ordinary_text_stays(text):
    assert scrub(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "run 123e4567-e89b-12d3-a456-426614174000",
        "2026-10-05 2026-10-06",
        "conversation 9223372036854775807",
        "reservation 40160-2000-1089",
    ],
    ids=["uuid", "two dates", "64-bit id", "a channel's reservation id"],
)
def test_digits_that_are_no_card_number_stay(text):
    """Card numbers pass the Luhn check and stand between word boundaries."""
    assert scrub(text) == text


# The whole line


def lines(script: str) -> list[dict[str, Any]]:
    """What a process without a terminal writes to stderr, one JSON object per line; nothing on stdout."""
    ran = subprocess.run(
        [sys.executable, "-c", SETUP + textwrap.dedent(script)], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout == ""
    return [json.loads(line) for line in ran.stderr.splitlines()]


SETUP = """
import logging
import structlog
from hostaway_pipeline.log import configure_logging
configure_logging("INFO")
log = structlog.get_logger()
"""


@pytest.fixture(scope="module")
def written() -> dict[str, dict[str, Any]]:
    """One process for all tests below: each line by its event."""
    script = """
    log.info("synced", account_id=59808, fetched=787, client_secret="8b13f4", answer={"guestName": "Andrew"})
    log.debug("too quiet")
    logging.getLogger("some.library").warning("sent %s", "Bearer 8b13f48b13f4")
    logging.getLogger("urllib3.connectionpool").info("GET /v1/accessTokens")
    structlog.contextvars.bind_contextvars(access_token="8b13f4")
    log.info("bound")
    structlog.contextvars.clear_contextvars()
    def connect():
        raise ValueError("cannot reach postgresql://hostaway:8b13f4@db/x")
    try:
        connect()
    except ValueError:
        log.exception("structlog failed")
        logging.getLogger("some.library").exception("logging failed")
    log.info("two\\nlines")
    """
    return {line["event"]: line for line in lines(script)}


def test_a_line_is_a_json_object_with_time_and_level(written):
    assert (written["synced"]["level"], written["synced"]["timestamp"][-1]) == ("info", "Z")


def test_fields_keep_their_types(written):
    assert (written["synced"]["account_id"], written["synced"]["fetched"]) == (59808, 787)


def test_nothing_private_is_in_any_line(written):
    """Neither in a field, a bound variable, another library's message nor a traceback."""
    text = json.dumps(written)
    assert "8b13f4" not in text
    assert "Andrew" not in text


def test_another_librarys_lines_look_the_same(written):
    assert written[f"sent Bearer {REDACTED}"]["level"] == "warning"


@pytest.mark.parametrize("event", ["structlog failed", "logging failed"])
def test_an_exception_is_rendered_and_cleaned(written, event):
    rendered = written[event]["exception"]
    assert "in connect" in rendered
    assert f"ValueError: cannot reach postgresql://hostaway:{REDACTED}@db/x" in rendered


def test_lines_below_the_level_are_not_written(written):
    assert "too quiet" not in written


def test_noisy_libraries_are_heard_from_warning_on(written):
    assert "GET /v1/accessTokens" not in written


def test_a_line_break_in_a_message_does_not_begin_a_new_line(written):
    assert "two\nlines" in written
