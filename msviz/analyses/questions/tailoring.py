"""How gates tailor past clicks to the scenario of the impression, by the scenario of the click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.behaviours import ScenarioAxis, read
from msviz.analyses.shared.cells import Cells, size_of
from msviz.analyses.shared.words import percent, rows
from msviz.finding import Finding, Provenance
from msviz.lazy import torch
from msviz.probing.reducers import Reducer
from msviz.statistics.comparison import adjust_p_values, student_p
from msviz.statistics.intervals import Z

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.analyses.shared.behaviours import Array
    from msviz.batch import Batch
    from msviz.probing.reducers import BatchRows
    from msviz.probing.study import Study

TITLE = "How does the model tailor past clicks to the scenario?"
FEW = 10
LEVEL = 0.05


class TailoringOptions(QuestionOptions):
    """Which scenarios are kept apart, and from how many rows."""

    most: int = Setting(60, ge=1, le=300, description="the largest scenarios are kept apart, up to so many")


def analyse(study: Study, options: TailoringOptions) -> Finding:
    """Return the mean gate, by layer, of target × source: the impression's scenario and the click's.

    `mean`, `deviation`, `low`, `high` (layer, target, source) over impressions that hold such a click, of
    the mean over units and over these clicks; `p`, `q`, `significant` against the layer's mean over all
    impressions (the source's `usual`); `unit_mean` (layer, target, unit) over all clicks, `apart` (layer,
    unit), the share of a unit's variance between impressions that their scenario explains. A gate of 1 lets a
    click through as it is. Intervals are normal, 95 %.
    """
    tap = study.find_tap("layer", "behaviour", "unit")
    axis = ScenarioAxis.largest(study, options.most)
    gates = Gates(study, tap, axis)
    study.stream([gates])
    arrays, counts = _cells(gates)
    target_count = len(axis.targets)
    held = counts[:target_count].any(0) | (np.arange(len(axis.sources)) < target_count)
    unit, apart = _units(gates)
    axes = ("layer", "target", "source")
    data = xr.Dataset(
        {
            **{
                name: (axes, value[:, :target_count, held])
                for name, value in arrays.items()
                if value.ndim == 3
            },
            "usual": (("layer", "source"), arrays["usual"][:, held]),
            "holding": (("target", "source"), counts[:target_count, held]),
            "rows": (("target",), gates.rows.numpy()[:target_count]),
            "unit_mean": (("layer", "target", "unit"), unit[:, :target_count]),
            "apart": (("layer", "unit"), apart),
        },
        {
            "layer": [str(number + 1) for number in range(len(unit))],
            "target": axis.targets,
            "source": [name for name, there in zip(axis.sources, held, strict=True) if there],
            "unit": [str(number + 1) for number in range(unit.shape[2])],
        },
    )
    # Over the cells that are shown alone.
    data["q"] = (axes, adjust_p_values(data["p"].values))
    data["significant"] = data["q"] <= LEVEL
    return Finding(
        analysis="tailoring",
        question=TITLE,
        takeaway=_words(data),
        data=data,
        provenance=Provenance(rows=int(gates.rows.sum())),
    )


def cells(finding: Finding) -> Cells:
    """Return what is coloured: by how much each mean gate differs from what its clicks usually get."""
    data = finding.data
    return Cells(
        (data["mean"] - data["usual"]).transpose("layer", "target", "source"),
        each=("layer",),
        scale=size_of(data["mean"]),
        even="gates do not depend on the scenario",
    )


class Gates(Reducer):
    """Sums over rows of their mean gate, by layer: of cells (target, source), and of units by target."""

    def __init__(self, study: Study, tap: str, known: ScenarioAxis) -> None:
        """Start at zero."""
        self.sources: tuple[str, ...] = (tap,)
        self._study, self._known = study, known
        self.shape = (len(known.targets) + 1, len(known.sources))
        self.holding = torch.zeros(self.shape, dtype=torch.long)
        self.rows = torch.zeros(self.shape[0], dtype=torch.long)
        self.cells: dict[int, Tensor] = {}  # of a layer (2, targets, sources): Σx and Σx²
        self.units: dict[int, Tensor] = {}  # of a layer (2, targets, units)
        self._batch: Batch | None = None

    def begin(self, rows: BatchRows) -> None:
        """Find out which clicks the net reads, and count them."""
        batch = rows.batch
        assert batch.histories is not None
        self._there = read(self._study, batch)
        index = self._known.place.to(self._there.device)
        self._target, self._source = index[batch.scenario], index[batch.histories.scenario]
        count = torch.zeros(len(batch), self.shape[1], device=self._there.device)
        self._count = count.scatter_add_(1, self._source, self._there.float())
        self.holding.index_add_(0, self._target.cpu(), (self._count > 0).long().cpu())
        self.rows += torch.bincount(self._target[self._there.any(1)].cpu(), minlength=len(self.rows))

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Add one layer's gates (b, T, units) of the batch's `rows`."""
        width = values.shape[1]
        there = self._there[rows, -width:].float()
        values, target, count = values.float(), self._target[rows].cpu(), self._count[rows]
        each = torch.zeros_like(count).scatter_add_(1, self._source[rows, -width:], values.mean(2) * there)
        # The mean over the clicks of each source; where there is none, nothing is added.
        cell = (each / count.clamp_min(1)).double().cpu()
        total = torch.bmm(there[:, None], values).squeeze(1)
        unit = (total / there.sum(1, keepdim=True).clamp_min(1)).double().cpu()
        number = layer or 0
        if number not in self.cells:
            self.cells[number] = torch.zeros(2, *self.shape, dtype=torch.float64)
            self.units[number] = torch.zeros(2, self.shape[0], unit.shape[1], dtype=torch.float64)
        for sums, added in ((self.cells[number], cell), (self.units[number], unit)):
            sums[0].index_add_(0, target, added)
            sums[1].index_add_(0, target, added**2)

    def merge(self, other: Gates) -> None:
        """Add the other's sums."""
        self.holding, self.rows = self.holding + other.holding, self.rows + other.rows
        for totals, theirs in ((self.cells, other.cells), (self.units, other.units)):
            for layer, sums in theirs.items():
                totals[layer] = totals[layer] + sums if layer in totals else sums


def _cells(gates: Gates) -> tuple[dict[str, Array], Array]:
    """Return the arrays (layer, targets, sources) and how many rows hold such a click."""
    sums = torch.stack([gates.cells[layer] for layer in sorted(gates.cells)]).numpy()
    count = gates.holding.numpy().astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, sums[:, 0] / count, np.nan)
        spread = np.maximum(sums[:, 1] / count - mean**2, 0) * count / (count - 1)
        deviation = np.sqrt(np.where(count > 1, spread, np.nan))
        error = deviation / np.sqrt(count)
        usual = sums[:, 0].sum(1) / count.sum(0)
        p = student_p((mean - usual[:, None]) / error, np.maximum(count - 1, 1))
    # Gates of one value everywhere do not differ from the usual one.
    same = (error < 1e-9) & (np.abs(mean - usual[:, None]) < 1e-6)
    p = np.where(count < FEW, np.nan, np.where(same, 1.0, p))
    arrays = {"mean": mean, "deviation": deviation, "low": mean - Z * error, "high": mean + Z * error, "p": p}
    return {**arrays, "usual": usual}, gates.holding.numpy()


def _units(gates: Gates) -> tuple[Array, Array]:
    """Return each unit's mean gate (layer, targets, unit), and what targets explain of it (layer, unit)."""
    sums = torch.stack([gates.units[layer] for layer in sorted(gates.units)]).numpy()
    count = gates.rows.double().numpy()[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, sums[:, 0] / count, np.nan)
        whole = sums[:, 0].sum(1) / count.sum()
        total = sums[:, 1].sum(1) - count.sum() * whole**2
        between = np.nansum(count * (mean - whole[:, None]) ** 2, 1)
        apart = np.where(total > 1e-9 * count.sum(), between / total, 0.0)
    return mean, apart


def _words(data: xr.Dataset) -> str:
    """Tell the cell that differs most from the usual, and how far scenarios move single units."""
    away = (data["mean"] - data["usual"]).transpose("layer", "target", "source").values
    clear = data["significant"].values
    tested = int(np.isfinite(data["p"].values).sum())
    tail = (
        f"{int(clear.sum())} of {tested} cells differ from what their clicks usually get (false discovery "
        f"rate "
        "5 %). A gate says what the model does inside, not what it does to the prediction."
    )
    layer, unit = np.unravel_index(int(data["apart"].values.argmax()), data["apart"].shape)
    share = float(data["apart"].values[layer, unit])
    single = (
        f"The scenario explains up to {percent(share, 0)} of how single units are gated "
        f"(unit {unit + 1}, layer {layer + 1})."
    )
    if not clear.any():
        return f"No gate clearly depends on the scenario of the impression. {single} {tail}"
    where = np.unravel_index(int(np.where(clear, np.abs(away), -1).argmax()), away.shape)
    here = data.isel(layer=where[0], target=where[1], source=where[2])
    return (
        f"In {here['target'].item()}, past clicks from {here['source'].item()} pass the gates of layer "
        f"{where[0] + 1} at {float(here['mean']):.3f} on average (95 %: {float(here['low']):.4f} to "
        f"{float(here['high']):.4f}, {rows(int(here['holding']))}), against {float(here['usual']):.3f} over "
        f"all "
        f"impressions. {single} {tail}"
    )


QUESTION = Question(
    title=TITLE,
    options=TailoringOptions,
    analyse=analyse,
    version=1,
    needs=("behaviour", "unit"),
    cells=cells,
)
