"""What a folder of a BERT-like sentence encoder says about itself: JSON files only, no heavy import.

Only models whose arithmetic is known here pass; all others are for sentence-transformers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = (
    "config.json", "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    "tokenizer.json", "tokenizer_config.json", "model.safetensors", "*/config.json", "*/model.safetensors",
)
_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_ACTIVATIONS = ("Tanh", "Identity")


class NotPlainError(Exception):
    """Why a model is not one that can be computed here, as the end of a sentence."""


@dataclass(frozen=True)
class Dense:
    """A linear layer behind the pooling: its folder, and whether tanh follows."""

    folder: Path
    tanh: bool


@dataclass(frozen=True)
class Bert:
    """The shape of an encoder. ``positions`` is the longest text in tokens, ``window`` what is read of it."""

    kind: str
    layers: int
    heads: int
    width: int
    epsilon: float
    first_position: int
    positions: int
    window: int
    pooling: str
    dense: tuple[Dense, ...]
    normalized: bool
    prompts: dict[str, str]


# Keys of config.json by model_type where they differ from BERT's.
_DISTILBERT = {
    "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "hidden_size": "dim",
    "hidden_act": "activation",
}
_KINDS: dict[str, dict[str, str]] = {
    "bert": {}, "roberta": {}, "xlm-roberta": {}, "distilbert": _DISTILBERT,
}


def read_bert(folder: Path) -> Bert:
    """The encoder in a folder that sentence-transformers saved. Raises NotPlainError for any other."""
    config = _json(folder / "config.json")
    kind = str(config.get("model_type"))
    if kind not in _KINDS:
        raise NotPlainError(f"its model_type is '{kind}', not one of {', '.join(_KINDS)}")
    names = _KINDS[kind]

    def of(key: str, default: Any = None) -> Any:
        return config.get(names.get(key, key), default)

    _demand(of("hidden_act", "gelu") == "gelu", f"its activation is '{of('hidden_act')}', not 'gelu'")
    _demand(of("position_embedding_type", "absolute") == "absolute", "its positions are relative")
    _demand(not of("is_decoder", False), "it is a decoder")
    _demand((folder / "model.safetensors").is_file(), "it has no single model.safetensors")
    first = int(of("pad_token_id", 1)) + 1 if "roberta" in kind else 0
    positions = int(of("max_position_embeddings", 512)) - first
    window, prompts = _window(folder, positions), _prompts(folder)
    pooling, dense, normalized = _modules(folder)
    return Bert(
        kind, int(of("num_hidden_layers")), int(of("num_attention_heads")), int(of("hidden_size")),
        float(config.get("layer_norm_eps", 1e-12)), first, positions, window, pooling, dense,
        normalized, prompts,
    )  # fmt: skip


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotPlainError(otherwise)


def _json(path: Path, needed: bool = True) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if needed:
            raise NotPlainError(f"it has no {path.name}") from error
        return {}
    except (OSError, ValueError) as error:
        raise NotPlainError(f"its {path.name} cannot be read: {error}") from error


def _window(folder: Path, positions: int) -> int:
    """max_seq_length as sentence-transformers takes it; else what tokenizer_config.json says."""
    own = _json(folder / "sentence_bert_config.json", needed=False)
    _demand(not own.get("do_lower_case"), "its texts are lower-cased before the tokenizer")
    _demand(own.get("transformer_task", "feature-extraction") == "feature-extraction", "it has another task")
    tokenizer = _json(folder / "tokenizer_config.json")
    _demand((folder / "tokenizer.json").is_file(), "it has no tokenizer.json")
    _demand(tokenizer.get("truncation_side", "right") == "right", "its texts are cut on the left")
    wanted = own.get("max_seq_length") or tokenizer.get("model_max_length") or positions
    return int(min(wanted, positions))


def _prompts(folder: Path) -> dict[str, str]:
    shipped = _json(folder / "config_sentence_transformers.json", needed=False).get("prompts") or {}
    return {name: text for name, text in shipped.items() if text}


def _modules(folder: Path) -> tuple[str, tuple[Dense, ...], bool]:
    """The pooling, the dense layers in order, and whether vectors leave the model with length 1."""
    modules = [(str(entry["type"]).rpartition(".")[2], folder / entry["path"])
               for entry in _json(folder / "modules.json")]
    names = [name for name, _ in modules]
    behind = names[2:-1] if names[-1:] == ["Normalize"] else names[2:]
    known = names[:2] == ["Transformer", "Pooling"] and set(behind) <= {"Dense"}
    _demand(known and modules[0][1] == folder, f"its modules are {', '.join(names)}")
    dense = tuple(_dense(place) for name, place in modules if name == "Dense")
    return _pooling(_json(modules[1][1] / "config.json")), dense, names[-1] == "Normalize"


def _pooling(config: dict[str, Any]) -> str:
    legacy = [name for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    pooling = config.get("pooling_mode") or (_POOLING.get(legacy[0]) if len(legacy) == 1 else None)
    _demand(pooling in _POOLING.values(), f"its pooling is {pooling or ' + '.join(legacy) or 'not said'}")
    _demand(config.get("include_prompt", True), "its pooling leaves the prompt out")
    return str(pooling)


def _dense(folder: Path) -> Dense:
    config = _json(folder / "config.json")
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    plain = (
        activation in _ACTIVATIONS and not config.get("use_residual")
        and config.get("module_input_name", "sentence_embedding") == "sentence_embedding"
        and config.get("module_output_name") in (None, "sentence_embedding")
        and (folder / "model.safetensors").is_file()
    )  # fmt: skip
    _demand(plain, f"its dense layer {folder.name} is not a plain one")
    return Dense(folder, activation == "Tanh")
