"""Small layouts and random batches for the nets."""

import torch

from msviz.batch import Batch
from msviz.nets._base import Layout, Net, net_class, parse_config

# Five fields; the second and the fourth make the scenario, of which 11 combinations are known.
LAYOUT = Layout((7, 5, 9, 4, 6), (1, 3), 11)


def random_batch(rows: int, seed: int = 0, layout: Layout = LAYOUT) -> Batch:
    """Return random rows; each combination of scenario fields has one id, those beyond the last are 0."""
    draw = torch.Generator().manual_seed(seed)
    fields = torch.stack([torch.randint(0, size, (rows,), generator=draw) for size in layout.sizes], 1)
    key = torch.zeros(rows, dtype=torch.int64)
    for column in layout.scenario_columns:
        key = key * layout.sizes[column] + fields[:, column]
    return Batch(
        fields=fields,
        scenario=torch.where(key < layout.scenarios, key + 1, 0),
        label=torch.randint(0, 2, (rows,), generator=draw).float(),
        row=torch.arange(rows),
        time=torch.zeros(rows, dtype=torch.int64),
    )


def make(model: str, layout: Layout = LAYOUT, seed: int = 0, **values: object) -> Net:
    """Return a net with larger random weights than it starts with, so that nothing is nearly zero."""
    torch.manual_seed(seed)
    net = net_class(model)(parse_config(model, values), layout)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return net
