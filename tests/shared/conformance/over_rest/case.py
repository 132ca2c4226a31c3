"""A row of the tables: a request, what tritonserver 2.51 says, and where ours says something else, what and why."""

from __future__ import annotations

from dataclasses import dataclass

from tests.shared.conformance.over_rest.answers import Refused, Told
from tests.shared.conformance.over_rest.requests import RestRequest

REASONS = {
    "json": "Wrong JSON is the client's mistake: 400, where 2.51 says 500 for what its JSON library refuses.",
    "compressed": "A compressed body that is broken or cut off is refused; 2.51 reads what came out (till 2.69).",
    "members": "RFC 1952 lets a gzip file have several members.",
    "raw": "The input of a raw body has its model's name for it.",
    "utf8": "JSON is UTF-8 (RFC 8259); 2.51 gives the bytes back.",
    "overflow": "2.51 multiplies a shape in 64 bits and lets it wrap around; these are newer Tritons' words.",
    "range": "A number that the type cannot hold is refused; 2.51 keeps its low bits and answers for another image.",
    "header": "A header that is no number is refused; 2.51 reads 0, and takes the JSON for pixels.",
    "percent": "Paths are percent-decoded (RFC 3986), so every name can be called; 2.51 takes them as written.",
    "generate": "The extension for text is not there.",
    "repository": "Names of repositories are refused alike by index, load and unload.",
    "control": "What a load or an unload says is read before it is done; 2.51 does it first, or says 500.",
    "override": "A model's config and files come from the repository only.",
    "memory": "Shared memory is off, as newer Tritons have it by default: a client may not name the server's memory.",
    "settings": "Traces and logs are not set over the network (CVE-2024-0087, CVE-2024-0095).",
}
"""Why servers differ, by the name that rows say."""


@dataclass(frozen=True)
class RestCase:
    """One request; `ours` is None where the servers say the same, and `why` is then empty."""

    request: RestRequest
    triton: Told
    ours: Told | None = None
    why: str = ""

    def expected(self, server: str) -> Told:
        """What a server must say: `triton` or `embedded`."""
        return self.triton if server == "triton" or self.ours is None else self.ours


Table = dict[str, RestCase]


def same(request: RestRequest, answer: Told) -> RestCase:
    """Both say this."""
    return RestCase(request, answer)


def refused(request: RestRequest, status: int, text: str | None) -> RestCase:
    """Both refuse it in these words."""
    return RestCase(request, Refused(status, text))


def wrong_json(request: RestRequest, text: str) -> RestCase:
    """Both refuse it in these words, 2.51 as a fault of its own."""
    return RestCase(request, Refused(500, text), Refused(400, text), "json")


def differs(request: RestRequest, triton: Told, ours: Told, why: str) -> RestCase:
    """The servers say different things, for one of REASONS."""
    assert why in REASONS
    return RestCase(request, triton, ours, why)
