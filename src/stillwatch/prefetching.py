"""A hint to the processor that a value will be read soon.

A look-up in a table that is larger than the caches takes as long as some hundred instructions. The processor overlaps
a few of them by itself, as far as it looks ahead; whoever knows more of them beforehand can ask for all.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_READ, _NEAREST, _DATA = 0, 3, 1


def _prefetch(typing: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        address = builder.bitcast(builder.gep(data, [values[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        builder.call(hint, [address, number(_READ), number(_NEAREST), number(_DATA)])
        return context.get_dummy_value()

    return types.void(array, place), generate


prefetch: Any = intrinsic(_prefetch)
"""In a kernel, prefetch(array, place) brings array[place] nearer without waiting for it: of a contiguous array of one
dimension. It changes no value, and `place` may lie anywhere.
"""
