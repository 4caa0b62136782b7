"""Peak memory of a full sync, which must not grow with the account."""

from bench.figures import Figure, at_most, table
from bench.stand import Measured, stand

MOST_MB = 300


def measure(spec: str) -> Measured:
    account_id = int(spec.split(":", maxsplit=1)[0])
    with stand([spec], latency=0.0, server=("none", "none")) as made:
        made.add_account(account_id)
        return made.sync(account_id)


def run() -> list[Figure]:
    one, ten = measure("59808:7:787"), measure("59808:70:7870")
    growth = ten.peak_mb / one.peak_mb
    return [
        at_most("peak memory of a full sync, 787 reservations", one.peak_mb, MOST_MB, " MB", "the interpreter itself"),
        at_most(
            "peak memory of a full sync, 7,870 reservations",
            ten.peak_mb,
            MOST_MB,
            " MB",
            "an account a tenth of the size",
        ),
        at_most(
            "growth of the peak memory from 787 to 7,870 reservations",
            growth,
            1.25,
            "×",
            "the same sync of the smaller account",
        ),
    ]


if __name__ == "__main__":
    print(table(run()))
