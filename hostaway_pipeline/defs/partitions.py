"""One partition per active account, which sensors.py adds and removes."""

from dagster import DynamicPartitionsDefinition

accounts_partitions = DynamicPartitionsDefinition(name="accounts")
