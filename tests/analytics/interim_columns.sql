-- interim_columns: what the models read and no migration creates yet.
CREATE TABLE IF NOT EXISTS hostaway.calendar_days (
    account_id bigint, listing_id bigint, date date, is_available boolean, status text, price numeric,
    minimum_stay bigint, maximum_stay bigint, total_units bigint, available_units bigint, blocked_units bigint,
    pending_units bigint, read_at timestamptz, updated_at timestamptz, PRIMARY KEY (account_id, listing_id, date)
);
