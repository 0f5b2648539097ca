"""Replay stored history with changed rules, or with another prompt or model."""
