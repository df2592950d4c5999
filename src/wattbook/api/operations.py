"""What an operator's monitoring reads: whether we can work (`/healthz`), and how it goes (`/metrics`)."""

import asyncio
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from wattbook.api.errors import error_answer
from wattbook.db.engine import Database
from wattbook.kernel.errors import Unavailable

ANSWER_WITHIN_S: Final = 3.0


def router(database: Database) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    async def health() -> JSONResponse:
        """200 while the database answers, else 503."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), database.transaction() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return error_answer(Unavailable("the database does not answer"))
        return JSONResponse({"status": "ok"})

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes
