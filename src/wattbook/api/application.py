"""The door put into the house: `/api/v1`, `/healthz` and `/metrics` on a web application."""

from typing import Final

from fastapi import Depends, FastAPI

from wattbook.api import (
    certificates,
    changes,
    channels,
    closing,
    commands,
    contracts,
    household_account,
    interest,
    invoices,
    operations,
    payments,
    people,
    queries,
    readings,
    signing_keys,
    station_frames,
    station_options,
    station_policies,
    station_records,
    station_security,
    stations,
    tokens,
    wallets,
    webhooks,
)
from wattbook.api.access import access
from wattbook.api.errors import tell_errors
from wattbook.api.intake import INTAKE_PREFIX, create_intake
from wattbook.api.services import Services

PREFIX: Final = "/api/v1"


def mount_api(app: FastAPI, services: Services) -> None:
    """Add the routes; they come before whatever is mounted at `/` later."""
    app.include_router(operations.router(services.database))
    app.mount(PREFIX, create_api(services))
    app.mount(INTAKE_PREFIX, create_intake(services))


def create_api(services: Services) -> FastAPI:
    """An application of its own, so that its errors have its shape and its description, `/openapi.json`, is its own."""
    api = FastAPI(
        title="wattbook",
        version="1",
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
        dependencies=[Depends(access(services))],
    )
    tell_errors(api)
    api.include_router(queries.router(services))
    api.include_router(payments.router(services))
    api.include_router(readings.router(services))
    api.include_router(household_account.router(services))
    api.include_router(closing.router(services))
    api.include_router(contracts.router(services))
    api.include_router(interest.router(services))
    api.include_router(wallets.router(services))
    api.include_router(channels.router(services))
    api.include_router(commands.router(services))
    api.include_router(stations.router(services))
    api.include_router(station_security.router(services))
    api.include_router(station_options.router(services))
    api.include_router(station_frames.router(services))
    api.include_router(station_records.router(services))
    api.include_router(station_policies.router(services))
    api.include_router(signing_keys.router(services))
    api.include_router(webhooks.router(services))
    api.include_router(certificates.router(services))
    api.include_router(changes.router(services))
    api.include_router(people.router(services))
    api.include_router(tokens.router(services))
    api.include_router(invoices.router(services))
    return api
