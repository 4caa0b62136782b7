"""How an account is shown to people: its id, and its name where it has one."""


def account_label(account_id: int, name: str | None) -> str:
    """Such as `account 123 (Seaside Rentals)`, in one line."""
    return f"account {account_id} ({' '.join(name.split())})" if name else f"account {account_id}"
