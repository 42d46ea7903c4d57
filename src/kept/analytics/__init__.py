"""Analyses beside the server: history as Parquet files, and SQL over them, both by DuckDB."""

from kept.analytics.parquet_history import ParquetHistory
from kept.analytics.sql_session import SqlSession

__all__ = ["ParquetHistory", "SqlSession"]
