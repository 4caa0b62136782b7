-- analyst_roles: creates the three roles of analysts and grants what they may read. It may be repeated.
--
-- analyst_read reads core and marts, which hold nothing personal; analyst_pii also pii; analyst_raw also the copy itself,
-- payloads and texts included. Nobody reads staging, accounts, guests, the inbox or the outbox.
DO $$
DECLARE
    reader name;
    schema_name name;
    owner_name regrole;
BEGIN
    FOREACH reader IN ARRAY ARRAY['analyst_read', 'analyst_pii', 'analyst_raw']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', reader);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), reader);
    END LOOP;
    -- The models, once they exist: whole tables, and those that their owner creates later.
    FOR schema_name, owner_name, reader IN
        SELECT nspname, nspowner::regrole, CASE nspname WHEN 'pii' THEN 'analyst_pii' ELSE 'analyst_read' END
        FROM pg_namespace
        WHERE nspname IN ('core', 'marts', 'pii')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema_name, reader);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', schema_name, reader);
        EXECUTE format(
            'ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %I GRANT SELECT ON TABLES TO %I',
            owner_name, schema_name, reader
        );
    END LOOP;
END
$$;

GRANT analyst_read TO analyst_pii, analyst_raw;

-- What an earlier version granted is taken back.
REVOKE ALL ON SCHEMA hostaway FROM analyst_read, analyst_pii;
REVOKE ALL ON ALL TABLES IN SCHEMA hostaway FROM analyst_read, analyst_pii, analyst_raw;
GRANT USAGE ON SCHEMA hostaway TO analyst_raw;
GRANT SELECT ON
    hostaway.listings, hostaway.reservations, hostaway.conversations, hostaway.messages, hostaway.message_threads,
    hostaway.reservation_finance_lines, hostaway.calendar_days, hostaway.listing_versions,
    hostaway.reservation_versions, hostaway.payload_findings
TO analyst_raw;
