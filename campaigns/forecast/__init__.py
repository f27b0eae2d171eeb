"""When the texts of a plan would leave, and what decides it."""

from campaigns.forecast.agenda import Agenda, ClockGroup
from campaigns.forecast.gates import Gate
from campaigns.forecast.simulation import HORIZON, Day, Forecast, forecast

__all__ = ["HORIZON", "Agenda", "ClockGroup", "Day", "Forecast", "Gate", "forecast"]
