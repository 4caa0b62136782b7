"""The generated objects are deterministic and have every oddity of real accounts."""

import json
from collections import Counter

import pytest

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig, parse_accounts, secret_for
from hostaway_pipeline.sandbox.world.world import World


def world(*specs: str, **options) -> World:
    return World(SandboxConfig(accounts=[SandboxAccount.parse(spec) for spec in specs], **options))


@pytest.fixture(scope="module")
def account():
    return world("59808:12:787").account(59808)


@pytest.fixture(scope="module")
def reservations(account):
    return list(account.truth("reservations"))


@pytest.fixture(scope="module")
def messages(account):
    return list(account.truth("messages"))


def test_a_spec_is_id_listings_reservations():
    assert SandboxAccount.parse("59808:7:787") == SandboxAccount(59808, 7, 787, secret_for(59808))


@pytest.mark.parametrize("spec", ["", "1:2", "a:1:2", "1:2:-3", "1:2:3:4"])
def test_an_invalid_spec_is_an_error_that_names_it(spec):
    with pytest.raises(ValueError, match="account spec"):
        SandboxAccount.parse(spec)


def test_a_spec_may_name_a_range_of_accounts():
    assert parse_accounts("59808:7:787") == [SandboxAccount(59808, 7, 787)]
    assert parse_accounts("1-3:2:10") == [SandboxAccount(account_id, 2, 10) for account_id in (1, 2, 3)]


@pytest.mark.parametrize("spec", ["3-1:2:10", "1-:2:10", "-3:2:10", "1-3", "a-b:2:10"])
def test_an_invalid_range_is_an_error_that_names_it(spec):
    with pytest.raises(ValueError, match=spec):
        parse_accounts(spec)


def test_a_secret_is_not_in_the_repr():
    assert "sandbox-secret" not in repr(SandboxAccount(1))


@pytest.mark.parametrize("kind", ["listings", "reservations", "conversations", "messages"])
def test_the_same_seed_and_spec_give_the_same_objects(kind):
    one, two = (world("7:3:50").account(7) for _ in range(2))
    assert list(one.truth(kind)) == list(two.truth(kind))


def test_another_seed_gives_other_objects():
    one, two = (world("7:3:50", seed=seed).account(7) for seed in (1, 2))
    assert list(one.truth("reservations")) != list(two.truth("reservations"))


@pytest.mark.parametrize("kind", ["listings", "reservations", "conversations", "messages"])
def test_two_accounts_share_ids(kind):
    accounts = world("7:3:50", "8:3:50").accounts.values()
    one, two = ({row["id"] for row in account.truth(kind)} for account in accounts)
    assert one & two


def test_id_offset_separates_ids():
    assert min(world("7:3:50", id_offset=10**6).account(7).reservations) > max(
        key for key in world("7:3:50").account(7).reservations if key < 2**32
    )


@pytest.mark.parametrize("reservations", [0, 1, 2, 5, 10, 100, 787, 3000])
def test_conversations_are_slightly_fewer_than_reservations(reservations):
    made = len(world(f"1:2:{reservations}").account(1).conversations)
    assert 0.985 * reservations <= made <= reservations


def test_the_measured_account_has_at_most_786_conversations():
    assert 776 <= len(world("59808:7:787").account(59808).conversations) <= 786


def test_an_account_may_be_empty():
    assert not list(world("1:0:0").account(1).truth("reservations"))


def test_listing_has_about_a_hundred_keys(account):
    assert len(next(account.truth("listings"))) >= 100


def test_some_listings_are_archived(account):
    assert {row["specialStatus"] for row in account.truth("listings")} == {None, "archived"}


def test_listing_secrets_are_recognisable(account):
    listing = next(account.truth("listings"))
    assert (listing["wifiPassword"][:5], listing["doorSecurityCode"][:5]) == ("wifi-", "door-")


def test_reservation_secrets_are_recognisable(reservations):
    row = reservations[1]
    assert (row["ccNumber"][:12], row["doorCode"][:3], row["guestAuthHash"][:4]) == ("411111111111", "DC-", "gah-")


def test_all_sixteen_statuses_occur(reservations):
    assert len({row["status"] for row in reservations}) == 16


def test_61_percent_have_no_guest_name(reservations):
    assert sum(row["guestName"] is None for row in reservations) / len(reservations) == pytest.approx(0.61, abs=0.01)


def test_prices_may_be_null_and_nights_zero(reservations):
    assert {None, 0} <= {row["totalPrice"] for row in reservations} | {row["nights"] for row in reservations}


def test_hostaway_reservation_id_is_a_string_or_an_integer(reservations):
    assert {type(row["hostawayReservationId"]) for row in reservations} == {str, int}


def test_some_reservations_refer_to_an_unlisted_listing(account, reservations):
    assert {row["listingMapId"] for row in reservations} - set(account.listings)


def test_flags_are_numbers_booleans_or_null(reservations):
    assert {json.dumps(row["isPaid"]) for row in reservations} == {"0", "1", "true", "false", "null"}


def test_reservations_weigh_between_1500_and_6600_bytes(reservations):
    """Up to nine finance lines make up half of it; Hostaway's weigh about 6.6 kB."""
    weights = [len(json.dumps(row)) for row in reservations]
    assert 1500 <= min(weights) <= max(weights) <= 6600


def test_some_ids_need_more_than_32_bits(reservations):
    assert max(row["id"] for row in reservations) > 2**32


def test_ids_are_not_in_order_of_time(reservations):
    by_time = [row["id"] for row in sorted(reservations, key=lambda row: row["insertedOn"])]
    assert by_time != sorted(by_time)


def test_some_rows_share_their_updated_on(reservations):
    assert max(Counter(row["updatedOn"] for row in reservations).values()) > 1


def test_a_reservation_has_none_one_or_several_conversations(account):
    threads = Counter(thread.reservation_id for thread in account.conversations.values() if thread.reservation_id)
    assert {threads[key] for key in account.reservations} == {0, 1, 2, 3}


def test_an_enquiry_has_no_reservation(account):
    assert any(row["reservationId"] is None for row in account.truth("conversations"))


def test_a_conversation_without_messages_has_no_markers(account):
    empty = [thread for thread in account.conversations.values() if not thread.visible()]
    assert {(thread.sent_on, thread.received_on) for thread in empty} == {(None, None)}


def test_one_conversation_is_longer_than_a_page(account):
    assert max(len(thread.visible()) for thread in account.conversations.values()) > 100


def test_other_conversations_have_up_to_twelve_messages(account):
    lengths = sorted(len(thread.visible()) for thread in account.conversations.values())
    assert (lengths[0], lengths[-2]) == (0, 12)


def test_markers_are_the_newest_sent_message_of_each_direction(account):
    for thread in account.conversations.values():
        outgoing, incoming = (
            max((m.date for m in thread.visible() if m.is_incoming == direction), default=None)
            for direction in (False, True)
        )
        assert (thread.sent_on, thread.received_on) == (outgoing, incoming)


def test_text_comes_in_many_scripts(messages):
    text = "".join(message["body"] for message in messages)
    assert all(sample in text for sample in ("\u200d", "שלום", "مرحبا", "e\u0301", "'; DROP"))


def test_text_holds_no_nul_and_no_lone_surrogate(messages):
    text = "".join(message["body"] for message in messages)
    assert "\x00" not in text
    assert text.encode()


def test_some_texts_are_long(messages):
    assert max(len(message["body"]) for message in messages) > 2000


def test_truth_has_no_signatures(messages):
    urls = [file["url"] for message in messages for file in message["attachments"]]
    assert urls
    assert not any("?" in url for url in urls)
