"""An encoder for tests: deterministic, as slow and as broken as the environment says, and it logs each call.

It is installed as a third party's package would be: a folder on the path with an entry point of the group
``samespace.encoders``.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

import numpy as np
from samespace.canaries import TEXTS
from samespace.encoders import Encoder


class SlowEncoder(Encoder):
    """A unit vector from the SHA-256 of the text (and of SLOW_SALT: other weights under the same name)."""

    def encode(self, values, role="document"):
        texts = [value for value in values if value not in TEXTS]
        self._log({"call": "begin", "pid": os.getpid(), "texts": texts})
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")) * len(texts))
        for text in texts:
            if text == os.environ.get("SLOW_FAILS_ON"):
                raise RuntimeError("the model does not like\nthis text")
        rows = np.array(
            [self._vector(f"{role if self.spec.prompt(role) else ''}{value}") for value in values]
        )
        self._log({"call": "end", "pid": os.getpid(), "texts": texts})
        return rows.reshape(len(values), self.spec.dimension)

    def _vector(self, value):
        seed = hashlib.sha256(f"{os.environ.get('SLOW_SALT', '')}{value}".encode()).digest()[:8]
        row = np.random.default_rng(int.from_bytes(seed, "big")).normal(size=self.spec.dimension)
        return (row / np.linalg.norm(row)).astype(np.float32)

    def _log(self, event):
        if os.environ.get("SLOW_LOG"):
            with open(os.environ["SLOW_LOG"], "a") as file:
                file.write(json.dumps(event) + "\n")
