"""Rows over REST: methods and paths: versions, health, the server, metadata and readiness."""

from __future__ import annotations

from tests.shared.conformance.over_rest.answers import Empty, Refused
from tests.shared.conformance.over_rest.case import Table, differs, refused, same
from tests.shared.conformance.over_rest.documents import DECODE, ENCODED, PAIRS, PETS, SERVER
from tests.shared.conformance.over_rest.requests import INFER, RestRequest, get, inference, post

PATHS: Table = {
    "unknown model": refused(
        post(inference(), "/v2/models/nope/infer"), 404, "Request for unknown model: 'nope' is not found"
    ),
    "unknown version": refused(
        post(inference(), "/v2/models/pets/versions/9/infer"),
        404,
        "Request for unknown model: 'pets' version 9 is not found",
    ),
    "version 0": refused(
        post(inference(), "/v2/models/pets/versions/0/infer"),
        404,
        "Request for unknown model: 'pets' version 0 is not found",
    ),
    "version text": refused(post(inference(), "/v2/models/pets/versions/abc/infer"), 404, "Not Found"),
    "version huge": refused(
        post(inference(), "/v2/models/pets/versions/99999999999999999999/infer"),
        400,
        "failed to get model version from specified version string "
        "'99999999999999999999' (details: stol), version should be an integral value > 0",
    ),
    "version -1": refused(post(inference(), "/v2/models/pets/versions/-1/infer"), 404, "Not Found"),
    "GET infer": refused(get(INFER), 405, "Method Not Allowed"),
    "PUT infer": refused(RestRequest("PUT", INFER), 405, "Method Not Allowed"),
    "HEAD infer": refused(RestRequest("HEAD", INFER), 405, None),
    "OPTIONS infer": refused(RestRequest("OPTIONS", INFER), 405, "Method Not Allowed"),
    "DELETE infer": refused(RestRequest("DELETE", INFER), 405, "Method Not Allowed"),
    "live": same(get("/v2/health/live"), Empty()),
    "ready": same(get("/v2/health/ready"), Empty()),
    "POST live": refused(post(b"", "/v2/health/live"), 405, "Method Not Allowed"),
    "HEAD live": refused(RestRequest("HEAD", "/v2/health/live"), 405, None),
    "live/": refused(get("/v2/health/live/"), 404, "Not Found"),
    "health": refused(get("/v2/health"), 404, "Not Found"),
    "server": same(get("/v2"), SERVER),
    "server/": refused(get("/v2/"), 404, "Not Found"),
    "root": refused(get("/"), 404, "Not Found"),
    "v1": refused(get("/v1"), 404, "Not Found"),
    "POST server": refused(post(b"", "/v2"), 405, "Method Not Allowed"),
    "query": same(get("/v2?x=1"), SERVER),
    "double": refused(get("//v2"), 404, "Not Found"),
    "dots": refused(get("/v2/models/../models/pets"), 404, "Not Found"),
    "metrics": refused(get("/metrics"), 404, "Not Found"),
    "models": refused(get("/v2/models"), 404, "Not Found"),
    "models/": refused(get("/v2/models/"), 404, "Not Found"),
    "metadata": same(get("/v2/models/pets"), PETS),
    "metadata 1": same(get("/v2/models/pets/versions/1"), PETS),
    "metadata /": refused(get("/v2/models/pets/"), 404, "Not Found"),
    "metadata pairs": same(get("/v2/models/pairs"), PAIRS),
    "metadata enc": same(get("/v2/models/pets_encoded"), ENCODED),
    "metadata decode": same(get("/v2/models/pets_decode"), DECODE),
    "metadata nope": refused(get("/v2/models/nope"), 404, "Request for unknown model: 'nope' is not found"),
    "metadata v9": refused(
        get("/v2/models/pets/versions/9"), 404, "Request for unknown model: 'pets' version 9 is not found"
    ),
    "metadata POST": refused(post(b"", "/v2/models/pets"), 405, "Method Not Allowed"),
    "metadata percent": differs(
        get("/v2/models/%70ets"), Refused(404, "Request for unknown model: '%70ets' is not found"), PETS, "percent"
    ),
    "metadata slash": differs(
        get("/v2/models/a%2Fb"),
        Refused(404, "Request for unknown model: 'a%2Fb' is not found"),
        Refused(404, "Request for unknown model: 'a/b' is not found"),
        "percent",
    ),
    "metadata dots": differs(
        get("/v2/models/%2e%2e"),
        Refused(404, "Request for unknown model: '%2e%2e' is not found"),
        Refused(404, "Request for unknown model: '..' is not found"),
        "percent",
    ),
    "metadata utf8": differs(
        get("/v2/models/%C3%A9"),
        Refused(404, "Request for unknown model: '%C3%A9' is not found"),
        Refused(404, "Request for unknown model: 'é' is not found"),
        "percent",
    ),
    "metadata space": differs(
        get("/v2/models/a%20b"),
        Refused(404, "Request for unknown model: 'a%20b' is not found"),
        Refused(404, "Request for unknown model: 'a b' is not found"),
        "percent",
    ),
    "model ready": same(get("/v2/models/pets/ready"), Empty()),
    "model ready nope": refused(get("/v2/models/nope/ready"), 400, "Model version not ready"),
    "model ready 1": same(get("/v2/models/pets/versions/1/ready"), Empty()),
    "model ready 9": refused(get("/v2/models/pets/versions/9/ready"), 400, "Model version not ready"),
    "model ready POST": refused(post(b"", "/v2/models/pets/ready"), 405, "Method Not Allowed"),
}
