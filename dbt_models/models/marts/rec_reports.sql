{{ config(tags='nightly') }}
-- rec_reports: the reports of Hostaway's that rec_totals rebuilds. dbt_models/DECISIONS.md has the sources.
SELECT report, label, their_definition, our_figure
FROM (
    VALUES
        (
            'occupancy_report_nights', 'Occupancy Report: nights booked',
            'dates of a listing with at least one booking, by calendar date; owner stays apart', 'kpi_account_month.sold_nights'
        ),
        (
            'occupancy_report_owner_nights', 'Occupancy Report: owner stay nights',
            'dates of a listing with at least one owner stay', 'kpi_account_month.owner_nights'
        ),
        (
            'occupancy_report_available', 'Occupancy Report: nights available',
            'dates of a listing that are not blocked', 'kpi_account_month.listed_nights'
        ),
        (
            'analytics_nights', 'Analytics: nights booked',
            'dates of a listing with at least one booking or owner stay', 'kpi_account_month.sold_nights'
        ),
        (
            'revenue_by_check_in', 'Rental revenue by check-in',
            'the whole stay in the month of check-in; iCal bookings left out', 'kpi_account_month_money.rent'
        ),
        (
            'revenue_by_check_out', 'Rental revenue by check-out',
            'the whole stay in the month of check-out; iCal bookings left out', 'kpi_account_month_money.rent'
        ),
        (
            'total_by_check_in', 'Total price by check-in',
            'all that the guest pays, in the month of check-in; iCal bookings left out', 'kpi_account_month_money.rent'
        ),
        (
            'revenue_in_one_currency', 'Rental revenue shown in one currency',
            'amounts of all currencies added as they are, with the symbol of the chosen one', 'kpi_account_month_money.rent'
        ),
        (
            'cancellations_by_check_in', 'Occupancy Report: cancelled reservations',
            'cancelled bookings in the month of check-in', 'kpi_account_month.cancellations'
        )
) AS r (report, label, their_definition, our_figure)
