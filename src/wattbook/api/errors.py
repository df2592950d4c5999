"""Errors as answers: one table from our classes to HTTP status, one shape of body.

What was not raised on purpose is told as 500 with a number that stands in the log beside the traceback, and nothing
else: a traceback tells an attacker more than a caller.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from wattbook.kernel.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Refused,
    Unavailable,
    WattbookError,
)

log = structlog.get_logger(__name__)


class Unauthenticated(Refused):
    """The caller did not say who it is, or not credibly."""

    code = "unauthenticated"


class NotJson(InvalidInput):
    """The request does not say that it is JSON: a page of another site can make a browser send anything else."""

    code = "not-json"


class BodyTooLarge(LimitExceeded):
    """The request is longer than the route takes."""

    code = "body-too-large"


STATUS: Final[dict[type[WattbookError], HTTPStatus]] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Refused: HTTPStatus.FORBIDDEN,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    LimitExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    WattbookError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The nearest class counts."""


def tell_errors(app: FastAPI) -> None:
    """Let every error of this application have the one shape, also those of unknown paths."""
    app.add_exception_handler(WattbookError, _own)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _of_http)
    for silent in (OperationalError, InterfaceError, PoolTimeout, OSError):
        app.add_exception_handler(silent, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def error_answer(error: WattbookError) -> JSONResponse:
    """The answer to an error that was raised on purpose."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else None
    return _answer(status, error.code, error.message, error.details, headers)


def complaints(errors: Sequence[Any]) -> str:
    """What a validator found, in one line: `kwh: Field required; household: …`."""
    named = [(".".join(str(part) for part in each["loc"]), each["msg"]) for each in errors]
    return "; ".join(f"{where}: {what}" if where else what for where, what in named)


async def _own(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WattbookError)
    return error_answer(error)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return error_answer(InvalidInput(complaints(error.errors())))


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return _answer(status, status.name.lower().replace("_", "-"), str(error.detail), {}, error.headers)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("database-silent", path=request.url.path, error=str(error))
    return error_answer(Unavailable("the database does not answer; send it again"))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    number = str(uuid4())
    log.error("request-failed", incident=number, method=request.method, path=request.url.path, exc_info=error)
    words = "something went wrong on our side; the log has it under this incident"
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", words, {"incident": number})


def _answer(status: HTTPStatus, code: str, message: str, details: dict[str, Any], headers: Any = None) -> JSONResponse:
    body = {"code": code, "message": message, "details": {name: str(value) for name, value in details.items()}}
    return JSONResponse(body, status, headers)
