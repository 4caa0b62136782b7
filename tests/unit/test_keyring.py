"""Secrets at rest: bound to their place, told from plain text, and never shown in an error."""

import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.errors import KeyringError
from hostaway_pipeline.security.keyring import KEY_BYTES, Keyring, Place, generate_key, stored_key_id

PLACE = Place("accounts", "client_secret", 59808)
SECRET = "8b13f4c2e0d94f6aa7"


@pytest.fixture(scope="module")
def keyring() -> Keyring:
    return Keyring.parse(f"k1:{generate_key()}")


def refusal(text: str) -> str:
    """The message of the error and all that a traceback would print of it."""
    with pytest.raises(KeyringError) as caught:
        Keyring.parse(text)
    return "".join(traceback.format_exception(caught.value))


def altered(stored: str, position: int) -> str:
    head, body = stored.rsplit(":", 1)
    sealed = bytearray(base64.b64decode(body))
    sealed[position] ^= 1
    return f"{head}:{base64.b64encode(sealed).decode()}"


# There and back


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_encrypted_decrypts_at_its_place(plaintext):
    keyring = Keyring({"k1": b"k" * KEY_BYTES})
    assert keyring.decrypt(keyring.encrypt(plaintext, PLACE), PLACE) == plaintext


def test_the_stored_value_does_not_hold_the_secret(keyring):
    stored = keyring.encrypt(SECRET, PLACE)
    assert SECRET.encode() not in base64.b64decode(stored.rsplit(":", 1)[1])


def test_the_same_secret_is_stored_differently_each_time(keyring):
    """Or equal secrets of two accounts would show; and a nonce must never be used twice."""
    assert keyring.encrypt(SECRET, PLACE) != keyring.encrypt(SECRET, PLACE)


def test_the_stored_value_names_its_format_and_its_key(keyring):
    assert keyring.encrypt(SECRET, PLACE).startswith("v1:k1:")


# Bound to its place


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("webhooks", "client_secret", 59808),
        Place("accounts", "access_token", 59808),
        Place("accounts", "client_secret", 59809),
        Place("accounts", "client_secret"),
    ],
    ids=["table", "column", "account", "no account"],
)
def test_a_value_copied_to_another_place_does_not_decrypt(keyring, elsewhere):
    """Who can write to the table must not be able to send one account's secret as another's."""
    with pytest.raises(KeyringError):
        keyring.decrypt(keyring.encrypt(SECRET, PLACE), elsewhere)


# Wrong key, altered value


def test_another_key_of_the_same_id_does_not_decrypt(keyring):
    other = Keyring.parse(f"k1:{generate_key()}")
    with pytest.raises(KeyringError, match=r"accounts\.client_secret of account 59808 does not decrypt with key 'k1'"):
        other.decrypt(keyring.encrypt(SECRET, PLACE), PLACE)


@pytest.mark.parametrize("position", [0, 11, 12, -17, -16, -1], ids=str)
def test_a_value_altered_in_any_part_does_not_decrypt(keyring, position):
    """Nonce, ciphertext and tag."""
    with pytest.raises(KeyringError, match="altered"):
        keyring.decrypt(altered(keyring.encrypt(SECRET, PLACE), position), PLACE)


def test_a_key_that_is_not_here_is_named():
    stored = Keyring.parse(f"old:{generate_key()}").encrypt(SECRET, PLACE)
    with pytest.raises(KeyringError, match="needs key 'old'"):
        Keyring.parse(f"new:{generate_key()}").decrypt(stored, PLACE)


def test_a_place_without_an_account_is_named_without_one(keyring):
    with pytest.raises(KeyringError, match=r"^settings\.token is stored in clear"):
        keyring.decrypt("plain", Place("settings", "token"))


def test_an_error_shows_neither_the_value_nor_its_ciphertext(keyring):
    stored = keyring.encrypt(SECRET, PLACE)
    with pytest.raises(KeyringError) as caught:
        keyring.decrypt(altered(stored, -1), PLACE)
    shown = "".join(traceback.format_exception(caught.value)).split("Error: ")[-1]
    assert SECRET not in shown
    assert stored.rsplit(":", 1)[1][:20] not in shown


# Plain text


@pytest.mark.parametrize(
    "plain", ["", SECRET, "v1:", "v1:k1:", "v1:k1:short", "v2:k1:" + "A" * 40, "v1:k 1:" + "A" * 40]
)
def test_plain_text_is_told_from_ciphertext(plain):
    assert stored_key_id(plain) is None


def test_plain_text_is_not_handed_out_as_if_it_had_been_decrypted(keyring):
    with pytest.raises(KeyringError, match="stored in clear: run `hostaway keys rotate`"):
        keyring.decrypt(SECRET, PLACE)


def test_an_error_about_plain_text_does_not_quote_it(keyring):
    with pytest.raises(KeyringError) as caught:
        keyring.decrypt(SECRET, PLACE)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("plaintext", ["", "x", SECRET * 100])
def test_ciphertext_names_its_key_whatever_its_length(keyring, plaintext):
    assert stored_key_id(keyring.encrypt(plaintext, PLACE)) == "k1"


# Several keys


def test_the_first_key_encrypts():
    keyring = Keyring.parse(f"new:{generate_key()},old:{generate_key()}")
    assert (keyring.active_id, stored_key_id(keyring.encrypt(SECRET, PLACE))) == ("new", "new")


def test_the_other_keys_still_decrypt():
    """So that keys can be rotated while everything runs."""
    old = f"old:{generate_key()}"
    stored = Keyring.parse(old).encrypt(SECRET, PLACE)
    assert Keyring.parse(f"new:{generate_key()},{old}").decrypt(stored, PLACE) == SECRET


def test_ids_are_in_the_order_given():
    assert Keyring.parse(f"b:{generate_key()}, a:{generate_key()},").ids == ("b", "a")


# Parsing


def test_a_generated_key_has_256_bits():
    assert len(base64.urlsafe_b64decode(generate_key())) == 32


def test_no_two_generated_keys_are_equal():
    assert generate_key() != generate_key()


def test_both_alphabets_of_base64_are_read():
    """`openssl rand -base64 32` writes + and /, ours writes - and _."""
    raw = bytes(range(224, 256))
    stored = Keyring.parse(f"k1:{base64.urlsafe_b64encode(raw).decode()}").encrypt(SECRET, PLACE)
    assert Keyring.parse(f"k1:{base64.b64encode(raw).decode()}").decrypt(stored, PLACE) == SECRET


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_no_key_at_all_says_how_to_make_one(text):
    assert "hostaway keys generate" in refusal(text)


def test_an_empty_mapping_is_no_keyring():
    with pytest.raises(KeyringError, match="no key given"):
        Keyring({})


@pytest.mark.parametrize(
    "entry", [generate_key(), f":{generate_key()}", f"k 1:{generate_key()}"], ids=["key", "no id", "blank"]
)
def test_an_entry_that_is_not_id_and_key_is_named_by_its_position(entry):
    """By position, since a key without an id would be the key itself."""
    said = refusal(f"k0:{generate_key()},{entry}")
    assert "entry 2 is not of the form id:key" in said
    assert entry not in said


@pytest.mark.parametrize(
    "key",
    ["", "short", generate_key()[:-4], generate_key() + "AAAA", generate_key().rstrip("="), "%" * 44],
    ids=["empty", "short", "a little short", "long", "unpadded", "not base64"],
)
def test_a_malformed_key_is_named_by_its_id_and_never_shown(key):
    said = refusal(f"k1:{key}")
    assert "key 'k1' is not base64 of 32 bytes" in said
    assert not key or key not in said


def test_a_key_with_letters_beyond_ascii_is_malformed_like_any_other():
    assert "key 'k1'" in refusal("k1:" + "ключ" * 11)


def test_an_id_that_is_given_twice_is_named():
    """Which of the two would decrypt? Better not to start."""
    first, second = generate_key(), generate_key()
    said = refusal(f"k1:{first},k1:{second}")
    assert "key id 'k1' is given twice" in said
    assert first not in said
    assert second not in said


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:.200}".format])
def test_a_keyring_shows_ids_and_no_key(show):
    key = generate_key()
    shown = show(Keyring.parse(f"k1:{key}"))
    assert "k1" in shown
    assert key not in shown
    assert repr(base64.urlsafe_b64decode(key)) not in shown


# The canary


def test_the_canary_knows_its_key(keyring):
    keyring.check_canary("k1", keyring.canary("k1"))


def test_every_key_has_a_canary_of_its_own():
    keyring = Keyring.parse(f"new:{generate_key()},old:{generate_key()}")
    assert stored_key_id(keyring.canary("old")) == "old"


def test_the_canary_tells_a_wrong_key(keyring):
    """A typing error in the environment must stop the start, not the first sync at night."""
    with pytest.raises(KeyringError, match="key 'k1' is not the key that the stored secrets were encrypted with"):
        Keyring.parse(f"k1:{generate_key()}").check_canary("k1", keyring.canary("k1"))


def test_the_canary_of_another_id_is_no_proof():
    keyring = Keyring.parse(f"a:{generate_key()},b:{generate_key()}")
    with pytest.raises(KeyringError):
        keyring.check_canary("a", keyring.canary("b"))


def test_a_canary_in_clear_is_no_proof(keyring):
    with pytest.raises(KeyringError):
        keyring.check_canary("k1", "canary")
