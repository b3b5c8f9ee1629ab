"""Labelled sets of any layout, and how training draws from them."""
