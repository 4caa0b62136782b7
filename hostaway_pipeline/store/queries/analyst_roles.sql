-- analyst_roles: creates the roles of analysts and grants what they may read. It may be repeated.
--
-- Columns are granted one by one, so that a new one stays unreadable until somebody decides. Not granted: payloads,
-- texts of messages, names, addresses and channel ids of guests, confirmation codes, and all other tables (accounts,
-- guests, versions, inbox, outbox, state).
DO $$
DECLARE
    schema_name name;
    owner_name regrole;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'analyst_read') THEN
        CREATE ROLE analyst_read NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'analyst') THEN
        CREATE ROLE analyst LOGIN CONNECTION LIMIT 30;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO analyst_read', current_database());
    -- The models for analysts, once they exist: whole tables, and those that their owner creates later.
    FOR schema_name, owner_name IN SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname IN ('core', 'marts')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO analyst_read', schema_name);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO analyst_read', schema_name);
        EXECUTE format(
            'ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %I GRANT SELECT ON TABLES TO analyst_read',
            owner_name, schema_name
        );
    END LOOP;
END
$$;

GRANT analyst_read TO analyst;
-- Defaults, which a session may change; the grants are what protects.
ALTER ROLE analyst SET default_transaction_read_only = on;
ALTER ROLE analyst SET statement_timeout = '10min';
-- An open transaction keeps vacuum and migrations waiting.
ALTER ROLE analyst SET idle_in_transaction_session_timeout = '10min';

GRANT USAGE ON SCHEMA hostaway TO analyst_read;
REVOKE ALL ON ALL TABLES IN SCHEMA hostaway FROM analyst_read;
GRANT SELECT (
    account_id, id, customer_id, source_updated_at, read_at, unsettled_at, created_at, updated_at, deleted_at,
    name, internal_name, address, city, country_code, time_zone, currency, price, person_capacity, bedrooms,
    special_status, bathrooms, room_type, cleaning_fee, unit_count, unit_listing_ids, inserted_at, latest_activity_at,
    archived_at
) ON hostaway.listings TO analyst_read;
GRANT SELECT (
    account_id, id, customer_id, source_updated_at, read_at, unsettled_at, created_at, updated_at, deleted_at,
    listing_id, channel_id, channel_name, channel_reservation_id, status, number_of_guests, arrival_date,
    departure_date, nights, total_price, currency, is_paid, reserved_at, guest_id, guest_country, adults, children,
    infants, unit_count, is_dates_unspecified, tax_amount, cleaning_fee, channel_commission, payment_status, inserted_at,
    cancelled_on, cancelled_by, finance_read_at
) ON hostaway.reservations TO analyst_read;
GRANT SELECT (
    account_id, id, customer_id, source_updated_at, read_at, unsettled_at, created_at, updated_at, deleted_at,
    reservation_id, listing_id, type, has_unread_messages, message_sent_at, message_received_at, messages_synced_at
) ON hostaway.conversations TO analyst_read;
GRANT SELECT (
    account_id, id, customer_id, source_updated_at, read_at, unsettled_at, created_at, updated_at, deleted_at,
    conversation_id, reservation_id, listing_id, communication_type, status, is_incoming, sent_at,
    communication_id, communication_event, sent_using_hostaway, inserted_at
) ON hostaway.messages TO analyst_read;
GRANT SELECT (
    account_id, reservation_id, line_no, source_id, name, title, type, total, is_included, is_deleted
) ON hostaway.reservation_finance_lines TO analyst_read;
GRANT SELECT (
    account_id, entity, key, finding, rows, first_seen_at, last_seen_at
) ON hostaway.payload_findings TO analyst_read;
GRANT SELECT (
    account_id, listing_id, date, is_available, status, price, minimum_stay, maximum_stay, total_units,
    available_units, blocked_units, pending_units, read_at, updated_at
) ON hostaway.calendar_days TO analyst_read;
