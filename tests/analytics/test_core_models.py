"""What core, pii and marts promise: contracts, descriptions, nothing personal, and sense made of odd sources."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models
from tests.factories import rows

PERSONAL = re.compile(r"(^|_)(guest_name|email|phone|body|first_name|last_name|address|payload)($|_)")
ODD = 7000


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str], target: Path) -> Iterator[Accounts]:
    with opened(new_database(), "59808:6:60", seed=11) as found:
        found.sync(59808)
        models = Models(found.url, target)
        models.execute(ODD_ROWS)
        models.build()
        yield found


# Listing 1 has an invalid zone; 2 was archived before anybody saw it, and nothing tells when.
ODD_ROWS = f"""
    INSERT INTO hostaway.accounts (account_id, name, is_active) VALUES ({ODD}, 'removed', false);
    INSERT INTO hostaway.listings (account_id, id, customer_id, raw_payload, content_hash, time_zone, inserted_at,
                                   special_status, unit_listing_ids)
    SELECT {ODD}, id, gen_random_uuid(), '{{}}', '', zone, at::timestamptz, status, units::bigint[]
    FROM (VALUES (1, 'Mars/Olympus', '2026-01-01 23:30+00', NULL, '{{3}}'),
                 (2, NULL, '2026-01-01 23:30+00', 'archived', NULL),
                 (3, 'Europe/Berlin', '2026-01-01 23:30+00', NULL, NULL)) AS l (id, zone, at, status, units);
    INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash, listing_id, status,
        arrival_date, departure_date, is_dates_unspecified, total_price, reserved_at, channel_name, deleted_at)
    SELECT {ODD}, id, gen_random_uuid(), '{{}}', '', listing, status, arrival::date, departure::date, open, total,
           '2026-03-01 23:30+00'::timestamptz, 'Some Channel', CASE WHEN id = 6 THEN now() END
    FROM (VALUES (1, 1, 'brandNew', '2026-03-05', '2026-03-07', NULL, 10),
                 (2, 1, NULL, '2026-03-05', '2026-03-07', NULL, 10),
                 (3, 3, 'new', NULL, '2026-03-07', NULL, 10),
                 (4, 3, 'new', '2026-03-05', '2026-03-07', true, 10),
                 (5, 99, 'new', '2026-03-07', '2026-03-05', NULL, 0),
                 (6, 3, 'new', '2026-03-05', '2026-03-07', NULL, 10),
                 (7, 3, 'inquiryFromMars', '2026-03-05', '2026-03-07', NULL, NULL))
         AS r (id, listing, status, arrival, departure, open, total);
    UPDATE hostaway.reservations SET finance_read_at = now() WHERE account_id = {ODD} AND id IN (3, 5, 7);
    INSERT INTO hostaway.reservation_finance_lines (account_id, reservation_id, line_no, name, type, total, is_included,
                                                    is_deleted)
    VALUES ({ODD}, 3, 1, 'baseRate', 'accomodation', 100, NULL, NULL),
           ({ODD}, 3, 2, 'weeklyDiscount', 'price', -10, true, false),
           ({ODD}, 3, 3, 'cleaningFee', NULL, 7, true, false),
           ({ODD}, 3, 4, 'petFee', 'fee', 5, true, false),
           ({ODD}, 3, 5, 'baseRate', 'accomodation', 999, true, true),
           ({ODD}, 3, 6, 'hostChannelFee', 'commissions', 15, false, false),
           ({ODD}, 4, 1, 'totalPriceFromChannel', 'totals', 10, true, false);
"""


def bookings(accounts: Accounts, *columns: str) -> dict[int, tuple[Any, ...]]:
    query = f"SELECT booking_id, {', '.join(columns)} FROM core.booking WHERE account_id = {ODD} ORDER BY 1"
    return {row.pop("booking_id"): tuple(row.values()) for row in rows(accounts.url, query)}


def test_a_tombstone_has_no_row_and_a_removed_account_keeps_its_rows(accounts):
    assert list(bookings(accounts, "state")) == [1, 2, 3, 4, 5, 7]


def test_unknown_statuses_and_open_or_missing_dates(accounts):
    assert bookings(accounts, "state", "nights", "channel") == {
        1: ("unknown", 2, "some channel"),
        2: ("unknown", 2, "some channel"),
        3: ("sold", None, "some channel"),
        4: ("sold", None, "some channel"),
        5: ("sold", -2, "some channel"),
        7: ("inquiry", 2, "some channel"),
    }
    taking = rows(accounts.url, f"SELECT booking_id FROM staging.int_taking_bookings WHERE account_id = {ODD}")
    assert taking == []


def test_days_are_those_of_the_zone_or_of_utc(accounts):
    found = bookings(accounts, "booked_on::text", "lead_days")
    assert found[1] == ("2026-03-01", 4)
    assert found[3] == ("2026-03-02", None)
    assert found[4] == ("2026-03-02", None)
    assert found[5] == ("2026-03-01", 6)


def test_rent_comes_from_lines_or_says_why_not(accounts):
    found = bookings(accounts, "rent", "rent_source", "fees", "commission", "commission_source", "payout")
    assert found[1] == (None, "missing", None, None, "none", 10)
    assert found[3] == (90, "finance_lines", 5, 15, "finance_lines", -5)
    assert found[4] == (None, "no_base_rate", None, None, "none", 10)
    assert found[5] == (None, "no_price", None, None, "none", 0)


def test_listed_days_of_odd_properties(accounts):
    query = f"""
        SELECT property_id, time_zone, listed_from::text, listed_to, listed_from_source, listed_to_source, units,
               parent_property_id
        FROM core.property WHERE account_id = {ODD} ORDER BY 1
    """
    assert [tuple(row.values()) for row in rows(accounts.url, query)] == [
        (1, None, "2026-01-01", None, "observed", None, 1, None),
        (2, None, None, None, None, None, 1, None),
        (3, "Europe/Berlin", "2026-01-02", None, "observed", None, 1, 1),
    ]


def test_nothing_personal_in_core_and_marts(accounts):
    """No column is named so, and no text of any row has a guest's name, address or number in it."""
    columns = rows(
        accounts.url,
        "SELECT table_schema || '.' || table_name AS name, column_name FROM information_schema.columns "
        "WHERE table_schema IN ('core', 'marts')",
    )
    assert len(columns) > 80
    assert [c for c in columns if PERSONAL.search(c["column_name"])] == []
    guests = rows(accounts.url, "SELECT name, email, phone FROM pii.guest_identity")
    secrets = {value for guest in guests for value in guest.values() if value and len(value) > 4}
    bodies = {row["body"] for row in rows(accounts.url, "SELECT body FROM pii.message_body WHERE length(body) > 9")}
    assert len(secrets) > 50
    assert len(bodies) > 20
    for table in sorted({c["name"] for c in columns}):
        text = "\n".join(row["row"] for row in rows(accounts.url, f"SELECT t::text AS row FROM {table} AS t"))
        assert [value for value in secrets | bodies if value in text] == [], table


@pytest.fixture(scope="module")
def nodes(accounts: Accounts, target: Path) -> list[dict[str, Any]]:
    manifest = Models(accounts.url, target).manifest()
    found = [n for n in manifest["nodes"].values() if n["resource_type"] in ("model", "seed")]
    return [*found, *manifest["sources"].values()]


def test_every_model_and_column_is_described(accounts, nodes):
    assert [n["name"] for n in nodes if not n["description"]] == []
    described = {n["name"]: n["columns"] for n in nodes if n["resource_type"] != "source"}
    assert [(name, c["name"]) for name, cs in described.items() for c in cs.values() if not c["description"]] == []
    columns = rows(
        accounts.url,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema IN ('staging', 'core', 'pii', 'marts')"
        " AND table_name NOT IN ('_changes', '_progress')",  # the build's own notes
    )
    missing = [c for c in columns if c["column_name"] not in described.get(c["table_name"], {})]
    assert missing == []


def test_core_pii_and_marts_have_enforced_contracts_and_primary_keys(accounts, nodes):
    models = [n for n in nodes if n["schema"] in ("core", "pii", "marts")]
    assert len(models) >= 7
    assert [n["name"] for n in models if not n["contract"]["enforced"]] == []
    keys = rows(
        accounts.url,
        "SELECT conrelid::regclass::text AS name FROM pg_constraint JOIN pg_namespace n ON n.oid = connamespace "
        "WHERE contype = 'p' AND nspname IN ('core', 'pii', 'marts')",
    )
    assert {k["name"] for k in keys} == {f"{n['schema']}.{n['name']}" for n in models}


def test_sources_point_at_the_assets_that_fill_them(nodes, accounts):
    keys = {
        n["name"]: n["config"]["meta"].get("dagster", {}).get("asset_key")
        for n in nodes
        if n["resource_type"] == "source"
    }
    assert keys["reservation_finance_lines"] == ["hostaway", "reservations"]
    assert keys["calendar_days"] == ["hostaway", "calendar"]
    assert {name for name, key in keys.items() if key is None} == {"accounts", "payload_findings"}
