"""Vendor libraries: import them late, keep them quiet, give them the processors we really have."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from typing import Any

from samespace.errors import EncoderError, MissingDependencyError
from samespace.kernels._cpu import cpu_threads

__all__ = ["cpu_threads", "quiet", "vendor"]

_LOGGERS = ("sentence_transformers", "transformers", "huggingface_hub", "torch", "onnxruntime", "httpx")
_WARNERS = r"(torch|transformers|sentence_transformers|huggingface_hub|onnxruntime|sklearn|tokenizers)(\.|$)"
_SILENCE = {
    "TOKENIZERS_PARALLELISM": "true",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


def vendor(module: str, extra: str, model_id: str) -> Any:
    """Import a vendor module for a model.

    Raises MissingDependencyError with the pip line when the package is absent, EncoderError when it is
    installed but cannot be imported.
    """
    quiet()
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != package:
            raise EncoderError(
                f"samespace: {model_id}: '{module}' is installed but needs '{error.name}', which is not. "
                f"Repair it: pip install --upgrade 'samespace[{extra}]'"
            ) from error
        raise MissingDependencyError(
            f"samespace: {model_id} needs the Python package '{package}', which is not installed "
            f"where dbt runs. Install it: pip install 'samespace[{extra}]'"
        ) from error
    except ImportError as error:
        raise EncoderError(
            f"samespace: {model_id}: '{module}' is installed but cannot be imported: {error}. "
            f"Repair it: pip install --upgrade --force-reinstall 'samespace[{extra}]'"
        ) from error


def quiet() -> None:
    """Keep progress bars, warnings and advice of the vendor libraries out of dbt's output.

    Repeated before every load and encode: test runners and other libraries reset warning filters.
    """
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=_WARNERS)
