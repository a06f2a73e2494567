"""The libraries below speak up where a person could not act on it: progress of a second's work, optional kernels."""

import logging
import os
import warnings


def libraries() -> None:
    """To be called before transformers is imported: it reads its settings then. The hub is off as well."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
