"""The sandbox's data: accounts, their objects, and every way they change."""
