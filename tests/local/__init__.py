"""Tests of app.local, on real server processes."""
