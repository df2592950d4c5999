"""What stations may do, as the operator set it."""

from wattbook.config import Settings
from wattbook.ocpp.wire.transport import SocketLimits
from wattbook.ocpp.wire.turnstile import ArrivalLimits


def socket_limits(settings: Settings) -> SocketLimits:
    """Of one socket."""
    return SocketLimits(
        frame_bytes_max=settings.ocpp_frame_bytes_max,
        frames_per_s_max=settings.ocpp_frames_per_s_max,
        frames_burst_max=settings.ocpp_frames_burst_max,
        ping_after_s=float(settings.ocpp_ping_after_s),
        pong_within_s=float(settings.ocpp_pong_within_s),
        compress=settings.ocpp_compress,
    )


def arrival_limits(settings: Settings) -> ArrivalLimits:
    """Of one port."""
    return ArrivalLimits(
        connections_max=settings.ocpp_connections_max,
        handshakes_max=settings.ocpp_handshakes_max,
        arrivals_per_s_max=settings.ocpp_arrivals_per_s_max,
        arrivals_burst_max=settings.ocpp_arrivals_burst_max,
        retry_after_s=settings.ocpp_retry_after_s,
    )
