"""Mirrors app/, file for file; tests/life plays whole stories on real processes."""
