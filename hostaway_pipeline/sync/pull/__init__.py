"""From Hostaway's lists to the tables: one account's sync, read by read."""
