"""Finding concludes: the answer to one question, with its numbers, its words and where it comes from."""

import importlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import xarray as xr

from msviz.errors import MsvizError, invalid, one_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

VERSION = 1
FORMATS = ("nc", "csv", "json")
OLDER = b"CDF"  # how a file of NetCDF 3 begins


@dataclass(frozen=True)
class Provenance:
    """Where a finding comes from: enough to make it again."""

    run: str = ""
    run_digest: str = ""
    data: str = ""
    fingerprint: str = ""
    split: str = ""
    rows: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    msviz: str = ""

    @property
    def scenario_fields(self) -> str:
        """Return the columns between commas that are the scenario here instead of the log's own; or ""."""
        return str(self.parameters.get("scenario_fields", ""))

    def sentence(self) -> str:
        """Return 'run demo-satrans on demo (test, 40,000 rows), 1.2 s', with slice and other scenarios."""
        run = f"run {self.run} on " if self.run else ""
        split = f"{self.split}, " if self.split else ""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        where = f" where {self.parameters['slice']}" if self.parameters.get("slice") else ""
        where += f", scenarios by {self.scenario_fields}" if self.scenario_fields else ""
        return f"{run}{self.data} ({split}{rows}{where}), {self.seconds:.1f} s"


@dataclass(frozen=True, eq=False)
class Finding:
    """An answer: named arrays, the question, the takeaway with its uncertainty, and the picture's name.

    `takeaways` holds the words for parts of the data that a page can choose, by a key that the
    analysis documents (a scenario's name, say); `takeaway` speaks for the whole.
    """

    analysis: str
    question: str
    takeaway: str
    data: xr.Dataset
    provenance: Provenance = Provenance()
    takeaways: dict[str, str] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Tell whether words and arrays are the same; NaN equals NaN."""
        if not isinstance(other, Finding):
            return NotImplemented
        return self._words() == other._words() and self.data.identical(other.data)

    __hash__ = None  # type: ignore[assignment]  # arrays can change, so a finding is no key

    @property
    def picture(self) -> str:
        """Return the name of the picture that suits this finding: that of its question."""
        return self.analysis

    def figure(self, **choices: Any) -> "go.Figure":
        """Return the Plotly figure of the picture that suits this finding.

        `choices` are the picture's own (which scenario, layer, head); raises MsvizError where one
        does not exist.
        """
        # The drawing room is entered by name and late: findings are made where plotly is not wanted.
        drawing = importlib.import_module("msviz.figures.picture")
        figure: go.Figure = drawing.load_picture(self.picture).draw(self, **choices)
        return figure

    def to_pandas(self) -> pd.DataFrame:
        """Return every number as a tidy frame, one row per cell of the largest array.

        Smaller arrays on the same axes are repeated beside it; what lies on other axes follows in rows
        of its own, so that no axis is multiplied with one that has nothing to do with it.
        """
        left = {str(name): array for name, array in self.data.data_vars.items()}
        frames = []
        while left:
            widest = max(left.values(), key=lambda array: (array.ndim, array.size))
            # Scalars go with the first frame only.
            columns = [name for name, array in left.items() if set(array.dims) <= set(widest.dims)]
            part = self.data[columns]
            frames.append(part.to_dataframe().reset_index() if part.dims else _one_row(part))
            left = {name: array for name, array in left.items() if name not in columns}
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        return frame[
            [name for name in frame.columns if name in self.data.dims or name in self.data.data_vars]
        ]

    def save(self, path: Path | str, *, quick: bool = False) -> None:
        """Write one file, whole or not at all; .nc loads back equal, .csv and .json are for others.

        `quick` writes .nc in its older form, ten times as fast, in which whole numbers have 32 bits.
        """
        path = Path(path)
        kind = path.suffix.lstrip(".")
        if kind not in FORMATS:
            raise invalid("out", path.name, "valid endings: ." + ", .".join(FORMATS))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.partial")
        try:
            if kind == "nc":
                words = json.dumps(self._words(), ensure_ascii=False)
                engine: Literal["scipy", "h5netcdf"] = "scipy" if quick else "h5netcdf"
                self.data.assign_attrs(msviz=words).to_netcdf(partial, engine=engine)
            elif kind == "csv":
                self.to_pandas().to_csv(partial, index=False)
            else:
                rows = json.loads(self.to_pandas().to_json(orient="records"))
                partial.write_text(json.dumps({**self._words(), "rows": rows}, ensure_ascii=False), "utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path | str) -> "Finding":
        """Read what `save` wrote as .nc; raise MsvizError when the file is not a finding."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                quick = file.read(len(OLDER)) == OLDER
            with xr.open_dataset(path, engine="scipy" if quick else "h5netcdf") as opened:
                data = opened.load()
            words = json.loads(data.attrs.pop("msviz"))
            version = words.pop("version")
            words.pop("picture", None)
            if version == VERSION:
                return cls(data=data, provenance=Provenance(**words.pop("provenance")), **words)
        except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise MsvizError(f"finding: {path.name} is not a finding of msviz: {reason}") from error
        raise invalid("finding version", version, one_of([VERSION]))

    def _words(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "analysis": self.analysis,
            "question": self.question,
            "takeaway": self.takeaway,
            "picture": self.picture,
            "takeaways": self.takeaways,
            "provenance": asdict(self.provenance),
        }


def _one_row(data: xr.Dataset) -> pd.DataFrame:
    return pd.DataFrame({str(name): [array.item()] for name, array in data.data_vars.items()})
