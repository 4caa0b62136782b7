"""Settings of the Celery workers, which find this module by its name on their PYTHONPATH.

Celery itself reads the addresses from CELERY_BROKER_URL and CELERY_RESULT_BACKEND.
"""

# The worker imports them once, before its first run, and not each of its processes again.
imports = ("hostaway_pipeline.definitions",)
# A task that a busy worker has reserved would wait ten minutes for it, while another worker is idle.
worker_disable_prefetch = True
worker_prefetch_multiplier = 1
# Dagster fails a run whose task is not known to be running.
task_track_started = True
# Runs are executed in the worker's process: a new one from time to time keeps its memory in bounds.
worker_max_tasks_per_child = 50
