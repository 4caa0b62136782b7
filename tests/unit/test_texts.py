"""What reads alike to a guest is one text, and what shows nothing is none."""

import html

import pytest

from hostaway_pipeline.domain.texts import is_blank, is_same_text

SENT = "Dear Zoë,\n\nB&B is at <12>.\nSee you & yours"


@pytest.mark.parametrize(
    "stored",
    [
        SENT,
        html.escape(SENT),
        html.escape(html.escape(SENT)),
        SENT.replace("\n", "\r\n"),
        SENT.replace("\n", "<br />\n"),
        html.escape(SENT).replace("\n", "<br>"),
        f"<p>{SENT}</p>",
        f"  {SENT}\n\n",
        SENT.replace("ë", "e\u0308"),
        SENT.replace(" ", "\u00a0"),
        f"\ufeff{SENT}",
        f"{SENT}\n-- \nSeaside Homes",
        f"{SENT}<br>--<br>Seaside Homes\n+49 30 1",
        f"{SENT}\n\n____\nSeaside Homes",
    ],
)
def test_what_hostaway_makes_of_a_text_reads_alike(stored: str) -> None:
    assert is_same_text(stored, SENT)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        SENT[:-1],
        SENT + "!",
        SENT.lower(),
        SENT.replace("&", "and"),
        f"{SENT}\nSeaside Homes",
        f"Re: {SENT}",
        SENT * 2,
    ],
)
def test_another_text_does_not(stored: str) -> None:
    assert not is_same_text(stored, SENT)


@pytest.mark.parametrize("text", ["AT&T&copy", "&amp;amp; as it is written", "a &lt; b", "-- \nonly this", "x\n--\ny"])
def test_entities_and_dashes_that_were_meant_are_recognised_too(text: str) -> None:
    assert is_same_text(text, text)
    assert is_same_text(html.escape(text), text)


def test_a_message_that_is_more_than_its_signature_is_not_taken_for_the_part_above_it() -> None:
    assert not is_same_text("a", "a\n--\nb")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t\r",
        "\u00a0",
        "\u200b\u200c\u200d\ufeff\u2060",
        "\u00ad",
        "\u2800",
        "\u3164\u115f",
        "\ufe0f \u034f",
    ],
)
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["x", ".", "\u200bx", "👍", "👨\u200d👩\u200d👧", "❤\ufe0f", "日", "\U0001fae8", "́a"])
def test_what_shows_anything_is_not(text: str) -> None:
    assert not is_blank(text)
