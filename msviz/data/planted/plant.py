"""A shop's log that knows its own truth: what was planted, and how well any model could do."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import msviz
from msviz.data.importing.write import DatasetWriter
from msviz.data.planted.click_probability import Response, sigmoid
from msviz.data.planted.draw import stream
from msviz.data.planted.shop import Shop
from msviz.data.planted.truth import Tally
from msviz.data.planted.words import BASE_FIELDS, TEST_DAY, VALID_DAY
from msviz.dataset import Array, Dataset
from msviz.schema import FIRST

CHUNK_CELLS = 2**21  # ids drawn at a time; decides memory and, with the seed, the bytes written


class PlantOptions(BaseModel):
    """How large a world to plant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(200_000, ge=10_000, le=100_000_000, description="rows over all splits")
    scenarios: int = Field(5, ge=2, le=10_000, description="scenarios, of very different sizes")
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same bytes; another seed, a sister world")
    fields: int | None = Field(
        None,
        ge=BASE_FIELDS,
        le=1_000,
        description=f"features; {BASE_FIELDS} by default, further ones hold mostly noise",
    )
    overwrite: bool = Field(False, description="replace what is at the target")


def plant(
    out: Path | str, options: PlantOptions | None = None, report: Callable[[str], None] = print
) -> Dataset:
    """Write a planted world to `out` at constant memory and return it; raise MsvizError if `out` exists.

    Rows are drawn chunk by chunk from a counter-based stream keyed by (seed, chunk), in order of time.
    """
    options = options or PlantOptions()
    shop = Shop(options.seed, options.rows, options.scenarios, options.fields or BASE_FIELDS)
    response = Response(shop, options.seed)
    tally = Tally(response)
    size = CHUNK_CELLS // len(shop.schema.features)
    chunks = -(-options.rows // size)
    with DatasetWriter(Path(out), shop.schema, options.overwrite) as writer:
        clicks = shop.clicks
        ids = FIRST + np.stack([clicks.item, clicks.category], axis=1)
        writer.add_events(ids, clicks.scenario + 1, clicks.time)
        for chunk in range(chunks):
            start = chunk * size
            count = min(size, options.rows - start)
            _write(writer, tally, response, stream(options.seed, chunk), start, count)
            if (chunk + 1) % max(chunks // 10, 1) == 0:
                report(f"planted {start + count:,} of {options.rows:,} rows")
        origin = {"kind": "planted", "simulated": True, "msviz": msviz.__version__}
        origin |= options.model_dump(exclude={"overwrite", "rows"}) | {"planted_rows": options.rows}
        return writer.commit({"origin": origin}, tally.truth(options.seed))


def _write(
    writer: DatasetWriter, tally: Tally, response: Response, rng: np.random.Generator, start: int, count: int
) -> None:
    """Draw rows start..start+count-1, count them and append them to their splits."""
    shop = response.shop
    rows = shop.shown(rng, start, count)
    parts = response.contributions(rows)
    probability = sigmoid(response.logit(parts, rows)).astype(np.float32)
    label = (rng.random(count) < probability).astype(np.int64)
    day = rows.day
    split = np.searchsorted([VALID_DAY, TEST_DAY], day, side="right")
    tally.add(split, rows.scenario, parts, probability.astype(np.float64), label)
    number = np.arange(start, start + count)
    names: list[Literal["train", "valid", "test"]] = ["train", "valid", "test"]
    for index, name in enumerate(names):
        members: Array = split == index
        if members.any():
            writer.append(
                name,
                rows.fields[members],
                rows.scenario[members] + 1,
                label[members],
                rows.time[members],
                number[members],
                signals=shop.calendar.signals[day[members]],
                history=(rows.history[0][members], rows.history[1][members]),
                probability=probability[members],
            )
