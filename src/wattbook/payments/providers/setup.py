"""The providers that a deployment has an account with, by its settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wattbook.config import Settings
from wattbook.payments.operations import Providers
from wattbook.payments.providers import stripe


@asynccontextmanager
async def providers_of(settings: Settings) -> AsyncIterator[Providers]:
    """By channel, open while the block runs."""
    if settings.stripe_api_key is None:
        yield {}
        return
    opened = stripe.Stripe(
        settings.stripe_api_key, tuple(settings.stripe_webhook_secrets), api_base=settings.stripe_api_base
    )
    try:
        yield {opened.name: opened}
    finally:
        await opened.close()
