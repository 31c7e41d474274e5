"""The processes of jobs: the engine that keeps the queue moving, a job's own, the one that forks jobs."""
