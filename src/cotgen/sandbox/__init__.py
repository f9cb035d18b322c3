"""Running hostile programs where they can reach nothing: no network, no files, no other process.

A run is one process for the program, forked by a server that never runs hostile code itself, and
one for its tests, so that no expected value is ever in the program's reach. This package stands on
Python's own library alone: its server imports it without anything else of cotgen.
"""
