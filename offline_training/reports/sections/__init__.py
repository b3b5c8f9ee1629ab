"""Sections of the report; `offline_training.reports.SECTIONS` names them and says what one is."""
