"""A model's matrices held in four bits (NF4) while it computes in a wider format: what QLoRA trains adapters beside.

Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", arXiv:2305.14314, section 3: NormalFloat, double quantisation.
"""

from importlib.util import find_spec
from typing import Any

from core.errors import WorkbenchError

NF4 = "nf4"
INSTALL = "python -m pip install -r requirements-4bit.txt"


def four_bits(computes: str) -> Any:
    """transformers' BitsAndBytesConfig. computes: number format of the products."""
    if find_spec("bitsandbytes") is None:
        raise WorkbenchError(
            "Weights in four bits need the package bitsandbytes, which is not installed.",
            where="generation.dtype",
            todo=f"In Groundwork's environment: {INSTALL}. Or set generation.dtype to auto.",
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=NF4, bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=computes
    )
