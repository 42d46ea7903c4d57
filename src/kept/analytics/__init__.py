"""Analyses beside the server: history as Parquet files, SQL over them, and questions about everybody."""

from kept.analytics.parquet_history import ParquetHistory
from kept.analytics.sql_session import SqlSession

__all__ = ["ParquetHistory", "SqlSession"]
