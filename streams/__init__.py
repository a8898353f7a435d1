"""The log and what every process shares: records, errors, settings, metrics, logs and supervision."""
