"""An answered delivery is durable, even when database or process crash; commits are shared, never skipped."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import orjson
import psutil
import pytest
import requests

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.store.migrate import migrate
from hostaway_pipeline.wiring import services_on
from tests.factories import add_account, make_settings, reservation
from tests.receiver.sockets import connect, read_status, request_head
from tests.receiver.steps import (
    ACCOUNT,
    HOOK,
    OpenProcess,
    Receiver,
    basic,
    delivery,
    events,
    held_back,
    running_on,
)
from tests.waiting import wait_until


def test_concurrent_deliveries_share_commits_and_each_is_durable(receiver: Receiver, database_url: str) -> None:
    number, threads = 400, 32
    writer = receiver.components.writer
    commits, stored = writer.commits, writer.stored
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda n: receiver.deliver(delivery(reservation(n))).status_code, range(number))
        assert set(answers) == {200}
    assert {event["object_id"] for event in events(database_url)} == set(range(number))
    assert writer.stored - stored == number
    assert writer.commits - commits < number / 2


def test_no_answer_comes_before_the_commit(receiver: Receiver, database_url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held_back(database_url, 1):
            answer = pool.submit(receiver.deliver, delivery(reservation(1)))
            time.sleep(0.3)
            assert not answer.done()
            assert events(database_url) == []
        assert answer.result(60).status_code == 200
    assert len(events(database_url)) == 1


def test_waiting_deliveries_of_one_object_keep_their_order(receiver: Receiver, database_url: str) -> None:
    """While a commit is under way, an object changes to and fro: all of it is stored, in the order of arrival."""
    statuses = ["new", "modified", "new", "cancelled", "cancelled", "new"]
    with ThreadPoolExecutor(len(statuses) + 1) as pool:
        with held_back(database_url, 1):
            answers = [pool.submit(receiver.deliver, delivery(reservation(1)))]
            wait_until(lambda: receiver.components.writer._committing and not receiver.components.writer._waiting)
            for number, status in enumerate(statuses, start=1):
                answers.append(pool.submit(receiver.deliver, delivery(reservation(2, status=status))))
                wait_until(lambda number=number: len(receiver.components.writer._waiting) == number)  # type: ignore[misc]
        assert {answer.result(60).status_code for answer in answers} == {200}
    stored = [event["payload"]["status"] for event in events(database_url) if event["object_id"] == 2]
    assert stored == ["new", "modified", "new", "cancelled", "new"]


def test_concurrent_large_deliveries_are_all_stored(receiver: Receiver, database_url: str) -> None:
    """A commit takes a few of them only: one value of jsonb must not grow beyond what Postgres can hold."""
    numbers = list(range(100_000))
    with ThreadPoolExecutor(16) as pool:
        bodies = [delivery(reservation(n, numbers=numbers)) for n in range(16)]
        assert {answer.status_code for answer in pool.map(receiver.deliver, bodies)} == {200}
    assert len(events(database_url)) == 16


def test_a_client_that_disconnects_mid_request_does_not_affect_others(receiver: Receiver, database_url: str) -> None:
    with pytest.raises(requests.RequestException):
        receiver.post(cut_off(), {"Authorization": "Basic x"})
    assert receiver.deliver(delivery()).status_code == 200


def cut_off() -> Iterator[bytes]:
    yield b'{"object":'
    raise requests.ConnectionError("the client is gone")


@pytest.fixture(scope="module")
def own_server(embedded_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres that these tests may kill."""
    with EmbeddedPostgres(embedded_folder / "own") as server:
        server.ensure_database("hostaway")
        yield server


@pytest.fixture(scope="module")
def own_credential(own_server: EmbeddedPostgres, the_sandbox: SandboxServer) -> Credential:
    url = own_server.url("hostaway")
    services = services_on(make_settings(url, the_sandbox.url), url)
    migrate(services.database)
    services.secrets.check()
    add_account(services, ACCOUNT)
    made = services.webhooks.ensure_credential(ACCOUNT)
    services.close()
    return made


@pytest.fixture
def crash_database(own_server: EmbeddedPostgres, embedded_folder: Path) -> Callable[[], None]:
    """Kills the server as a power cut would."""

    def kill() -> None:
        pid_file = embedded_folder / "own" / "postgres" / "postmaster.pid"
        process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        process.kill()
        process.wait(60)

    return kill


def test_a_database_crash_causes_503s_and_loses_no_answered_delivery(
    own_server: EmbeddedPostgres, own_credential: Credential, sandbox: SandboxServer, crash_database: Callable[[], None]
) -> None:
    """Hostaway tries again after a 5xx. The receiver is not restarted."""
    url = own_server.url("hostaway")
    answered: list[int] = []
    refused: list[requests.Response] = []
    is_over = threading.Event()
    with running_on(url, sandbox, own_credential) as receiver:

        def send(first: int) -> None:
            number = first
            while not is_over.is_set():
                answer = receiver.deliver(delivery(reservation(number)))
                if answer.status_code == 200:
                    answered.append(number)
                else:
                    refused.append(answer)
                    time.sleep(0.05)
                number += 1

        with ThreadPoolExecutor(4) as pool:
            for first in range(4):
                pool.submit(send, (first + 1) * 1_000_000)
            wait_until(lambda: len(answered) > 50)
            crash_database()
            wait_until(lambda: len(refused) > 10)
            assert receiver.http.get(f"{receiver.url}/health").status_code == 200
            assert receiver.http.get(f"{receiver.url}/ready").status_code == 503
            own_server.stop()
            own_server.start()
            before = len(answered)
            wait_until(lambda: len(answered) > before + 50)
            is_over.set()
        assert {answer.status_code for answer in refused} == {503}
        assert all(answer.headers["Retry-After"] == "5" for answer in refused)
        assert receiver.http.get(f"{receiver.url}/ready").status_code == 200
    assert set(answered) <= {event["object_id"] for event in events(url)}


def test_a_receiver_may_start_before_its_database(
    own_server: EmbeddedPostgres, own_credential: Credential, sandbox: SandboxServer, crash_database: Callable[[], None]
) -> None:
    url = own_server.url("hostaway")
    crash_database()
    with running_on(url, sandbox, own_credential) as receiver:
        answer = receiver.deliver(delivery(reservation(5)))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "Postgres cannot be reached" in answer.json()["detail"]
        assert receiver.api("GET", "/accounts").status_code == 503
        metrics = receiver.http.get(f"{receiver.url}/metrics")
        assert metrics.status_code == 200
        assert "hostaway_up 0.0" in metrics.text
        assert 'hostaway_webhook_deliveries_total{result="database_away"} 1.0' in metrics.text
        own_server.stop()
        own_server.start()
        assert receiver.deliver(delivery(reservation(5))).status_code == 200
        assert receiver.http.get(f"{receiver.url}/ready").status_code == 200


def is_refused(receiver: Receiver) -> bool:
    """Whether new connections are."""
    try:
        connect(receiver).close()
    except ConnectionError:
        return True
    return False


def test_sigterm_waits_until_accepted_deliveries_are_answered(
    open_process: OpenProcess, credential: Credential, database_url: str
) -> None:
    process = open_process()
    receiver = process.receiver(credential)
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    with ExitStack() as stack:
        with held_back(database_url, 1):
            connections = [stack.enter_context(closing(connect(receiver))) for _ in range(20)]
            for number, connection in enumerate(connections, start=1):
                body = orjson.dumps(delivery(reservation(number)))
                connection.sendall(request_head("POST", HOOK, login, length=len(body)) + body)
            for _ in range(3):  # it has read what came before
                assert receiver.http.get(f"{receiver.url}/health").status_code == 200
            process.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(receiver))
            assert process.process.poll() is None, "it waits for the commit"
        assert [read_status(connection) for connection in connections] == [200] * 20
    assert process.process.wait(60) == 0
    assert {event["object_id"] for event in events(database_url)} == set(range(1, 21))


def test_sigterm_under_load_loses_no_answered_delivery(
    open_process: OpenProcess, credential: Credential, database_url: str
) -> None:
    process = open_process()
    answered: list[int] = []

    def send(first: int) -> None:
        receiver, number = process.receiver(credential), first
        while True:
            try:
                answer = receiver.deliver(delivery(reservation(number)))
            except requests.ConnectionError:
                return
            assert answer.status_code == 200
            answered.append(number)
            number += 1

    with ThreadPoolExecutor(16) as pool:
        ended = [pool.submit(send, (first + 1) * 1_000_000) for first in range(16)]
        wait_until(lambda: len(answered) > 200)
        process.process.send_signal(signal.SIGTERM)
        for one in ended:
            one.result(60)
    process.process.wait(60)
    assert set(answered) <= {event["object_id"] for event in events(database_url)}
