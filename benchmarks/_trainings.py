"""Trainings side by side in processes that have imported torch; finished ones are not trained again."""

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Settings = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One training: the model's and the training's settings together, as after --set."""

    model: str
    data: str
    settings: Settings = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"

    @property
    def text(self) -> str:
        """Return what decides the result, as one line."""
        return json.dumps([self.model, self.data, self.settings, self.seed, self.device], sort_keys=True)


@dataclass(frozen=True)
class Done:
    """A training that is over: where its run lies, or why there is none, its seconds, what was made of it."""

    job: Job
    out: Path
    error: str = ""
    seconds: float = 0.0
    made: Any = None


def trained(
    jobs: Sequence[tuple[Job, Path]], workers: int, then: Callable[[Done], Any] | None = None
) -> Iterator[Done]:
    """Yield the trainings as they end; a run that is there already with the same settings at once.

    `then`, a function of a module, makes something of each new run in the process that trained it.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    todo = []
    for job, out in jobs:
        note = out / "job.json"
        if (out / "run.json").is_file() and note.is_file() and note.read_text() == job.text:
            yield Done(job, out)
        else:
            todo.append((job, out))
    # Forked processes cannot use CUDA.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for future in as_completed([pool.submit(_train, job, out, then) for job, out in todo]):
            yield future.result()


def _train(job: Job, out: Path, then: Callable[[Done], Any] | None) -> Done:
    import torch

    from msviz.dataset import open_data
    from msviz.errors import MsvizError
    from msviz.training.loop import Training, parse_training, train

    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    own = {key: value for key, value in job.settings.items() if key in Training.model_fields}
    begun = time.perf_counter()
    try:
        train(
            job.model,
            open_data(job.data),
            out,
            values={key: value for key, value in job.settings.items() if key not in own},
            training=parse_training({"threads": 1, "checkpoint_seconds": 3600, **own}),
            seed=job.seed,
            device=job.device,
            report=lambda line: None,
        )
    except MsvizError as error:
        return Done(job, out, str(error))
    (out / "job.json").write_text(job.text)
    done = Done(job, out, seconds=time.perf_counter() - begun)
    return done if then is None else replace(done, made=then(done))
