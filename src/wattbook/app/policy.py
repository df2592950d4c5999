"""How sessions are handled, by the settings of a deployment."""

from datetime import timedelta

from wattbook.charging.policy import Policy
from wattbook.config import Settings


def policy_of(settings: Settings) -> Policy:
    hours = settings.token_cache_hours
    return Policy(
        change_interval=timedelta(seconds=settings.announce_interval_s),
        concurrent_max=settings.token_sessions_max,
        master_pass_group=settings.master_pass_group,
        cache_for=None if hours is None else timedelta(hours=hours),
    )
