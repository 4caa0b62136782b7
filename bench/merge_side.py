"""One side of bench/merge_ab.py: merges rows as it is told, with the package that PYTHONPATH names.

It is a script of its own, and uses only what both revisions have.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate

PAGE, ROWS = 500, 3_000
# The kinds of rows, with their first ids: without finance lines, with lines that stay, with lines that all change.
FIRST = {"plain": 1, "lines": 1_000_001, "moved": 2_000_001}
# Keys that Hostaway documents, since unknown ones would be counted.
KEYS = """
    airbnbCancellationPolicy airbnbExpectedPayoutAmount airbnbListingBasePrice airbnbListingCleaningFee assigneeUserId
    airbnbListingHostFee airbnbTotalPaidAmount bookingCancellationPolicy bookingcomBookerCompany bookingcomBookerName
    bookingcomIsGeniusMember bookingcomSmokingPreference cancellationPolicy channelReservationId claimStatus comment
    confirmationCode customerUserId externalPropertyId externalRatePlanId externalUnitId guestAddress guestCity
    guestFirstName guestLastName guestLocale guestNote guestWork guestZipCode hostNote insurancePolicyId insuranceStatus
    manualIcalId manualIcalName marriottCancellationPolicy originalChannel paymentMethod rentalAgreementFileUrl
"""
FILLER = {key: random.Random(key).randbytes(9).hex() for key in KEYS.split()}
LINES = (
    ("baseRate", "accomodation", 1),
    ("cleaningFee", "fee", 1),
    ("weeklyDiscount", "discount", 1),
    ("vat", "tax", 1),
    ("hostChannelFee", "commissions", 0),
)


def payload(kind: str, number: int, version: int) -> dict[str, Any]:
    """A reservation of 1.5 KB; with lines and a guest's identifiers, of 2.8 KB."""
    made: dict[str, Any] = {
        "id": number,
        "listingMapId": number % 50,
        "channelId": 2000,
        "channelName": "direct",
        "reservationId": f"{number}-2000",
        "status": "new",
        "guestName": f"Guest {number}",
        "arrivalDate": "2026-07-01",
        "departureDate": "2026-07-04",
        "nights": 3,
        "totalPrice": 100 + number / 100,
        "currency": "EUR",
        "updatedOn": f"2026-06-01 10:{version // 60:02}:{version % 60:02}",
        **FILLER,
        "hostNote": f"Version {version}",
        "financeField": [],
    }
    if kind != "plain":
        of_lines = version if kind == "moved" else 0
        made |= {"guestEmail": f"guest{number}@example.com", "phone": f"+4930{number:07}"}
        made["financeField"] = [line(number, place, of_lines) for place in range(len(LINES))]
    return made


def line(number: int, place: int, version: int) -> dict[str, Any]:
    name, kind, included = LINES[place]
    return {
        "id": number * 10 + place,
        "units": 1,
        "listingFeeSettingId": None,
        "type": kind,
        "name": name,
        "title": name,
        "alias": None,
        "value": 100 + version,
        "isIncludedInTotalPrice": included,
        "isOverriddenByUser": 0,
        "isMandatory": None,
        "isQuantitySelectable": 0,
        "isDeleted": 0,
        "quantity": None,
        "total": 100 + version + number / 100,
    }


def pages(kind: str, version: int) -> Iterator[list[Row]]:
    first, read_at = FIRST[kind], datetime.now(UTC)
    for start in range(first, first + ROWS, PAGE):
        made = (RESERVATIONS.row(payload(kind, number, version), read_at) for number in range(start, start + PAGE))
        yield [row for row in made if row is not None]


def merged(writer: PullWriter, kind: str, version: int) -> float:
    """Seconds spent in the merge alone."""
    spent = 0.0
    for page in pages(kind, version):
        began = time.perf_counter()
        writer.merge(RESERVATIONS, page)
        spent += time.perf_counter() - began
    return spent


def main() -> None:
    """Reads lines such as `lines 3`: merge that version of the rows; answers each with the seconds."""
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("hostaway")
        database = Database(server.url("hostaway"))
        migrate(database)
        with database.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO hostaway.accounts (account_id) VALUES (1)")
        writer = PullWriter(database, Owner(1, UUID(int=1)))
        for command in sys.stdin:
            kind, version = command.split()
            seconds = merged(writer, kind, int(version))
            with database.dedicated() as connection:  # the server would do it by itself, but in a later round
                connection.exec_driver_sql("VACUUM ANALYZE hostaway.reservations")
            print(seconds, flush=True)
        database.dispose()


if __name__ == "__main__":
    main()
