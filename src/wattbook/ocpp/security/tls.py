"""TLS contexts of both ends: at least TLS 1.2, forward secrecy where the station can, and a client's certificate
where it has one.

One port serves the profiles 2 and 3. A station that shows a certificate must show one of a root we trust, or the
handshake fails; which station the certificate is of, and whether it was revoked, the door judges (`guard`).
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:AES128-GCM-SHA256:AES256-GCM-SHA384"
"""Of TLS 1.2; the last two, without forward secrecy, because OCPP 2.0.1 (Part 2, A00) lets a station know no others."""

ROOTS_CHANGED: Final = "ocpp_roots"
"""Channel: our own authority has another root."""


class ListeningTls:
    """How our port speaks TLS; give it to `ManagementEnd.listen_tls`."""

    def __init__(self, certificate: Path, key: Path, roots: Sequence[x509.Certificate]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        self._shown = certificate.read_bytes(), key.read_bytes()
        context.load_cert_chain(certificate, key)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._context = context
        self.trust(roots)

    @property
    def context(self) -> ssl.SSLContext:
        return self._context

    def show(self, certificate: Path, key: Path) -> bool:
        """Show what these files hold now from the next handshake on; False: it is what was shown before.

        Raises:
            OSError: they cannot be read, or do not belong together (ssl.SSLError); what was shown before stays.
        """
        found = certificate.read_bytes(), key.read_bytes()
        if found == self._shown:
            return False
        # A context that fails half-way has lost what it had, so one that nobody uses tries first.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        self._context.load_cert_chain(certificate, key)
        self._shown = found
        return True

    def trust(self, roots: Sequence[x509.Certificate]) -> None:
        """Take stations' certificates of these roots from now on, beside those of before."""
        if roots:
            self._context.load_verify_locations(cadata=_pem(roots))


def station_tls(
    roots: Sequence[x509.Certificate], certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """A station's side: whom it trusts, and its own certificate (profile 3) if it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=_pem(roots))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def read_roots(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file."""
    return x509.load_pem_x509_certificates(path.read_bytes())


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)
