"""The documentation at /docs: what each operation does, takes, and how it fails."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.receiver.steps import HOOK, Receiver

CANNOT_FAIL = {("get", HOOK), ("get", "/health"), ("get", "/metrics")}
BODIES = ["AccountReplacement", "AccountUpdate", "Guest", "NewAccount", "NewMessage", "Replay"]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_docs_page_is_served(receiver: Receiver) -> None:
    answer = receiver.http.get(f"{receiver.url}/docs")
    assert answer.status_code == 200
    assert "/openapi.json" in answer.text


def test_every_operation_has_a_summary_and_a_subject(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], f"{method} {path}"
        assert operation["tags"], f"{method} {path}"


def test_every_failure_is_documented_with_the_same_schema(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        failures = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert bool(failures) != ((method, path) in CANNOT_FAIL), f"{method} {path}"
        for status, answer in failures.items():
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}, f"{method} {path} {status}"
            assert answer["description"]


def test_every_body_has_examples(document: dict[str, Any]) -> None:
    bodies = [
        (path, operation["requestBody"]) for _, path, operation in operations(document) if "requestBody" in operation
    ]
    assert len(bodies) == 8
    for path, body in bodies:
        content = body["content"]["application/json"]
        if path == HOOK:
            assert content["examples"].keys() == {"delivery", "ping"}
        else:
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert name in BODIES
            assert document["components"]["schemas"][name]["examples"], name


@pytest.mark.parametrize("name", BODIES)
def test_every_example_is_a_valid_body(document: dict[str, Any], name: str) -> None:
    from webhook_receiver import guest_schemas, schemas

    model = getattr(guest_schemas if name == "Guest" else schemas, name)
    for example in document["components"]["schemas"][name]["examples"]:
        model.model_validate(example)


def test_every_operation_but_webhooks_and_probes_needs_a_key(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"basic", "bearer"}
    for method, path, operation in operations(document):
        wanted = [schemes[name]["scheme"] for needed in operation.get("security", []) for name in needed]
        if path in ("/health", "/ready", "/metrics") or (method, path) == ("get", HOOK):
            assert wanted == []
        else:
            assert wanted == (["basic"] if path == HOOK else ["bearer"]), f"{method} {path}"


def test_secrets_are_write_only(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    secret = {
        name: schema["properties"]["client_secret"]
        for name, schema in schemas.items()
        if "client_secret" in schema.get("properties", {})
    }
    assert set(secret) == {"NewAccount", "AccountUpdate", "AccountReplacement"}
    assert all('"writeOnly": True' in repr(one).replace("'", '"') for one in secret.values())


def test_the_examples_of_a_replay_are_accepted(receiver: Receiver, document: dict[str, Any]) -> None:
    for example in document["components"]["schemas"]["Replay"]["examples"]:
        assert receiver.api("POST", "/events/replay", example).status_code == 200


def test_the_docs_page_loads_nothing_from_other_hosts(receiver: Receiver) -> None:
    """Keys are typed into it; and a machine without a way out shows it all the same."""
    page = requests.get(f"{receiver.url}/docs", timeout=60).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert [source for source in sources if not source.startswith("/")] == []
    for source in sources:
        assert requests.get(receiver.url + source, timeout=60).status_code == 200
