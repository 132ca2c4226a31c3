"""The protocol's messages as REST has them: JSON with the names of their fields, numbers as numbers.

Protobuf's own JSON writes 64-bit numbers as strings; Triton's REST does not.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

Field = FieldDescriptor


def message_json(message: Any) -> dict[str, Any]:
    """Every field of a message, those that were not set with their defaults; messages and choices only where set."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            found[field.name] = _repeated(getattr(message, field.name), field)
        elif not field.has_presence or message.HasField(field.name):
            found[field.name] = _value(getattr(message, field.name), field)
    return found


def _repeated(values: Any, field: Any) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        of = entry.fields_by_name["value"]
        return {str(key): _value(values[key], of) for key in values}
    return [_value(value, field) for value in values]


def _value(value: Any, field: Any) -> Any:
    if field.type == Field.TYPE_MESSAGE:
        return message_json(value)
    if field.type == Field.TYPE_ENUM:
        return field.enum_type.values_by_number[value].name
    if field.type == Field.TYPE_BYTES:
        return value.decode("utf-8", "replace")
    return value
