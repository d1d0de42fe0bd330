"""The arithmetic of a BERT-like encoder on packed batches, in float32 or bfloat16, with torch alone.

Devlin et al. 2019 (post-layer-norm transformer, erf GELU). torch is handed in: importing this costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samespace.encoders._bert import Bert
from samespace.encoders._packing import Packed

_WARM = 31 << 20

_BERT = {
    "word": "embeddings.word_embeddings", "position": "embeddings.position_embeddings",
    "type": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm",
    "query": "encoder.layer.{}.attention.self.query", "key": "encoder.layer.{}.attention.self.key",
    "value": "encoder.layer.{}.attention.self.value", "output": "encoder.layer.{}.attention.output.dense",
    "norm1": "encoder.layer.{}.attention.output.LayerNorm", "up": "encoder.layer.{}.intermediate.dense",
    "down": "encoder.layer.{}.output.dense", "norm2": "encoder.layer.{}.output.LayerNorm",
}
_DISTILBERT = {
    **_BERT,
    "query": "transformer.layer.{}.attention.q_lin", "key": "transformer.layer.{}.attention.k_lin",
    "value": "transformer.layer.{}.attention.v_lin", "output": "transformer.layer.{}.attention.out_lin",
    "norm1": "transformer.layer.{}.sa_layer_norm", "up": "transformer.layer.{}.ffn.lin1",
    "down": "transformer.layer.{}.ffn.lin2", "norm2": "transformer.layer.{}.output_layer_norm",
}


class Transformer:
    """Token ids in, one vector per text out, before any dense layer: float32 [texts, width] on the device.

    In bfloat16 every product has bfloat16 factors and float32 sums, and layers hand on bfloat16.
    Raises KeyError for a tensor that is not in the file.
    """

    def __init__(
        self, torch: Any, bert: Bert, tensors: Mapping[str, Any], precision: str, device: str
    ) -> None:
        self._torch, self._bert, self._device = torch, bert, torch.device(device)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        names = _DISTILBERT if bert.kind == "distilbert" else _BERT
        word = f"{names['word']}.weight"
        prefix = next((name[: -len(word)] for name in tensors if name.endswith(word)), "")
        self._tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        self._word, self._position = self._tables(names)
        self._norm = self._norm_of(names["norm"])
        self._layers = [self._layer(names, number) for number in range(bert.layers)]
        del self._tensors
        # glibc returns large blocks to the system at once, and every batch would fault its pages in again;
        # having freed one this large, it keeps them.
        torch.empty(_WARM, dtype=torch.uint8)

    def _tensor(self, name: str) -> Any:
        return self._tensors[name].to(device=self._device, dtype=self._torch.float32)

    def _tables(self, names: Mapping[str, str]) -> tuple[Any, Any]:
        word, position = (self._tensor(f"{names[name]}.weight") for name in ("word", "position"))
        kind = f"{names['type']}.weight"
        return word, position + self._tensor(kind)[0] if kind in self._tensors else position

    def _norm_of(self, name: str) -> tuple[Any, Any]:
        return self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")

    def _layer(self, names: Mapping[str, str], number: int) -> tuple[Any, ...]:
        torch, of = self._torch, {name: path.format(number) for name, path in names.items()}
        scale = float(self._bert.width // self._bert.heads) ** -0.5
        heads = [[self._tensor(f"{of[name]}.{part}") for name in ("query", "key", "value")]
                 for part in ("weight", "bias")]
        for part in heads:
            part[0] = part[0] * scale  # once here instead of in every product with the keys
        attention = self._linear(torch.cat(heads[0]), torch.cat(heads[1]))
        output, up, down = (
            self._linear(self._tensor(f"{of[name]}.weight"), self._tensor(f"{of[name]}.bias"), name == "up")
            for name in ("output", "up", "down")
        )
        return attention, output, self._norm_of(of["norm1"]), up, down, self._norm_of(of["norm2"])

    def _linear(self, weight: Any, bias: Any, gelu: bool = False) -> Linear:
        return Linear(self._torch, weight.to(self._dtype), bias, gelu)

    def vectors(self, batch: Packed) -> Any:
        """Pooled vectors of a batch in the order of ``batch.texts``, float32 [n, width]."""
        torch = self._torch
        with torch.inference_mode():
            hidden = self._hidden(batch)
            if self._bert.pooling == "cls":
                return hidden[self._at(batch.starts)]
            return torch.nn.functional.embedding_bag(
                self._at(batch.places), hidden, self._at(batch.firsts), mode="mean"
            )

    def _at(self, array: Any) -> Any:
        return self._torch.from_numpy(array).to(self._device)

    def _hidden(self, batch: Packed) -> Any:
        """The last layer's states, float32 [tokens, width]."""
        functional = self._torch.nn.functional
        positions = self._at(batch.positions) + self._bert.first_position
        x = functional.embedding(self._at(batch.ids), self._word)
        x = self._normed(x.add_(functional.embedding(positions, self._position)), self._norm).to(self._dtype)
        mask = self._mask(self._at(batch.segments))
        for attention, output, norm1, up, down, norm2 in self._layers:
            x = self._normed(output(self._attended(attention(x), mask), x), norm1)
            summed = down(up(x), x)
            # the last layer is not rounded again
            x = self._normed(summed if norm2 is not self._layers[-1][-1] else summed.float(), norm2)
        return x

    def _normed(self, x: Any, norm: tuple[Any, Any]) -> Any:
        return self._torch.nn.functional.layer_norm(x, (self._bert.width,), *norm, self._bert.epsilon)

    def _mask(self, segments: Any) -> Any:
        """0 where two tokens of a bin are of one text, -inf elsewhere: [bins, 1, columns, columns]."""
        foreign = segments[:, None, :, None] != segments[:, None, None, :]
        mask = self._torch.zeros(foreign.shape, dtype=self._dtype, device=self._device)
        return mask.masked_fill_(foreign, float("-inf"))

    def _attended(self, projected: Any, mask: Any) -> Any:
        """softmax(q k' + mask) v per head: [tokens, 3 * width] -> [tokens, width]."""
        bins, columns, heads = mask.shape[0], mask.shape[-1], self._bert.heads
        split = projected.view(bins, columns, 3, heads, -1)
        query, key, value = (split[:, :, part].transpose(1, 2) for part in range(3))
        attended = self._torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=1.0
        )
        return attended.transpose(1, 2).reshape(len(projected), -1)


class Linear:
    """x W' + b, then GELU or the sum with a residual; fused by oneDNN where torch offers that.

    The operators with a prepacked weight are those torch.compile emits. They are not public, so a torch
    without them gets the plain ones, with the same results up to rounding.
    """

    def __init__(self, torch: Any, weight: Any, bias: Any, gelu: bool) -> None:
        self._functional, self._gelu = torch.nn.functional, gelu
        self._weight, self._bias = weight, bias.to(weight.dtype)
        self._fused = _fused(torch, weight)
        if self._fused:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)

    def __call__(self, x: Any, residual: Any = None) -> Any:
        if self._fused:
            if residual is not None:
                return self._fused.binary(x, residual, self._weight, self._bias, "add")
            return self._fused(x, self._weight, self._bias, "gelu" if self._gelu else "none", [], "none")
        y = self._functional.linear(x, self._weight, self._bias)
        if self._gelu:
            return self._functional.gelu(y)
        return y if residual is None else y.add_(residual)


# The rows a weight is prepacked for; other sizes work.
_ROWS = 2_048


def _fused(torch: Any, weight: Any) -> Any:
    """oneDNN's linear with a post-operation for bfloat16 on the CPU, None where there is none."""
    here = weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
    if not here or weight.dtype != torch.bfloat16:
        return None
    found = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    return found if found and hasattr(torch.ops.mkldnn, "_reorder_linear_weight") else None
