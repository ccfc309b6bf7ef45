"""Whole stories, told on real worker processes, a real Valkey and a real database."""
