"""Forecasts of hourly series, and the predictions that follow from them."""
