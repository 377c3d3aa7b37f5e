"""Numerical precision of training, by name: the choices of ``--precision``, without torch."""

PRECISIONS = {
    "fp32": "float32 throughout",
    "tf32": (
        "tensor cores round the inputs of matrix products and convolutions to TF32 (10-bit mantissa instead of 23); "
        "everything else is float32; CUDA only"
    ),
    "bf16": (
        "the networks run in bfloat16 (7-bit mantissa instead of 23) under autocast; weights, optimizer, losses and "
        "batch norm statistics are float32"
    ),
}
"""Description of each precision. All but ``fp32`` change the numbers for speed. Samples are always drawn in float32."""
EXACT = "fp32"
