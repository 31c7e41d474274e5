"""SATrans and AutoInt a second time, in NumPy, one row after the other, straight from the equations."""

import numpy as np


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def norm(x, gain, bias, eps=1e-5):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * gain + bias


def relu(x):
    return np.maximum(x, 0)


def weights_of(net):
    return {name: value.detach().double().numpy() for name, value in net.state_dict().items()}


def embed(weights, layout, ids, table="embedding.weight"):
    starts = np.concatenate([[0], np.cumsum(layout.sizes)[:-1]])
    return weights[table][ids + starts]


def heads_of(x, heads):
    return np.split(x, heads, axis=-1)


def scenario_vectors(weights, config, layout, ids, scenario):
    """s of every (layer, letter), Section 4.2."""
    found = {}
    position = 0
    for layer in range(config.layers):
        for letter in config.meta_places:
            if config.encoder == "ie":
                s = weights["encoder.table.weight"][scenario]
            else:
                parts = [
                    weights[f"encoder.tables.{m}.weight"][ids[column]]
                    for m, column in enumerate(layout.scenario_columns)
                ]
                if config.encoder == "enp":
                    parts.append(weights["encoder.position"][position])
                s = weights["encoder.weight"] @ relu(np.concatenate(parts))
            found[layer, letter] = s
            position += 1
    return found


def satrans(weights, config, layout, ids, scenario):
    """Logit and attention (layers, heads, N, N) of one row."""
    d, count = config.width, config.heads
    inner = d // count
    x = embed(weights, layout, ids)
    vectors = scenario_vectors(weights, config, layout, ids, scenario)
    seen = []
    for layer in range(config.layers):
        block = f"blocks.{layer}."
        w = dict(zip("qkv", np.split(weights[block + "project"], 3), strict=True))
        p = {letter: x @ w[letter].T for letter in "qkv"}
        if config.attention == "gate":
            for letter in "qk":
                p[letter] = p[letter] / (1 + np.exp(-vectors[layer, letter]))
        if config.attention == "meta":
            for letter in config.meta_on:
                slots = vectors[layer, letter].reshape(config.depth, d, d)
                y = p[letter]
                for slot in range(config.depth - 1, 0, -1):
                    y = relu(y @ slots[slot].T)
                y = y @ slots[0].T
                gain, bias = (weights[f"{block}meta_norms.{letter}.{part}"] for part in ("weight", "bias"))
                p[letter] = norm(y, gain, bias)
        q, k, v = (heads_of(p[letter], count) for letter in "qkv")
        mixed, shown = [], []
        for h in range(count):
            scores = q[h] @ k[h].T
            if config.attention == "bilinear":
                matrix = vectors[layer, "q"].reshape(count, inner, inner)[h]
                scores = q[h] @ matrix @ k[h].T
            attention = softmax(scores * (inner**-0.5 if config.scale else 1))
            shown.append(attention)
            mixed.append(attention @ v[h])
        added = np.concatenate(mixed, -1) @ weights[block + "aggregate"].T
        x = norm(added + x, weights[block + "norm.weight"], weights[block + "norm.bias"])
        seen.append(shown)
    # The output layer's weights are kept unit by unit, the fields of a unit side by side.
    logit = weights["output.weight"][0] @ x.T.reshape(-1) + weights["output.bias"][0]
    return logit, np.array(seen)


def autoint(weights, config, layout, ids):
    """Logit and attention (layers, heads, N, N) of one row."""
    embedded = x = embed(weights, layout, ids)
    seen = []
    for layer in range(config.layers):
        q, k, v, r = (x @ w.T for w in np.split(weights[f"blocks.{layer}.project"], 4))
        scale = (config.width // config.heads) ** -0.5 if config.scale else 1
        parts = zip(*(heads_of(y, config.heads) for y in (q, k, v)), strict=True)
        shown = [(softmax(a @ b.T * scale), c) for a, b, c in parts]
        x = relu(np.concatenate([attention @ c for attention, c in shown], -1) + r)
        seen.append([attention for attention, _ in shown])
    flat = [x.T.reshape(-1)]
    if config.hidden:
        y = embedded.reshape(-1)
        for index in range(len(config.hidden.split(","))):
            y = relu(weights[f"mlp.layers.{index}.weight"] @ y + weights[f"mlp.layers.{index}.bias"])
        flat.append(y)
    logit = weights["output.weight"][0] @ np.concatenate(flat) + weights["output.bias"][0]
    if config.linear:
        logit += embed(weights, layout, ids, "first_order.weight").sum()
    return logit, np.array(seen)
