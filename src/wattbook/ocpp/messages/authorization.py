"""Block C: may this token charge?"""

from __future__ import annotations

from wattbook.ocpp.messages.base import Answer, Request
from wattbook.ocpp.messages.certificates import CertificateHash, CertificateStatus
from wattbook.ocpp.messages.commands import CommandAnswer
from wattbook.ocpp.messages.tokens import IdToken, TokenInfo


class AuthorizeAnswer(Answer, frozen=True):
    """May this token charge? `certificate_status` is said when a contract certificate came with it."""

    token_info: TokenInfo
    certificate_status: CertificateStatus | None = None


class Authorize(Request[AuthorizeAnswer], frozen=True):
    """A driver showed a token; or a vehicle its contract: in PEM, or the hashes of its chain (since 2.0.1)."""

    token: IdToken
    certificate: str | None = None
    certificate_hashes: tuple[CertificateHash, ...] = ()


class ClearCache(Request[CommandAnswer], frozen=True):
    """Forget remembered tokens."""
