"""Service."""

from cyclopts import App

service = App(name="service", help="Keep Steward running after a reboot.")
