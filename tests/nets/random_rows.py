"""Small layouts and random batches for the nets."""

import torch

from msviz.batch import Batch, Histories
from msviz.nets.base import InputSpec, Net, net_class, parse_config

# Five fields; the second and the fourth make the scenario, of which 11 combinations are known.
LAYOUT = InputSpec((7, 5, 9, 4, 6), (1, 3), 11)
# Everything that a log can have: user, user's city, scenario, item, its category, place in the scenario,
# clicks of the user in the category, hour. Behaviours hold item and category.
FULL = InputSpec(
    sizes=(8, 5, 6, 9, 5, 4, 6, 7),
    scenario_columns=(2,),
    scenarios=4,
    roles=("user", "user", "scenario", "item", "item", "context", "cross", "context"),
    specific=(2, 5),
    behaviours=(3, 4),
    behaviour_scenarios=True,
    signals=((3.0, 1.5), (0.5, 0.2), (1.0, 1.0)),
)


def random_batch(rows: int, seed: int = 0, layout: InputSpec = LAYOUT, longest: int = 6) -> Batch:
    """Return random rows; each combination of scenario fields has one id, those beyond the last are 0.

    Where the layout has behaviours, histories are 0 to `longest` long; where it has signals, there are some.
    """
    draw = torch.Generator().manual_seed(seed)
    fields = torch.stack([torch.randint(0, size, (rows,), generator=draw) for size in layout.sizes], 1)
    key = torch.zeros(rows, dtype=torch.int64)
    for column in layout.scenario_columns:
        key = key * layout.sizes[column] + fields[:, column]
    if len(layout.scenario_columns) == 1:
        key = key - 2  # ids 0 and 1 are unknown and missing
    known = (key >= 0) & (key < layout.scenarios)
    return Batch(
        fields=fields,
        scenario=torch.where(known, key + 1, 0),
        label=torch.randint(0, 2, (rows,), generator=draw).float(),
        row=torch.arange(rows),
        time=torch.zeros(rows, dtype=torch.int64),
        histories=_histories(rows, draw, layout, longest) if layout.behaviours else None,
        signals=30 * torch.rand(rows, len(layout.signals), generator=draw) if layout.signals else None,
    )


def past(batch: Batch) -> Histories:
    """Return the histories of a batch that has some."""
    assert batch.histories is not None
    return batch.histories


def with_past(batch: Batch, **changes: torch.Tensor) -> Batch:
    """Return the batch with some tensors of its histories exchanged."""
    return batch.replace(histories=past(batch).replace(**changes))


def _histories(rows: int, draw: torch.Generator, layout: InputSpec, longest: int) -> Histories:
    length = torch.randint(0, longest + 1, (rows,), generator=draw)
    mask = torch.arange(longest) >= longest - length[:, None]
    shape = (rows, longest)
    ids = [torch.randint(0, layout.sizes[c], shape, generator=draw) for c in layout.behaviours]
    return Histories(
        ids=torch.stack(ids, 2) * mask[:, :, None],
        scenario=torch.randint(0, layout.scenarios + 1, shape, generator=draw) * mask,
        age=torch.randint(1, 10**6, shape, generator=draw) * mask,
        mask=mask,
    )


def make(model: str, layout: InputSpec = LAYOUT, seed: int = 0, **values: object) -> Net:
    """Return a net with larger random weights than it starts with, so that nothing is nearly zero."""
    torch.manual_seed(seed)
    net = net_class(model)(parse_config(model, values), layout)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return net
