"""Analyses beside the server, by DuckDB: history as Parquet and SQL over it; everybody at once."""

from kept.analytics.parquet_history import ParquetHistory
from kept.analytics.sql_session import SqlSession

__all__ = ["ParquetHistory", "SqlSession"]
