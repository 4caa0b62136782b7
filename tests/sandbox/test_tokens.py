"""Hostaway's OAuth: form-encoded; a token is usable after a second, and its 403 looks like any other."""

import time
from typing import Any

import pytest
import requests

DENIED = {"status": "fail", "message": "The resource owner or authorization server denied the request."}


def status_with(api: Any, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{api.server.url}/listings", headers=headers, timeout=60).status_code


def new_token(api: Any) -> str:
    token: str = api.ask_token().json()["access_token"]
    return token


def test_a_token_answer_has_no_envelope(api):
    assert api.ask_token().json().keys() == {"token_type", "expires_in", "access_token"}


def test_a_token_is_valid_for_184_days_by_default(api):
    assert api.ask_token().json()["expires_in"] == 184 * 86400


@pytest.mark.parametrize("wrong", [{"client_secret": "nope"}, {"client_id": "1"}, {"client_id": "x"}])
def test_wrong_credentials_are_401_without_envelope(api, wrong):
    answer = api.ask_token(**wrong)
    expected = {"error": "invalid_client", "error_description": "Client authentication failed"}
    assert (answer.status_code, answer.json()) == (401, expected)


def test_credentials_as_json_are_not_accepted(api):
    body = {"grant_type": "client_credentials", "client_id": "59808", "client_secret": "sandbox-secret-59808"}
    assert requests.post(f"{api.server.url}/accessTokens", json=body, timeout=60).status_code == 401


def test_another_grant_type_is_400(api):
    assert api.ask_token(grant_type="password").status_code == 400


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}])
def test_a_missing_or_unknown_token_is_403(api, header):
    answer = requests.get(f"{api.server.url}/listings", headers=header, timeout=60)
    assert (answer.status_code, answer.json()) == (403, DENIED)


def test_a_token_is_refused_while_it_is_new(start):
    api = start(token_delay=60.0)
    assert (api.get("/listings").status_code, api.get("/listings").json()) == (403, DENIED)


def test_a_token_is_accepted_after_a_while(start):
    api = start(token_delay=1.0)
    time.sleep(1.01)
    assert api.get("/listings").status_code == 200


def test_a_new_token_does_not_invalidate_the_older_one(start):
    api = start()
    new_token(api)
    assert api.get("/listings").status_code == 200


def test_a_deleted_token_is_refused(start):
    api = start()
    token = new_token(api)
    requests.delete(f"{api.server.url}/accessTokens", params={"token": token}, timeout=60)
    assert status_with(api, token) == 403


def test_an_expired_token_is_refused(start):
    api = start(token_expires_in=0)
    assert api.get("/listings").status_code == 403


def test_tokens_can_be_revoked_by_the_sandbox(start):
    api = start()
    api.server.tokens.revoke_all(api.account_id)
    assert api.get("/listings").status_code == 403


def test_a_token_is_for_its_own_account_only(start):
    api = start("59808:3:40 2:5:10")
    assert api.get("/listings").json()["count"] == 3
