"""Plain classes of the shape that the worker library expects of its protobuf module.

The library receives this module as its ``protos``: it builds its answers from these classes and
reads requests made of them. Nothing is serialised, so no protobuf package is needed.
"""

from types import SimpleNamespace
from typing import ClassVar


class TypedData:
    """One value with its kind, for example ``TypedData(string="x")``; exactly one kind is set."""

    __slots__ = (
        "_kind",
        "bytes",
        "collection_bytes",
        "collection_sint64",
        "collection_string",
        "double",
        "http",
        "int",
        "json",
        "string",
    )

    def __init__(self, **value: object) -> None:
        ((self._kind, content),) = value.items()
        setattr(self, self._kind, content)

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - the name protobuf classes have
        """The name of the kind that is set."""
        return self._kind


class ParameterBinding:
    """A named value going into or coming out of a function."""

    __slots__ = ("data", "name")

    def __init__(self, *, name: str, data: TypedData | None) -> None:
        self.name = name
        self.data = data

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - the name protobuf classes have
        """Always ``data``: values in shared memory are not offered."""
        return "data"


class CollectionBytes(SimpleNamespace):
    """Byte strings, in the attribute ``bytes``."""


class CollectionString(SimpleNamespace):
    """Texts, in the attribute ``string``."""


class CollectionSInt64(SimpleNamespace):
    """Whole numbers, in the attribute ``sint64``."""


class RpcHttp(SimpleNamespace):
    """An HTTP request or response."""


class SameSite:
    """Values of a cookie's SameSite attribute."""

    Lax = 1
    Strict = 2
    ExplicitNone = 3


# "None" is no valid identifier, but the library asks for a member of this name.
setattr(SameSite, "None", 0)


class RpcHttpCookie(SimpleNamespace):
    """A cookie to set."""

    SameSite: ClassVar[type[SameSite]] = SameSite


class NullableString(SimpleNamespace):
    """A text that may be absent."""


class NullableBool(SimpleNamespace):
    """A truth value that may be absent."""


class NullableDouble(SimpleNamespace):
    """A number that may be absent."""


class NullableTimestamp(SimpleNamespace):
    """A point in time that may be absent."""


class Timestamp(SimpleNamespace):
    """A point in time in whole ``seconds`` since 1970."""


class BindingInfo(SimpleNamespace):
    """A binding's type and direction."""

    out = 1
    inout = 2
    undefined = 0


class StatusResult(SimpleNamespace):
    """The outcome of a request to the library."""

    Failure = 0
    Success = 1
    Cancelled = 2


class RpcException(SimpleNamespace):
    """An exception as text."""


class RpcFunctionMetadata(SimpleNamespace):
    """An indexed function."""


class RpcRetryOptions(SimpleNamespace):
    """A function's retry policy."""


class WorkerMetadata(SimpleNamespace):
    """Versions of the library and of Python."""


class WorkerInitResponse(SimpleNamespace):
    """The answer to the first request."""

    result: StatusResult


class FunctionMetadataResponse(SimpleNamespace):
    """The answer to the request for all functions."""


class InvocationResponse(SimpleNamespace):
    """The answer to an invocation; ``output_data`` is missing when the function failed."""

    result: StatusResult
    return_value: TypedData | None = None
    output_data: tuple[ParameterBinding, ...] = ()
