"""Doing many things at once: bounded concurrency, and processes that can be killed."""

from cotgen.workers.bounded import bounded
from cotgen.workers.frames import Job
from cotgen.workers.ordered import ordered
from cotgen.workers.places import Climb, Places, most_connections
from cotgen.workers.pool import Pool

__all__ = ["Climb", "Job", "Places", "Pool", "bounded", "most_connections", "ordered"]
