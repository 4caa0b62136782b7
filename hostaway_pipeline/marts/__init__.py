"""The second Dagster code location: the dbt project for analysts. Only this package knows dbt."""
