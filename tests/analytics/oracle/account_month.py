"""KPIs by account and month: sums over sums, never means of ratios."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from tests.analytics.oracle.bookings import Booking
from tests.analytics.oracle.facts import Facts, occupancies
from tests.analytics.oracle.responses import Run
from tests.analytics.oracle.supply import Day
from tests.analytics.oracle.values import mean, median, month_of, ratio

Table = dict[tuple[Any, ...], dict[str, Any]]


def account_month(facts: Facts, runs: list[Run]) -> Table:
    days: defaultdict[date, list[Day]] = defaultdict(list)
    stays, booked = defaultdict[date, list[Booking]](list), defaultdict[date, list[Booking]](list)
    asked: defaultdict[date, list[Run]] = defaultdict(list)
    for (_, on), day in facts.days.items():
        days[month_of(on)].append(day)
    for stay in facts.stays:
        if stay.arrival:
            stays[month_of(stay.arrival)].append(stay)
    for booking in facts.booked:
        if booking.booked_on:
            booked[month_of(booking.booked_on)].append(booking)
    for run in runs:
        asked[run.month].append(run)
    return {
        (facts.source.account_id, month): {
            **occupancies(days[month]),
            **_of_stays(stays[month]),
            **_of_bookings(booked[month]),
            **_of_runs(asked[month]),
        }
        for month in {*days, *stays, *booked, *asked}
    }


def _of_stays(stays: list[Booking]) -> dict[str, Any]:
    lengths = [stay.nights for stay in stays if stay.nights]
    leads = [(stay.arrival - stay.booked_on).days for stay in stays if stay.arrival and stay.booked_on]
    return {
        "stays": len(stays),
        "stay_length_mean": mean(lengths),
        "stay_length_median": median(lengths),
        "lead_time_mean": mean(leads),
        "lead_time_median": median(leads),
        "negative_lead_times": sum(lead < 0 for lead in leads),
    }


def _of_bookings(booked: list[Booking]) -> dict[str, Any]:
    cancellations = sum(booking.state == "cancelled" for booking in booked)
    return {
        "bookings_made": len(booked),
        "cancellations": cancellations,
        "cancellation_rate": ratio(cancellations, len(booked)),
    }


def _of_runs(runs: list[Run]) -> dict[str, Any]:
    minutes = [run.minutes for run in runs if run.minutes is not None]
    new = [run for run in runs if run.is_new_thread]
    in_time = sum(run.is_within_a_day for run in new)
    return {
        "guest_runs": len(runs),
        "answered_runs": len(minutes),
        "response_minutes_mean": mean(minutes),
        "response_minutes_median": median(minutes),
        "new_threads": len(new),
        "new_threads_within_24h": in_time,
        "airbnb_response_rate": ratio(in_time, len(new)),
    }


def account_month_money(facts: Facts, of_listings: Table) -> Table:
    """Sums over the listings' rows of a currency, and what cancelled bookings kept, by month of booking."""
    kept: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for booking in facts.cancelled:
        if booking.booked_on and booking.total_price and booking.total_price > 0:
            kept[month_of(booking.booked_on), booking.currency] += booking.total_price
    rows: defaultdict[tuple[date, str], list[dict[str, Any]]] = defaultdict(list)
    for (_, _, month, currency), row in of_listings.items():
        rows[month, currency].append(row)
    return {
        (facts.source.account_id, *key): _money_row(rows.get(key, []), kept.get(key, Decimal()))
        for key in {*rows, *kept}
    }


def _money_row(rows: list[dict[str, Any]], kept: Decimal) -> dict[str, Any]:
    """Listed nights are those of the listings that have the currency; None where no listing has it."""
    rent, commission = (sum((row[name] for row in rows), Decimal()) for name in ("rent", "commission"))
    priced = sum(row["priced_nights"] for row in rows)
    of_own = [row["listed_nights"] for row in rows if row["listed_nights"] is not None]
    listed = sum(of_own) if of_own else None
    return {
        "rent": rent,
        "commission": commission,
        "priced_nights": priced,
        "listed_nights": listed,
        "adr": ratio(rent, priced),
        "revpar": ratio(rent, listed),
        "kept_amount": kept,
    }
