"""Qwen3ForCausalLM as transformers computes it, small and fast on a CPU, for packed rows of documents."""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F


def rotary_tables(positions, head_dim, theta):
    """cos and sin [..., head_dim] for integer positions, computed in f32 as transformers does."""
    inverse = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = positions.float()[..., None] * inverse
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


def attend(q, k, v, mask):
    """Softmax attention, [R, H, T, D] each; products by hand, because the fused CPU kernel's backward is slow here."""
    if mask is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)
    scores = torch.matmul(q, k.transpose(2, 3)) * q.shape[3] ** -0.5
    return torch.matmul((scores + mask).softmax(-1), v)


class Norm(nn.Module):
    """RMSNorm over the last axis."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, self.head_dim = config["hidden_size"], config["head_dim"]
        self.heads, self.groups = config["num_attention_heads"], config["num_key_value_heads"]
        self.q_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden, self.groups * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden, self.groups * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, hidden, bias=False)
        self.q_norm = Norm(self.head_dim, config["rms_norm_eps"])
        self.k_norm = Norm(self.head_dim, config["rms_norm_eps"])

    def forward(self, x, cos, sin, mask, cache=None):
        """x [R, T, C]; cos, sin [R, T, D]; mask [R, 1, T, keys] added to the scores, or None for causal."""
        rows, length, _ = x.shape
        cos, sin = cos[:, :, None], sin[:, :, None]
        q = rotate(self.q_norm(self.q_proj(x).view(rows, length, self.heads, self.head_dim)), cos, sin)
        k = rotate(self.k_norm(self.k_proj(x).view(rows, length, self.groups, self.head_dim)), cos, sin)
        v = self.v_proj(x).view(rows, length, self.groups, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if cache is not None:
            if cache:
                k, v = torch.cat((cache["k"], k), dim=2), torch.cat((cache["v"], v), dim=2)
            cache["k"], cache["v"] = k, v
        share = self.heads // self.groups
        k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
        with torch.autocast("cpu", enabled=False):
            out = attend(q.float(), k.float(), v.float(), mask)
        return out.transpose(1, 2).reshape(rows, length, -1)


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(hidden, inner, bias=False)
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = Mlp(config)
        self.input_layernorm = Norm(config["hidden_size"], config["rms_norm_eps"])
        self.post_attention_layernorm = Norm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, x, cos, sin, mask, cache=None, at=None):
        """`at`: flat positions to go on with after attention (the last layer of a loss), [M, C]; None keeps all."""
        mixed = self.self_attn(self.input_layernorm(x), cos, sin, mask, cache)
        if at is not None:
            x, mixed = x.flatten(0, 1)[at], mixed.flatten(0, 1)[at]
        x = x + self.self_attn.o_proj(mixed)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList([Layer(config) for _ in range(config["num_hidden_layers"])])
        self.norm = Norm(config["hidden_size"], config["rms_norm_eps"])


class Qwen3(nn.Module):
    """Parameter names are those of the checkpoint. The head is the embedding (tied)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = Model(config)

    def hidden(self, ids, positions, mask=None, caches=None, at=None):
        """Last hidden states after the final norm, [R, T, C] or, at flat positions `at`, [M, C]; ids, positions [R, T]."""
        cos, sin = rotary_tables(positions, self.config["head_dim"], self.config["rope_theta"])
        x = self.model.embed_tokens(ids)
        for i, layer in enumerate(self.model.layers):
            last = i == len(self.model.layers) - 1
            x = layer(x, cos, sin, mask, caches[i] if caches else None, at if last else None)
        return self.model.norm(x)

    def head(self, hidden):
        return F.linear(hidden, self.model.embed_tokens.weight)

    def initialise(self, seed):
        """Normal(0, 0.02) for every matrix, ones for the norms, as transformers does."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if "norm" not in name:
                nn.init.normal_(parameter, std=self.config["initializer_range"], generator=generator)


def load_config(folder):
    return json.loads((Path(folder) / "config.json").read_text())


@torch.no_grad()
def generate(model, prompts, stop, max_new_tokens, temperature, generator):
    """Continues lists of ids; temperature 0 is greedy. Returns the new ids, with the stop token where it came."""
    results = [None] * len(prompts)
    by_length = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(index)
    for length, indices in sorted(by_length.items()):
        ids = torch.tensor([prompts[i] for i in indices])
        caches = [{} for _ in model.model.layers]
        positions = torch.arange(length).expand(len(indices), -1)
        new = []
        done = torch.zeros(len(indices), dtype=torch.bool)
        for _ in range(max_new_tokens):
            logits = model.head(model.hidden(ids, positions, None, caches)[:, -1])
            if temperature == 0:
                token = logits.argmax(-1)
            else:
                token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
            new.append(token)
            done |= token == stop
            if done.all():
                break
            ids, positions = token[:, None], positions[:, -1:] + 1
        for row, index in enumerate(indices):
            tokens = [int(token[row]) for token in new]
            results[index] = tokens[: tokens.index(stop) + 1] if stop in tokens else tokens
    return results
