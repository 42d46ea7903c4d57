"""The HTTP side: wire formats, ingest and decide, the API and the pages."""
