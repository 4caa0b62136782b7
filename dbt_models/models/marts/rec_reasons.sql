{{ config(tags='nightly') }}
-- rec_reasons: why a report of Hostaway's and our figure differ.
SELECT reason, explanation
FROM (
    VALUES
        ('night_not_listed', 'The night lies on a day on which we do not count the home as listed; they count it.'),
        ('owner_stay', 'They count nights of the owner; we count them apart.'),
        ('date_counted_once', 'They count a date of a listing once; we count each unit.'),
        ('blocked', 'They leave out nights that the host has blocked; we count every listed night.'),
        ('counted_at_check_in', 'They count the whole booking in the month of check-in; we count by night, and cancellations by day of booking.'),
        ('counted_at_check_out', 'They count the whole booking in the month of check-out; we count by night.'),
        ('fees', 'Their total has fees in it, such as cleaning; rent has not.'),
        ('taxes', 'Their total has taxes in it; rent has not.'),
        ('other_lines', 'Their total has something in it that is neither rent nor fee nor tax, or its lines do not add up.'),
        ('rent_unknown', 'The booking has a total, but its rent cannot be told apart.'),
        ('ical_left_out', 'They leave out bookings that come by iCal.'),
        ('not_converted', 'They add an amount of another currency as it is; we never add currencies.'),
        ('no_booking_day', 'Nobody tells when it was booked, so it is in no month of ours.')
) AS r (reason, explanation)
