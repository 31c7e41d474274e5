"""Rows per second and peak memory of `msviz data import table`, CSV and Parquet, 20 columns.

    python benchmarks/import_speed.py [--rows N]

CPU seconds stand beside the speed because a busy machine slows the clock but not the work.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from msviz.data.sources import table
from msviz.dataset import open_data

TARGET = 200_000  # rows per second
SCHEMA = "\n".join(
    [
        "fields:",
        "  - {name: click, role: label}",
        "  - {name: tab, role: scenario}",
        *(f"  - {{name: f{n}, role: item, min_count: 2}}" for n in range(14)),
        *(f"  - {{name: x{n}, role: context, kind: numeric, bins: 16}}" for n in range(3)),
        "  - {name: t, role: time, unit: s}",
        "split: {by: time}",
    ]
)


def write(folder: Path, rows: int) -> None:
    """Write log.csv and log.parquet: 14 skewed fields of 10,000 values, 3 numbers, tab, time, click."""
    rng = np.random.default_rng(0)
    (folder / "schema.yaml").write_text(SCHEMA + "\n")
    columns = shape(0, 1, rng).schema
    with (
        csv.CSVWriter(folder / "log.csv", columns) as text,
        parquet.ParquetWriter(folder / "log.parquet", columns) as binary,
    ):
        for start in range(0, rows, 250_000):
            chunk = shape(start, min(250_000, rows - start), rng)
            text.write_table(chunk)
            binary.write_table(chunk)


def shape(start: int, rows: int, rng: np.random.Generator) -> pa.Table:
    """Return some rows of the log."""
    columns = {f"f{n}": (10_000 * rng.random(rows) ** 3).astype(np.int64) for n in range(14)}
    columns |= {f"x{n}": np.round(rng.exponential(30, rows), 2) for n in range(3)}
    columns["tab"] = (8 * rng.random(rows) ** 2).astype(np.int64)
    columns["t"] = 1_650_000_000 + np.arange(start, start + rows)
    columns["click"] = (rng.random(rows) < 0.2).astype(np.int64)
    return pa.table(columns)


def once(folder: Path, form: str) -> None:
    """Import one form in this process and print its speed, memory and the time to open the result."""
    options = table.TableOptions.model_validate({"schema": folder / "schema.yaml", "overwrite": True})
    begin = time.perf_counter()
    data = table.import_log(str(folder / f"log.{form}"), folder / "out", options, lambda line: None)
    seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    for name in ("train", "valid", "test"):
        open_data(folder / "out").split(name)
    print(
        json.dumps(
            {
                "form": form,
                "rows": sum(data.rows.values()),
                "rows_per_second": round(sum(data.rows.values()) / seconds),
                "cpu_seconds": round(time.process_time(), 1),
                "open_seconds": round(time.perf_counter() - begin, 3),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "FORM"), help="used by the run itself")
    given = parser.parse_args()
    if given.one:
        once(Path(given.one[0]), given.one[1])
        return
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), given.rows)
        print(f"target: {TARGET:,} rows/s; log.csv is {(Path(name) / 'log.csv').stat().st_size / 1e6:.0f} MB")
        for form in ("csv", "parquet"):
            # A process each, so that the peak memory is the import's own.
            subprocess.run([sys.executable, __file__, "--one", name, form], check=True)


if __name__ == "__main__":
    main()
