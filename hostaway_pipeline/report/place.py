"""Where reports are. Apart from what writes them, whose imports take half a second."""

from pathlib import Path


def report_path(home: Path, account_id: int | None = None) -> Path:
    """`reports/portfolio.html` or `reports/account-ID.html` in HOSTAWAY_HOME."""
    return home.absolute() / "reports" / ("portfolio.html" if account_id is None else f"account-{account_id}.html")
