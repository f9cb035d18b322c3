"""Engines that cotgen starts: their processes, their deaths, and what was in flight then."""
