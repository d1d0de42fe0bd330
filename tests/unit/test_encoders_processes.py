"""What only a fresh process shows: the libraries loaded, what is printed, what the hub cache gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from encoder_models import (
    BERT_TOKENIZER,
    MINILM,
    PARAPHRASE,
    package_path,
    token_matrix,
    write_static_model,
)
from harness import REPO

HASH = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


def in_a_process(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(REPO / folder) for folder in ("python", "tests"))
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TOKENIZERS_"))}
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", script],
        capture_output=True, text=True, check=False, timeout=300,
        env={**bare, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", **environment},
    )


def test_light_providers_load_no_torch_and_no_dbt() -> None:
    done = in_a_process("""
import sys, samespace.encoders
assert not {'numpy', 'torch', 'tokenizers', 'sklearn'} & sys.modules.keys()
from encoder_models import PACKAGES, PROVIDERS, installed
for name in ('onnx', 'static', 'word-vectors', 'hashing'):
    if not installed(PACKAGES.get(name, 'sklearn')):
        continue
    encoder = samespace.encoders.load_encoder(PROVIDERS[name]())
    encoder.encode(['one text', 'another'], 'query')
    encoder.token_counts(['one text'])
found = {'torch', 'transformers', 'sentence_transformers', 'dbt', 'duckdb'} & sys.modules.keys()
print(*found)
""")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.real_model
def test_packed_loads_neither_transformers_nor_sentence_transformers() -> None:
    done = in_a_process("""
import sys
from encoder_models import minilm
from memory_registry import MemoryRegistry
from samespace.canaries import verified_encoder
encoder = verified_encoder(minilm(), MemoryRegistry())
encoder.encode_counted(['one text', 'another'], 'query')
print(*{'transformers', 'sentence_transformers', 'huggingface_hub', 'sklearn', 'scipy'} & sys.modules.keys())
""")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def hub_cache(home: Path, model: str, files: Mapping[str, Path]) -> None:
    """A hub cache as huggingface_hub lays it out, with one snapshot of one model."""
    repository = home / "hub" / f"models--{model.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(HASH)
    for name, source in files.items():
        target = repository / "snapshots" / HASH / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)


@pytest.mark.real_model
def test_hub_models_tell_their_commit_and_nothing_is_printed(tmp_path: Path) -> None:
    folder = package_path(MINILM)
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    hub_cache(tmp_path, "sentence-transformers/all-MiniLM-L6-v2", files)
    graph = {"onnx/model.onnx": package_path(PARAPHRASE), "tokenizer.json": package_path(BERT_TOKENIZER)}
    hub_cache(tmp_path, "org/graph", graph)
    static = write_static_model(tmp_path / "made", {"embeddings": token_matrix()})
    hub_cache(tmp_path, "org/static", {file.name: file for file in static.iterdir()})
    script = f"""
from encoder_models import spec
from samespace.encoders import load_encoder
for provider, dimension, model in (
    ('sentence-transformers', 384, 'sentence-transformers/all-MiniLM-L6-v2'),
    ('onnx', 384, 'org/graph'), ('static', 32, 'org/static'),
):
    for revision in (None, 'main', '{HASH}'):
        encoder = load_encoder(spec(provider, dimension, model=model, revision=revision))
        assert encoder.resolved_revision == '{HASH}', (provider, revision, encoder.resolved_revision)
        encoder.encode(['one', 'another ' * 600])
        encoder.token_counts(['another ' * 600])
"""
    done = in_a_process(script, HF_HOME=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.real_model
def test_a_hub_model_that_is_not_there(tmp_path: Path) -> None:
    script = """
import json
from encoder_models import spec
from samespace.encoders import load_encoder
from samespace.errors import EncoderError
said = {}
for provider in ('sentence-transformers', 'onnx', 'static'):
    try:
        load_encoder(spec(provider, 3, model='org/never', revision='abc'))
    except EncoderError as error:
        said[provider] = str(error)
print(json.dumps(said))
"""
    done = in_a_process(script, HF_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert len(said) == 3
    for text in said.values():
        assert "'org/never' at revision 'abc' could not be loaded from the Hugging Face hub" in text
        assert "HF_HUB_OFFLINE" in text
        assert "load_from" in text
