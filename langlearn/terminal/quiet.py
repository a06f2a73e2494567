"""The libraries below speak up where a person could not act on it: progress of a second's work, optional kernels."""

import logging
import os
import platform
import sys
import warnings


def libraries() -> None:
    """To be called before torch and transformers are imported: they read their settings then.
    The hub is off as well."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Rows of ever new lengths would leave gaps in a GPU's memory that none fits in later. Windows' Linux cannot do it.
    if sys.platform == "linux" and "microsoft" not in platform.release().lower():
        os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
