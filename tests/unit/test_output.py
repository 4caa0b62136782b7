"""What the command prints is printed as it is: names and messages may look like markup or an emoji's code."""

import pytest

from hostaway_pipeline.cli.output import complain, say, say_table

TEXT = "[red]:x:[/red] 12345"


def test_texts_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say(TEXT)
    complain(TEXT)
    say_table(TEXT, ["name"], [[TEXT]])
    found = capsys.readouterr()
    assert found.err == f"hostaway: {TEXT}\n"
    assert found.out.count(TEXT) == 3
