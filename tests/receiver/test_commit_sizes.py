"""The size of one commit: a jsonb value beyond what Postgres can hold would fail every delivery in it."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.factories import reservation, rows
from tests.receiver.steps import Receiver, delivery, held_back

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
            time.sleep(0.1)
            answers += [pool.submit(receiver.deliver, body) for body in bodies]
            time.sleep(0.8)  # shorter than the lock timeout, also on a busy machine
        assert {answer.result(30).status_code for answer in answers} == {200}
    commits = rows(database_url, BY_COMMIT)
    assert sum(commit["count"] for commit in commits) == 21
    assert commits[0]["bytes"] <= MOST_BYTES
    assert commits[0]["count"] > 1, "nothing was committed together: this test says nothing"
