"""Arrow's schemas as Spark's, and back."""

import pyarrow as pa
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from stillwatch.engines.errors import EngineFailedError

_TYPES: dict[pa.DataType, DataType] = {
    pa.string(): StringType(),
    pa.binary(): BinaryType(),
    pa.bool_(): BooleanType(),
    pa.int8(): ByteType(),
    pa.int16(): ShortType(),
    pa.int32(): IntegerType(),
    pa.int64(): LongType(),
    pa.float32(): FloatType(),
    pa.float64(): DoubleType(),
    pa.date32(): DateType(),
    pa.timestamp("us", "UTC"): TimestampType(),
    pa.timestamp("us"): TimestampNTZType(),
}
_ARROW = {type(kind): found for found, kind in _TYPES.items()}


def struct_of(schema: pa.Schema) -> StructType:
    """Spark's schema of a schema of plain types (`spark_arrow.to_spark_schema`)."""
    return StructType([StructField(field.name, _spark(field.type)) for field in schema])


def schema_of(struct: StructType) -> pa.Schema:
    """The Arrow schema in which Spark hands out a table."""
    return pa.schema([pa.field(field.name, _arrow(field.dataType)) for field in struct.fields])


def _spark(kind: pa.DataType) -> DataType:
    if pa.types.is_list(kind):
        return ArrayType(_spark(kind.value_type))
    if pa.types.is_decimal128(kind):
        return DecimalType(kind.precision, kind.scale)
    return _TYPES[kind]


def _arrow(kind: DataType) -> pa.DataType:
    if isinstance(kind, ArrayType):
        return pa.list_(_arrow(kind.elementType))
    if isinstance(kind, DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    if type(kind) not in _ARROW:
        raise EngineFailedError(f"no step knows Spark's type {kind.simpleString()}")
    return _ARROW[type(kind)]
