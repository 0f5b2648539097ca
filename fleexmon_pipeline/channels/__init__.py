"""Channels: messages to where a team already looks, each event once, through an outbox of their own."""
