"""Clocks and calendars: days, hours, zones, cron lines."""
