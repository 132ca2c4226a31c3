"""Whether a call may be made: the one decision that both fronts ask for."""

from __future__ import annotations

from enum import Enum

from serving.embedded.access.tokens import Right, Tokens


class Verdict(Enum):
    """What a call without the right is told, with the name of gRPC's status."""

    UNAUTHENTICATED = "a token is needed: authorization: Bearer TOKEN"
    UNKNOWN = "the token is not known"
    PERMISSION_DENIED = "the token has no right to this"

    @property
    def status(self) -> str:
        """gRPC's name."""
        return "PERMISSION_DENIED" if self is Verdict.PERMISSION_DENIED else "UNAUTHENTICATED"


def verdict(tokens: Tokens | None, right: Right | None, authorization: str | None) -> Verdict | None:
    """Why a call may not be made; None if it may.

    Args:
        tokens: of the server; None asks nobody for one.
        right: that the call needs; None is for everybody.
        authorization: header of the call.
    """
    if tokens is None or right is None:
        return None
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return Verdict.UNAUTHENTICATED
    rights = tokens.rights(token.strip())
    if rights is None:
        return Verdict.UNKNOWN
    return None if right in rights else Verdict.PERMISSION_DENIED
