-- keep_session: settings of a session that holds a lock, which lives as long as the session does.
--
-- Over TCP, Postgres notices after 25 seconds that the machine of the lock's holder is gone; by default it takes two
-- hours. And a server that ends idle sessions does not end this one.
SELECT set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('idle_session_timeout', '0', false)
