"""How exactly the networks multiply, by name: the choices of ``--precision``, without torch."""

PRECISIONS = {
    "fp32": "float32 throughout, the mathematics as it is written",
    "tf32": (
        "matrix products and convolutions round what they multiply to TF32 (10 bits of mantissa, not 23), as the "
        "tensor cores of a CUDA device have it; all else is float32"
    ),
    "bf16": (
        "the networks run in bfloat16 (7 bits of mantissa, not 23) under autocast; weights, optimizer, losses, and the "
        "statistics of batch norm stay float32"
    ),
}
"""What each precision is; all but ``fp32`` change the numbers for speed. Samples are always drawn in float32."""
EXACT = "fp32"
