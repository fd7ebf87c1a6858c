"""Measures on held-out worlds: metrics, what is compared, tables and the report page."""
