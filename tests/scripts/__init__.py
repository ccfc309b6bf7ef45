"""Tests of scripts/, each run as a user would."""
