"""The portfolio report on built marts: its figures are those of the marts, and it needs and tells nothing else."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hostaway_pipeline.cli.demo import ACCOUNT_ID
from hostaway_pipeline.errors import AccountError, ModelsMissing
from hostaway_pipeline.report.page import render
from hostaway_pipeline.report.period import month_name, months_of, period_of, shifted
from hostaway_pipeline.report.rules import RULES
from hostaway_pipeline.report.sections import labels_of, sections_of
from hostaway_pipeline.report.texts import age, minutes, money, percent
from hostaway_pipeline.report.write import Report, small_picture, write_report
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.portfolio import read_figures
from hostaway_pipeline.wiring import services_on
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import PROJECT, Models
from tests.analytics.pages import Page, Table, values_of
from tests.browser import CHROMIUM, Browser, browsing
from tests.factories import make_settings

TODAY = datetime.now(UTC).date()
PERIOD = period_of(TODAY)
IN_PERIOD = f"account_id = {ACCOUNT_ID} AND month BETWEEN '{PERIOD.first}' AND '{PERIOD.last}'"
OTHER = 2
HOSTILE = "</script><script>alert(1)</script> & \"Sea\" 'view' <img src=x onerror=alert(1)> {{ 7 * 7 }}"
# A home that was sold twice last month.
_ODD = f"""
UPDATE marts.kpi_listing_month
SET sold_nights = listed_nights + 2, occupancy = (listed_nights + 2)::numeric / listed_nights
WHERE month = '{PERIOD.last_month}' AND (account_id, property_id) IN (
    SELECT account_id, min(property_id) FROM marts.kpi_listing_month
    WHERE account_id = {ACCOUNT_ID} AND month = '{PERIOD.last_month}' GROUP BY account_id
);
"""


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str], target: Path) -> Iterator[Accounts]:
    """The demo's account, one of whose homes has a hostile name, and a small one."""
    url = new_database()
    with opened(url, f"{ACCOUNT_ID}:7:787", f"{OTHER}:2:20", seed=7, today=TODAY) as accounts:
        account = accounts.all[ACCOUNT_ID]
        first, second, *_ = account.listings
        for listing in (first, second):
            account.update_listing(listing, internalListingName=HOSTILE)
        for account_id in accounts.all:
            accounts.sync(account_id)
        Models(url, target).build()
        Models(url, target).execute(_ODD)
        yield accounts


@pytest.fixture(scope="module")
def models(accounts: Accounts, target: Path) -> Models:
    return Models(accounts.url, target)


@pytest.fixture(scope="module")
def services(accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = make_settings(accounts.url, "http://127.0.0.1:1/v1", home=tmp_path_factory.mktemp("home"))
    services = services_on(settings, accounts.url)
    yield services
    services.close()


@pytest.fixture(scope="module")
def report(services: Services) -> Report:
    """Of the demo's account. The first page of a process takes longest: it makes the library that draws."""
    began = time.process_time()
    report = write_report(services, ACCOUNT_ID, today=TODAY)
    assert time.process_time() - began < 10
    return report


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return report.path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def table(page: Page, section: str, place: int = 0) -> Table:
    return page.tables[section][place]


def test_occupancy_is_that_of_the_marts(page, report, models):
    found = {}
    labels = labels_of(report.figures.rows)
    for row in table(page, "occupancy").records():
        name = row.pop("Listing")
        found |= {(name, month): shown for month, shown in row.items() if shown}
    stored = models.records(
        f"SELECT property_id, month, occupancy FROM marts.kpi_listing_month WHERE {IN_PERIOD} AND occupancy IS NOT NULL"
    )
    expected = {
        (labels[row["property_id"]], month_name(row["month"])): percent(min(row["occupancy"], 1))
        + (" (overbooked)" if row["occupancy"] > 1 else "")
        for row in stored
    }
    total = models.records(f"SELECT month, occupancy FROM marts.kpi_account_month WHERE {IN_PERIOD}")
    expected |= {
        ("All together", month_name(row["month"])): percent(row["occupancy"])
        for row in total
        if row["occupancy"] is not None
    }
    assert found == expected
    assert len(expected) > 150


def test_no_month_is_fuller_than_full(page, text):
    assert [found for found in re.findall(r"(\d+) %", text) if int(found) > 100] == []
    assert max(row["occupancy"] for row in values_of(page.charts["occupancy"]) if "occupancy" in row) == 1
    assert "100 % (overbooked)" in text


def test_it_is_blank_before_a_listing_existed(page, report, models):
    (late,) = models.records(
        f"SELECT property_id, listed_from FROM core.property WHERE account_id = {ACCOUNT_ID}"
        " ORDER BY listed_from DESC LIMIT 1"
    )
    label = labels_of(report.figures.rows)[late["property_id"]]
    (row,) = [row for row in table(page, "occupancy").records() if row["Listing"] == label]
    unlisted = [month for month in months_of(report.period) if month < late["listed_from"].replace(day=1)]
    assert len(unlisted) > 3
    assert {row[month_name(month)] for month in unlisted} == {""}
    drawn = {cell["month"] for cell in values_of(page.charts["occupancy"]) if cell.get("row") == label}
    assert drawn.isdisjoint(map(month_name, unlisted))
    assert drawn


def test_rates_are_those_of_the_marts(page, models):
    stored = models.records(f"SELECT * FROM marts.kpi_account_month_money WHERE {IN_PERIOD}")
    expected = {
        (month_name(row["month"]), row["currency"]): (money(row["rent"]), money(row["adr"]), money(row["revpar"]))
        for row in stored
    }
    found = table(page, "rates").records()
    assert {(row["Month"], row["Currency"]): (row["Rent"], row["ADR"], row["RevPAR"]) for row in found} == expected
    assert {currency for _, currency in expected} == {"JPY", "KWD", "USD"}
    drawn = {
        (row["month"], row["currency"], row["rate"]): row["amount"]
        for row in values_of(page.charts["rates"])
        if "rate" in row
    }
    assert drawn == {
        (month_name(row["month"]), row["currency"], name): None if row[key] is None else pytest.approx(float(row[key]))
        for row in stored
        for key, name in (("adr", "ADR"), ("revpar", "RevPAR"))
    }


def test_channels_are_those_of_the_marts(page, models):
    stored = models.rows(
        "SELECT d.label, currency, sum(sold_nights), sum(rent), sum(commission), sum(net)"
        f" FROM marts.kpi_channel_month JOIN marts.dim_channel AS d USING (channel) WHERE account_id = {ACCOUNT_ID}"
        f" AND month >= '{shifted(PERIOD.this_month, -12)}' AND month < '{PERIOD.this_month}' GROUP BY 1, 2"
    )
    expected = {(row[0], row[1], f"{row[2]:,}", money(row[3]), money(row[4]), money(row[5])) for row in stored}
    assert {tuple(row) for row in table(page, "channels", 1).rows[1:]} == expected
    nights = models.rows(f"SELECT sum(sold_nights) FROM marts.kpi_channel_month WHERE {IN_PERIOD}")
    shown = sum(int(cell.replace(",", "")) for row in table(page, "channels").rows[1:] for cell in row[1:])
    assert (shown,) == nights[0]


def test_stays_and_answers_are_those_of_the_marts(report, models):
    stored = models.records(
        f"SELECT * FROM marts.kpi_account_month WHERE {IN_PERIOD} AND month <= '{PERIOD.this_month}' ORDER BY month"
    )
    stays = [
        (row["month"], row["stays"], row["nights_median"], row["lead_median"], row["nights_mean"], row["lead_mean"])
        for row in report.figures.stays
    ]
    names = ("month", "stays", "stay_length_median", "lead_time_median", "stay_length_mean", "lead_time_mean")
    assert stays == [tuple(row[name] for name in names) for row in stored if row["stays"]]
    answers = [
        (row["month"], row["asked"], row["asked"] - row["open"], row["minutes_median"])
        for row in report.figures.responses
    ]
    names = ("month", "guest_runs", "answered_runs", "response_minutes_median")
    assert answers == [tuple(row[name] for name in names) for row in stored if row["guest_runs"]]
    within = {row["month"]: row["within_24h"] for row in report.figures.responses}
    assert all(
        within[row["month"]] is None or round(within[row["month"]], 10) == round(row["airbnb_response_rate"], 10)
        for row in stored
        if row["guest_runs"]
    )
    assert len(stays) > 6


def test_the_data_quality_is_that_of_the_mart_and_every_rule_is_explained(page, models):
    stored = models.rows(
        f"SELECT rule, rows_affected::text FROM marts.mart_data_quality WHERE account_id = {ACCOUNT_ID}"
    )
    found = table(page, "quality").records()
    assert {(row["Rule"], row["Rows"].replace(",", "")) for row in found} == set(stored)
    assert all(row["What it means"] for row in found)
    mart = (PROJECT / "models" / "marts" / "mart_data_quality.sql").read_text(encoding="utf-8")
    assert set(RULES) == set(re.findall(r"finding\('(\w+)'", mart))


def test_the_pace_is_what_was_on_the_books(page, models):
    """Until today; the year before goes on to the end of its month."""
    found = [
        (row["Month"], row["Year"], int(row["Days before"]), int(row["Nights"]))
        for row in table(page, "pace").records()
    ]
    stored = models.rows(
        "SELECT m::date, d, y, (SELECT coalesce(sum(nights), 0)::bigint FROM marts.kpi_pace AS k"
        f" WHERE account_id = {ACCOUNT_ID} AND k.month = m - make_interval(years => y)"
        " AND k.month - d BETWEEN as_of AND coalesce(as_of_to, 'infinity'))"
        f" FROM generate_series(1, 3) AS ahead, make_interval(months => ahead) AS later,"
        f" LATERAL (SELECT (date '{PERIOD.this_month}' + later)::date AS m) AS stay,"
        " generate_series(180, -30, -3) AS d, generate_series(0, 1) AS y"
        f" WHERE (m - make_interval(years => y))::date - d <= date '{TODAY}' ORDER BY m, y, d DESC"
    )
    names = ("this year", "a year earlier")
    assert found == [(month_name(month), names[year], days, nights) for month, days, year, nights in stored]
    coming = shifted(PERIOD.this_month, 1)
    this_year = {row[2]: row[3] for row in found if row[:2] == (month_name(coming), "this year")}
    assert 0 <= min(this_year) - (coming - TODAY).days < 3, "it ends today"
    assert 0 < this_year[90] < this_year[min(this_year)]


def test_hostaways_own_reports_stand_beside_ours_and_the_reasons_add_up(page, models):
    stored = models.rows(
        "SELECT label, unit, sum(theirs), sum(ours) FROM marts.rec_totals JOIN marts.rec_reports USING (report)"
        f" WHERE account_id = {ACCOUNT_ID} AND month = '{PERIOD.last_month}' GROUP BY 1, 2"
    )
    totals = {(row["Report of Hostaway's"], row["Counted in"]): row for row in table(page, "reconciliation").records()}
    assert {key: (number(row["Theirs"]), number(row["Ours"])) for key, row in totals.items()} == {
        (label, unit): (theirs, ours) for label, unit, theirs, ours in stored
    }
    sums = dict.fromkeys(totals, Decimal(0))
    for row in table(page, "reconciliation", 1).records():
        sums[row["Report of Hostaway's"], row["Counted in"]] += number(row["Amount"])
    assert sums == {key: number(row["Difference"]) for key, row in totals.items()}
    assert any(sums.values())


def test_it_loads_nothing_and_links_nowhere(page, text):
    assert page.outside() == []
    assert {"link", "iframe", "object", "embed", "base", "form"}.isdisjoint(page.elements)
    assert "://" not in json.dumps(page.charts)
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")


def test_the_policy_lets_the_scripts_of_the_page_run_and_no_other(page):
    digests = {f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in page.scripts}
    (allowed,) = re.findall(r"script-src ([^;]*)", page.policy)
    assert set(allowed.split()) == digests
    assert len(digests) == 2


def test_it_is_small(report, text):
    assert len(text.encode()) < 1_300_000
    svg = small_picture(report)
    assert len(svg) < 60_000
    assert int(re.findall(r'<svg [^>]*width="(\d+)"', svg)[0]) <= 960


def test_it_is_small_with_as_many_rows_as_it_shows_and_endless_names(report):
    """Sixty listings, listed in every month, whose names are cut, not mixed up."""
    rows = [
        {
            "row_id": place,
            "label": "Sea view & garden " * 50,
            "month": month,
            "listed_nights": 31,
            "sold_nights": 17,
            "occupancy": Decimal("0.5483"),
        }
        for place in range(60)
        for month in months_of(PERIOD)
    ]
    figures = replace(report.figures, rows=rows)
    text = render("Report", "", [], [*sections_of(figures, PERIOD)])
    assert len(text.encode()) < 2_000_000
    assert len({row["Listing"] for row in table(Page(text), "occupancy").records()}) == 61


def test_a_hostile_name_is_a_name(page, text):
    """Two homes have it: the number tells them apart."""
    names = [row["Listing"] for row in table(page, "occupancy").records()]
    assert len([name for name in names if name.startswith(HOSTILE + " (")]) == 2
    assert len({*names}) == len(names)
    assert page.elements.count("script") == len(page.charts) + 2
    assert "img" not in page.elements
    assert "</script><script>alert" not in text
    assert HOSTILE in json.dumps(page.charts["occupancy"], ensure_ascii=False).replace('\\"', '"')


def test_every_chart_has_its_table(page):
    assert set(page.charts) == {"occupancy", "rates", "pace", "channels", "stays", "responses"}
    assert set(page.tables) == {*page.charts, "reconciliation", "quality", "freshness"}
    for tables in page.tables.values():
        for found in tables:
            assert found.caption
            assert len(found.rows) > 1
            assert len({len(row) for row in found.rows}) == 1


def test_no_guest_is_in_it(accounts, text):
    bookings = list(accounts.all[ACCOUNT_ID].truth("reservations"))
    names = {row[key] for row in bookings for key in ("guestName", "guestFirstName", "guestLastName") if row.get(key)}
    names |= {row["guestEmail"] for row in bookings if row["guestEmail"]}
    told = Page(text)
    shown = " ".join(
        [cell for tables in told.tables.values() for table in tables for row in table.rows for cell in row]
        + [json.dumps(told.charts, ensure_ascii=False)]
    )
    assert len(names) > 300
    assert [name for name in names if len(name) > 3 and re.search(rf"\b{re.escape(name)}\b", shown)] == []


def test_of_several_accounts_it_has_a_row_for_each_and_sums_over_sums(services, models):
    report = write_report(services, today=TODAY)
    assert report.path.name == "portfolio.html"
    page = Page(report.path.read_text(encoding="utf-8"))
    assert [row["Account"] for row in table(page, "occupancy").records()] == ["2", "59808", "All together"]
    ((share,),) = models.rows(
        "SELECT sum(sold_nights)::numeric / sum(listed_nights) FROM marts.kpi_account_month"
        f" WHERE month = '{PERIOD.last_month}'"
    )
    assert table(page, "occupancy").records()[-1][month_name(PERIOD.last_month)] == percent(share)
    assert {row["Account"] for row in table(page, "freshness").records()} == {"2", "59808"}
    assert {row["State"] for row in table(page, "freshness").records()} == {"active"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the report is not looked at in a browser")
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_draws_it_and_asks_nobody(browser, report, page, scheme):
    """Under the page's own policy. `HOSTAWAY_SCREENSHOTS` names a folder for what it saw."""
    browser.requests.clear()
    browser.open(report.path, scheme=scheme)
    assert browser.errors == []
    assert {urlsplit(url).scheme for url in browser.requests} <= {"file", "data", "blob"}
    assert browser.evaluate("document.querySelectorAll('.chart svg').length") == len(page.charts)
    cells = browser.evaluate("document.querySelectorAll('#chart-occupancy .mark-rect.role-mark path').length")
    assert cells == len([row for row in values_of(page.charts["occupancy"]) if "occupancy" in row])
    widest = "Math.max(...[...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().right))"
    assert browser.evaluate(widest) <= 1100
    colours = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg text')).fill]"
    )
    paper, ink = (brightness(colour) for colour in browser.evaluate(colours))
    assert abs(paper - ink) > 150
    assert (paper > ink) == (scheme == "light")
    if folder := os.environ.get("HOSTAWAY_SCREENSHOTS"):
        (Path(folder) / f"report-{scheme}.png").write_bytes(browser.screenshot(whole=True))


def brightness(colour: str) -> float:
    red, green, blue = map(int, re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue


def test_hovering_tells_the_figures_and_shows_a_hostile_name_as_text(browser, report):
    browser.open(report.path, scheme="light")
    browser.hover("#chart-occupancy .mark-rect.role-mark path")
    browser.wait_for("document.querySelector('#vg-tooltip-element.visible') !== null")
    told = browser.evaluate("document.querySelector('#vg-tooltip-element').innerText")
    assert HOSTILE in told
    assert re.search(r"Nights sold\s+\d+ of \d+", told)
    assert (
        browser.evaluate("document.querySelectorAll('#vg-tooltip-element img, #vg-tooltip-element script').length") == 0
    )
    browser.hover("#chart-rates .mark-symbol.role-mark path")
    browser.wait_for("/[0-9] [A-Z]{3}/.test(document.querySelector('#vg-tooltip-element').innerText)")


def test_it_is_black_on_white_on_paper_even_in_a_dark_scheme(browser, report):
    browser.open(report.path, scheme="dark")
    browser.emulate("dark", media="print")
    colours = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg text')).fill]"
    )
    assert browser.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    pages = base64.b64decode(browser.call("Page.printToPDF", printBackground=True)["data"])
    assert 2 <= pages.count(b"/Type /Page\n") + pages.count(b"/Type /Page ") <= 8


def test_an_unknown_account_is_refused(services):
    with pytest.raises(AccountError, match="account 3 is not known"):
        write_report(services, 3)
    assert not (services.settings.home / "reports" / "account-3.html").exists()


def test_the_command_writes_it_and_opens_it(services, tmp_path):
    """The browser is a script that notes what it is to open."""
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    script.chmod(0o700)
    settings = services.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOSTAWAY_")} | {
        "HOSTAWAY_DATABASE_URL": settings.database_url.get_secret_value(),
        "HOSTAWAY_EGRESS": "tests",
        "HOSTAWAY_HOME": str(tmp_path / "home"),
        "BROWSER": f"{script} %s",
    }
    command = [sys.executable, "-m", "hostaway_pipeline", "report", "--account", str(OTHER), "--open"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    page = tmp_path / "home" / "reports" / f"account-{OTHER}.html"
    assert done.stdout.startswith(f"{page} ")
    assert (tmp_path / "opened").read_text().strip() == page.as_uri()
    assert Page(page.read_text(encoding="utf-8")).tables["occupancy"]


def test_before_the_first_build(database):
    with pytest.raises(ModelsMissing, match="run `hostaway marts build`"):
        read_figures(database, PERIOD)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(None, ""), (25.378, "25.38"), (999, "999.00"), (22519.95, "22,520"), (-1286.7, "-1,287")],
)
def test_amounts_are_readable(amount, shown):
    assert money(amount) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(None, ""), (0.4, "0 min"), (89, "89 min"), (210, "3.5 h"), (2880, "2.0 days")]
)
def test_minutes_are_readable(number, shown):
    assert minutes(number) == shown


def test_an_account_that_was_never_read_says_so(report):
    assert age(None, report.figures.read_at) == "never"
