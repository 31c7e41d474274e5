"""What a model would show: users of each scenario, the same candidate items for all, the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msviz.errors import MsvizError
from msviz.lazy import torch
from msviz.schema import FIRST, UNSEEN

if TYPE_CHECKING:
    from msviz.analyses.shared.behaviours import Array
    from msviz.batch import Batch
    from msviz.probing.study import Study

POOL = 200_000  # rows among which users and items are looked for


@dataclass(frozen=True)
class Setting:
    """Who is shown something, and what can be shown: the same for every model.

    `rows` (R,) positions of impressions, each of another user in its scenario; `scenario` (R,) their number
    among `names`; `items` (C, N) the fields of an impression of each candidate, of which the item's are used.
    `requests` (R, Q) are the same users' latest impressions in the scenario, `rows` the last of them and -1
    where there are fewer; of one request, any of a user's is taken.
    """

    names: list[str]
    rows: Array
    scenario: Array
    items: Array
    columns: list[int]
    requests: Array

    @classmethod
    def of(cls, study: Study, users: int, candidates: int, most: int, requests: int = 1) -> Setting:
        """Draw users with a history, and items by how often they are shown, by the study's seed.

        Raises MsvizError where the log has no item or nobody has a history.
        """
        part, schema = study.part, study.schema
        columns = [n for n, field in enumerate(schema.features) if field.role == "item"]
        item = schema.role("item")
        if item is None or not schema.behaviour_columns:
            raise MsvizError(
                "category_diversity: the log needs an item (role: item) and past clicks of items"
            )
        draw = np.random.default_rng(study.seed)
        pool = draw.permutation(study.sample(POOL))
        fields = part.fields(pool)
        item_column = schema.behaviour_columns[0]
        items = np.flatnonzero(fields[:, item_column] >= FIRST)
        # One impression of each item that was met: frequent items are met earlier.
        first = items[np.sort(np.unique(fields[items, item_column], return_index=True)[1])][:candidates]
        user = schema.role("user")
        who = fields[:, schema.index(user.name)] if user else pool
        some = part.history_spans[1][pool] > 0
        where = part.scenario[pool]
        count = np.bincount(where[some], minlength=len(schema.scenarios) + 1)
        count[UNSEEN] = 0
        largest = np.sort(np.argsort(-count, kind="stable")[:most])
        largest = largest[count[largest] > 0]
        if not len(largest) or not len(first):
            raise MsvizError(f"split {study.split}: nobody with past clicks is shown anything")
        rows, number, request_rows = [], [], []
        for place_of, scenario in enumerate(largest):
            own = np.flatnonzero(some & (where == scenario))
            chosen = own[np.sort(np.unique(who[own], return_index=True)[1])][:users]
            latest = pool[chosen][:, None]
            if requests > 1:
                latest = _latest(
                    who[own],
                    np.asarray(part.time)[pool[own]],
                    pool[own],
                    who[chosen],
                    requests,
                )
            request_rows.append(latest)
            rows.append(latest[:, 0])
            number.append(np.full(len(chosen), place_of))
        names = [schema.scenario_names[scenario] for scenario in largest]
        every = np.concatenate(request_rows)
        return cls(names, np.concatenate(rows), np.concatenate(number), fields[first], columns, every)


def _latest(owner: Array, time: Array, position: Array, users: Array, count: int) -> Array:
    """Return the positions (U, count) of each user's latest impressions, the last one first, -1 for none."""
    order = np.lexsort((-position, -time, owner))
    owner, position = owner[order], position[order]
    out = np.full((len(users), count), -1, np.int64)
    for number, start in enumerate(np.searchsorted(owner, users)):
        stop = min(start + count, int(np.searchsorted(owner, users[number], side="right")))
        out[number, : stop - start] = position[start:stop]
    return out


def best(
    study: Study, setting: Setting, rows: Array, top: int, words: str, share: tuple[float, float]
) -> Array:
    """Return which `top` candidates (R, top) a model rates highest for each of the rows, the best first."""
    out = np.empty((len(rows), min(top, len(setting.items))), np.int64)
    size = study.net.piece or study.batch_size
    for number, row in enumerate(rows):
        batch = study.batch(np.array([row]))
        score = []
        for start in range(0, len(setting.items), size):
            score.append(study.predict(_offer(batch, setting, slice(start, start + size))).cpu())
        ranked = torch.argsort(torch.cat(score), descending=True, stable=True)[: out.shape[1]]
        out[number] = ranked.numpy()
        if study.progress and number % 20 == 0:
            done = share[0] + (share[1] - share[0]) * number / len(rows)
            study.progress(done, f"{words}: {number:,} of {len(rows):,} requests")
    return out


def _offer(batch: Batch, setting: Setting, which: slice) -> Batch:
    """Return the only row of a batch with each of some candidates in its place."""
    items = torch.from_numpy(setting.items[which]).to(batch.fields.device)
    many = batch.take(torch.zeros(len(items), dtype=torch.long, device=batch.fields.device))
    fields = many.fields.clone()
    fields[:, setting.columns] = items[:, setting.columns]
    return many.replace(fields=fields)
