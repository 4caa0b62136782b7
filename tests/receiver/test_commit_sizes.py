"""The size of one commit: a jsonb value beyond what Postgres can hold would fail every delivery in it."""

from concurrent.futures import ThreadPoolExecutor

from tests.factories import reservation, rows
from tests.receiver.steps import Receiver, delivery, held_back
from tests.waiting import wait_until

MOST_BYTES = 8 * 1024 * 1024
BY_COMMIT = (
    "SELECT count(*), sum(octet_length(payload::text)) AS bytes FROM hostaway.webhook_events "
    "GROUP BY xmin::text ORDER BY 2 DESC"
)


def test_one_commit_holds_at_most_8_mib(receiver: Receiver, database_url: str) -> None:
    large = "x" * 900_000
    bodies = [delivery(reservation(number, guestNote=large)) for number in range(2, 22)]
    with ThreadPoolExecutor(21) as pool:
        with held_back(database_url, 1):
            answers = [pool.submit(receiver.deliver, delivery(reservation(1)))]
            writer = receiver.components.writer
            wait_until(lambda: writer._committing and not writer._waiting)
            answers += [pool.submit(receiver.deliver, body) for body in bodies]
            wait_until(lambda: len(writer._waiting) == len(bodies))
        assert {answer.result(60).status_code for answer in answers} == {200}
    commits = rows(database_url, BY_COMMIT)
    assert sum(commit["count"] for commit in commits) == 21
    assert commits[0]["bytes"] <= MOST_BYTES
    assert commits[0]["count"] > 1, "nothing was committed together: this test says nothing"
