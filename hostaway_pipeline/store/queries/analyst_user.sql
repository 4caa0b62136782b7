-- analyst_user: makes a user a member of one role of analysts, and of no other one. It may be repeated.
--
-- Settings are not inherited from a role, so each user has them. A session may change them: they are defaults, and the
-- grants are what protects. An open transaction keeps vacuum and migrations waiting.
REVOKE analyst_read, analyst_pii, analyst_raw FROM {user};
GRANT {role} TO {user};
ALTER ROLE {user} SET default_transaction_read_only = on;
ALTER ROLE {user} SET statement_timeout = '10min';
ALTER ROLE {user} SET idle_in_transaction_session_timeout = '10min';
ALTER ROLE {user} SET idle_session_timeout = '12h';
