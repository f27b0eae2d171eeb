"""When the texts of a plan would leave, and what decides it."""

from campaigns.forecast.agenda import Agenda, ClockGroup
from campaigns.forecast.phones import Gate, PhoneShare
from campaigns.forecast.simulation import HORIZON, Day, Forecast, forecast

__all__ = ["HORIZON", "Agenda", "ClockGroup", "Day", "Forecast", "Gate", "PhoneShare", "forecast"]
