"""Losses: each takes predictions and targets and returns one scalar; `joint` adds them by name."""
