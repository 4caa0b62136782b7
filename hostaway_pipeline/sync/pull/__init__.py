"""The pull journey: syncs one account by reading Hostaway's lists into the tables."""
