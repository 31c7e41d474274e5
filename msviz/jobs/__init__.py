"""Work outside the app's process: a durable record of every job, and the queue that runs them.

`Queue(folder).submit(...)` writes a job down and starts it where there is room; `Job` reads one back. A job
is a command line of msviz in a process of its own; the folder holds all the truth, so whoever reads it sees
the same.
"""

from msviz.jobs.job import ACTIVE, Job, Kind, State, Status
from msviz.jobs.queue import Queue

__all__ = ["ACTIVE", "Job", "Kind", "Queue", "State", "Status"]
