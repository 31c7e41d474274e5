"""Adam and Adagrad that cost what the batch's rows cost, and the optimisers of a net."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from msviz.nets.base import Net
from msviz.nets.towers import ScenarioLinear

# Numbers of a table that are updated at a time on a CPU, so that they stay in the cache.
CHUNK = 2**17


class _Rowwise(Optimizer):
    """An optimiser of tables (rows, width) whose gradients are sparse."""

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update the rows that the gradients touch; raise ValueError for a dense gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is None:
                    continue
                if not table.grad.is_sparse:
                    raise ValueError(f"{type(self).__name__}: got a dense gradient; use it for sparse tables")
                self._update(table, group)
        return loss

    def _update(self, table: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError


class RowwiseAdam(_Rowwise):
    """Adam on the rows of a table that the batch touched: torch's SparseAdam to rounding, only faster.

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², w ← w - lr · √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε);
    other rows keep w, m and v. `l2` adds l2 · w to a touched row's gradient.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | list[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        """Hold tables (rows, width) whose gradients are sparse."""
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "l2": l2})

    def _update(self, table: Tensor, group: dict[str, Any]) -> None:
        assert table.grad is not None
        state = self.state[table]
        if not state:
            state["step"] = torch.tensor(0.0)
            # The system hands out pages of zeros when they are first touched, so rows never seen are free.
            state["exp_avg"] = torch.zeros_like(table)
            state["exp_avg_sq"] = torch.zeros_like(table)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        time = float(state["step"])
        size = group["lr"] * (1 - beta2**time) ** 0.5 / (1 - beta1**time)
        for rows, gradient in summed(table.grad):
            weight = _read(table, rows)
            slope = gradient.add(weight, alpha=group["l2"]) if group["l2"] else gradient
            mean = _read(state["exp_avg"], rows).lerp_(slope, 1 - beta1)
            square = _read(state["exp_avg_sq"], rows).mul_(beta2)
            square.addcmul_(slope, slope, value=1 - beta2)
            weight.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-size)
            _write(state["exp_avg"], rows, mean)
            _write(state["exp_avg_sq"], rows, square)
            _write(table, rows, weight)


def _read(table: Tensor, rows: Tensor) -> Tensor:
    """Return rows (U,), rising, of a table: itself where they lie side by side, a copy where not."""
    start = _start(rows)
    return table.index_select(0, rows) if start is None else table.narrow(0, start, len(rows))


def _write(table: Tensor, rows: Tensor, values: Tensor) -> None:
    """Put values (U, width) that `_read` gave and that were changed back into their rows."""
    if _start(rows) is None:
        table.index_copy_(0, rows, values)


def _start(rows: Tensor) -> int | None:
    first, last = int(rows[0]), int(rows[-1])
    return first if last - first + 1 == len(rows) else None


def summed(gradient: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the distinct rows (U,) of a sparse gradient with their summed values (U, width), in chunks.

    Equal to `coalesce`, but a sum over a bag of rows takes a quarter of its time, and a chunk stays in
    the processor's cache. Rows that rise already, as those of whole blocks of a table do, are not copied.
    """
    rows, values = gradient._indices()[0], gradient._values()
    if not len(rows):
        return
    count = max(1, CHUNK // values.shape[1]) if values.device.type == "cpu" else max(len(rows), 1)
    if bool((rows[1:] > rows[:-1]).all()):
        yield from zip(torch.split(rows, count), torch.split(values, count), strict=True)
        return
    rows, order = rows.sort(stable=True)
    new = torch.ones_like(rows, dtype=torch.bool)
    torch.ne(rows[1:], rows[:-1], out=new[1:])
    starts = new.nonzero().squeeze(1)
    for chunk in torch.split(starts, count):
        first = int(chunk[0])
        last = int(chunk[-1])
        # The last bag ends where the next chunk begins.
        end = last + int(torch.searchsorted(rows[last:], rows[last], right=True))
        bags = torch.embedding_bag(values, order[first:end], chunk - first)[0]
        yield rows[chunk], bags


class RowwiseAdagrad(_Rowwise):
    """Adagrad on the rows of a table that the batch touched: v ← v + g², w ← w - lr · g / (√v + ε).

    Other rows keep w and v. `l2` adds l2 · w to a touched row's gradient.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | list[dict[str, Any]],
        lr: float = 1e-2,
        eps: float = 1e-10,
        l2: float = 0.0,
    ) -> None:
        """Hold tables (rows, width) whose gradients are sparse."""
        super().__init__(parameters, {"lr": lr, "eps": eps, "l2": l2})

    def _update(self, table: Tensor, group: dict[str, Any]) -> None:
        assert table.grad is not None
        state = self.state[table]
        if not state:
            state["sum"] = torch.zeros_like(table)
        for rows, gradient in summed(table.grad):
            weight = _read(table, rows)
            slope = gradient.add(weight, alpha=group["l2"]) if group["l2"] else gradient
            square = _read(state["sum"], rows).addcmul_(slope, slope)
            weight.addcdiv_(slope, square.sqrt().add_(group["eps"]), value=-group["lr"])
            _write(state["sum"], rows, square)
            _write(table, rows, weight)


def make_optimisers(
    net: Net, learning_rate: float, l2: float = 0.0, kind: Literal["adam", "adagrad"] = "adam"
) -> list[Optimizer]:
    """Return the row-wise optimiser for the net's sparse tables and torch's own for the rest.

    `l2` adds l2 · w to the gradients of embedding rows in the batch (not to the other weights). What
    `Net.learning_rates` yields learns at that multiple of `learning_rate`.
    """
    tables = {id(m.weight) for m in net.modules() if isinstance(m, nn.Embedding) and m.sparse}
    # Towers' weights lie in tables too, but are no embeddings: l2 would pull what multiplies by 1 towards 0.
    towers = {
        id(table.weight)
        for module in net.modules()
        if isinstance(module, ScenarioLinear)
        for table in (module.weights, module.biases)
    }
    factors = {id(parameter): factor for parameter, factor in net.learning_rates()}
    # Groups of what is treated alike: whether it is a table, its l2, its learning rate.
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for parameter in net.parameters():
        sparse = id(parameter) in tables
        decay = l2 if sparse and id(parameter) not in towers else 0.0
        rate = learning_rate * factors.get(id(parameter), 1.0)
        groups.setdefault((sparse, decay, rate), []).append(parameter)
    sparse_groups: list[dict[str, Any]] = [
        {"params": parameters, "l2": decay, "lr": rate}
        for (sparse, decay, rate), parameters in groups.items()
        if sparse
    ]
    dense_groups: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate} for (sparse, _, rate), parameters in groups.items() if not sparse
    ]
    optimisers: list[Optimizer] = []
    if sparse_groups:
        rowwise = RowwiseAdam if kind == "adam" else RowwiseAdagrad
        optimisers.append(rowwise(sparse_groups, learning_rate))
    if dense_groups:
        if kind == "adam":
            optimisers.append(torch.optim.Adam(dense_groups, learning_rate, fused=True))
        else:
            # torch has no fused Adagrad elsewhere.
            on_cpu = next(net.parameters()).device.type == "cpu"
            optimisers.append(torch.optim.Adagrad(dense_groups, learning_rate, fused=on_cpu))
    return optimisers
