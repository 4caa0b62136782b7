"""`python -m hostaway_pipeline.marts build`: dbt, on the configured database. With `--events` it prints JSON."""

import sys

from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.marts.runner import run_dbt

if __name__ == "__main__":
    try:
        sys.exit(run_dbt([word for word in sys.argv[1:] if word != "--events"], as_json="--events" in sys.argv))
    except PipelineError as error:
        sys.exit(f"hostaway: {error}")
