"""One partition per active account; sensors.py keeps them equal."""

from dagster import DynamicPartitionsDefinition

accounts_partitions = DynamicPartitionsDefinition(name="accounts")
