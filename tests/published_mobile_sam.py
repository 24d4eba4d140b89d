"""The image encoder of MobileSAM as its authors name and shape its tensors, evaluated by functions alone."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F


def shapes(*, embed_dims, num_heads, depths, window_sizes, num_classes=1000, channels=256):
    """Name and shape of every tensor of the published encoder, in no order."""
    first = embed_dims[0]
    found = conv_norm("patch_embed.seq.0", first // 2, 3, 3) | conv_norm(
        "patch_embed.seq.2", first, first // 2, 3
    )
    for block in range(depths[0]):
        name, wide = f"layers.0.blocks.{block}", 4 * first
        found |= conv_norm(f"{name}.conv1", wide, first, 1) | conv_norm(f"{name}.conv2", wide, 1, 3)
        found |= conv_norm(f"{name}.conv3", first, wide, 1)
    for layer, (dim, out) in enumerate(pairwise(embed_dims)):
        name = f"layers.{layer}.downsample"
        found |= conv_norm(f"{name}.conv1", out, dim, 1) | conv_norm(f"{name}.conv2", out, 1, 3)
        found |= conv_norm(f"{name}.conv3", out, out, 1)
    for layer in range(1, len(depths)):
        dim, heads, window = embed_dims[layer], num_heads[layer], window_sizes[layer]
        for block in range(depths[layer]):
            name = f"layers.{layer}.blocks.{block}"
            found |= {f"{name}.attn.attention_biases": (heads, window**2)}
            found |= norm(f"{name}.attn.norm", dim) | linear(f"{name}.attn.qkv", 3 * dim, dim)
            found |= linear(f"{name}.attn.proj", dim, dim) | norm(f"{name}.mlp.norm", dim)
            found |= linear(f"{name}.mlp.fc1", 4 * dim, dim) | linear(f"{name}.mlp.fc2", dim, 4 * dim)
            found |= conv_norm(f"{name}.local_conv", dim, 1, 3)
    found |= norm("norm_head", embed_dims[-1]) | linear("head", num_classes, embed_dims[-1])
    found |= {"neck.0.weight": (channels, embed_dims[-1], 1, 1), "neck.2.weight": (channels, channels, 3, 3)}
    return found | norm("neck.1", channels) | norm("neck.3", channels)


def norm(name, dim):
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def linear(name, out, dim):
    return {f"{name}.weight": (out, dim), f"{name}.bias": (out,)}


def conv_norm(name, out, dim, kernel):
    statistics = {f"{name}.bn.running_mean": (out,), f"{name}.bn.running_var": (out,)}
    counter = {f"{name}.bn.num_batches_tracked": ()}
    return {f"{name}.c.weight": (out, dim, kernel, kernel)} | norm(f"{name}.bn", out) | statistics | counter


def encode(state, images, *, num_heads, depths, window_sizes):
    """Encode (N, 3, Y, X) with the tensors `state` under their published names."""
    x = F.gelu(convolved(state, "patch_embed.seq.0", images, stride=2))
    x = convolved(state, "patch_embed.seq.2", x, stride=2)
    for block in range(depths[0]):
        name = f"layers.0.blocks.{block}"
        inner = F.gelu(convolved(state, f"{name}.conv1", x))
        inner = F.gelu(convolved(state, f"{name}.conv2", inner))
        x = F.gelu(x + convolved(state, f"{name}.conv3", inner))
    for layer in range(1, len(depths)):
        name = f"layers.{layer - 1}.downsample"
        x = F.gelu(convolved(state, f"{name}.conv1", x))
        x = F.gelu(convolved(state, f"{name}.conv2", x, stride=1 if layer == len(depths) - 1 else 2))
        x = convolved(state, f"{name}.conv3", x)
        for block in range(depths[layer]):
            x = attended(state, f"layers.{layer}.blocks.{block}", x, num_heads[layer], window_sizes[layer])
    x = channel_norm(state, "neck.1", F.conv2d(x, state["neck.0.weight"]))
    return channel_norm(state, "neck.3", F.conv2d(x, state["neck.2.weight"], padding=1))


def convolved(state, name, x, *, stride=1):
    weight = state[f"{name}.c.weight"]
    groups = x.shape[1] // weight.shape[1]
    y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
    mean, variance, scale, shift = (
        state[f"{name}.bn.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (y - mean) / (variance + 1e-5).sqrt() * scale + shift


def attended(state, name, x, heads, window):
    """One block: attention within windows, a convolution, a perceptron."""
    height, width = x.shape[2:]
    cells = x.movedim(1, -1)
    padded = F.pad(cells, (0, 0, 0, -width % window, 0, -height % window))
    found = torch.zeros_like(padded)
    for top in range(0, padded.shape[1], window):
        for left in range(0, padded.shape[2], window):
            part = (slice(None), slice(top, top + window), slice(left, left + window))
            found[part] = within_window(state, f"{name}.attn", padded[part], heads)
    x = x + found[:, :height, :width].movedim(-1, 1)
    x = convolved(state, f"{name}.local_conv", x)
    inner = layer_norm(state, f"{name}.mlp.norm", x.movedim(1, -1))
    inner = F.linear(F.gelu(project(state, f"{name}.mlp.fc1", inner)), state[f"{name}.mlp.fc2.weight"])
    return x + (inner + state[f"{name}.mlp.fc2.bias"]).movedim(-1, 1)


def within_window(state, name, cells, heads):
    """Attend between all cells of (N, w, w, C); biases by the distance along either axis."""
    window = cells.shape[1]
    tokens = layer_norm(state, f"{name}.norm", cells).flatten(1, 2)
    parts = project(state, f"{name}.qkv", tokens).unflatten(-1, (heads, 3, -1)).permute(3, 0, 2, 1, 4)
    row, column = torch.arange(window**2) // window, torch.arange(window**2) % window
    offset = (row[:, None] - row).abs() * window + (column[:, None] - column).abs()
    bias = state[f"{name}.attention_biases"][:, offset]
    weights = (parts[0] @ parts[1].mT / parts.shape[-1] ** 0.5 + bias).softmax(-1)
    mixed = (weights @ parts[2]).transpose(1, 2).flatten(2)
    return project(state, f"{name}.proj", mixed).unflatten(1, (window, window))


def project(state, name, x):
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def layer_norm(state, name, x):
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)


def channel_norm(state, name, x):
    y = F.layer_norm(x.movedim(1, -1), x.shape[1:2], state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)
    return y.movedim(-1, 1)
