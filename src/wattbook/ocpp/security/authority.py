"""The local certificate authority: roots in files, certificates for stations and for our own TLS port.

A folder holds numbered roots: `root-1.pem` and its key `root-1.key`, which nobody but its owner can read. The newest
root signs; every root that has not expired is trusted, so a rotation locks no station out. `link-2.pem` is the newer
root's name and key signed by the root before: a station that trusts only the old root can check the new one by it, as
OCPP 2.0.1 asks with AdditionalRootCertificateCheck.
"""

import contextlib
import ipaddress
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.security.certificates import PublicKey

ROOT_VALID_FOR: Final = timedelta(days=20 * 365)
STATION_VALID_FOR: Final = timedelta(days=2 * 365)
SERVER_VALID_FOR: Final = timedelta(days=365)
SERVER_RENEWED_BEFORE: Final = timedelta(days=30)
CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
"""Certificates are valid from this long before they are made: a station's clock may be behind."""

COMMON_NAME_LENGTH_MAX: Final = 64  # RFC 5280, ub-common-name

NewSerial = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Root:
    """One root: its number, its certificate, and the key that signs."""

    number: int
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Signs with its newest root; `Authority.open` makes the first one."""

    def __init__(self, folder: Path, name: str, roots: Sequence[Root]) -> None:
        assert roots, "an authority has a root"
        self._folder = folder
        self._name = name
        self.roots = tuple(roots)

    @classmethod
    def open(cls, folder: Path, name: str, now: datetime) -> "Authority":
        """The authority in this folder; a new one if the folder is empty. `name` is the organisation in its names.

        Several processes may open the same folder: the first one makes the root, the others read it.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = sorted(int(path.stem.removeprefix("root-")) for path in folder.glob("root-*.key")) or [1]
        return cls(folder, name, [_root(folder, name, number, now) for number in keys])

    @property
    def newest(self) -> Root:
        return self.roots[-1]

    def trusted(self, now: datetime) -> list[x509.Certificate]:
        """The roots that have not expired."""
        return [root.certificate for root in self.roots if root.certificate.not_valid_after_utc > now]

    def reload(self, now: datetime) -> bool:
        """Read the folder again; whether another process has made a new root meanwhile."""
        known = len(self.roots)
        self.roots = Authority.open(self._folder, self._name, now).roots
        return len(self.roots) != known

    def link(self, number: int) -> bytes | None:
        """The root of this number signed by the root before, PEM; the first one has none."""
        try:
            return (self._folder / f"link-{number}.pem").read_bytes()
        except FileNotFoundError:
            return None

    def rotate(self, now: datetime) -> Root:
        """Make a new root, which signs from now on. The ones before stay trusted until they expire."""
        before = self.newest
        newest = _root(self._folder, self._name, before.number + 1, now)
        link = _root_builder(newest.certificate.subject, newest.key.public_key(), now)
        signed = link.issuer_name(before.certificate.subject).sign(before.key, hashes.SHA256())
        _write_once(self._folder / f"link-{newest.number}.pem", signed.public_bytes(Encoding.PEM))
        self.roots = (*self.roots, newest)
        return newest

    def issue_station(
        self,
        station_id: str,
        key: PublicKey,
        now: datetime,
        *,
        device_name: str | None = None,
        valid_for: timedelta = STATION_VALID_FOR,
        new_serial: NewSerial = x509.random_serial_number,
    ) -> x509.Certificate:
        """A certificate by which a station shows who it is.

        It names the identity under which the station is known here, whatever the request called itself: a name that
        a station chose would let it be another. Its own name for itself goes to the subject's serial number.

        Raises:
            InvalidInput: the identity is longer than a common name can be.
        """
        if len(station_id) > COMMON_NAME_LENGTH_MAX:
            raise InvalidInput(f"a certificate names at most {COMMON_NAME_LENGTH_MAX} characters")
        attributes = [
            x509.NameAttribute(NameOID.COMMON_NAME, station_id),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._name[:COMMON_NAME_LENGTH_MAX]),
        ]
        if device_name and device_name != station_id:
            attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, device_name[:COMMON_NAME_LENGTH_MAX]))
        builder = self._leaf(x509.Name(attributes), key, now, valid_for, new_serial)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return builder.add_extension(usage, critical=False).sign(self.newest.key, hashes.SHA256())

    def server_files(
        self, hosts: Sequence[str], now: datetime, *, new_serial: NewSerial = x509.random_serial_number
    ) -> tuple[Path, Path]:
        """The files of a certificate for our own TLS port at these hosts, and of its key; renewed when it is due.

        It stays with the root that signed it for as long as that one is trusted: stations may not know a newer one yet.
        """
        certificate_path, key_path = self._folder / "server.pem", self._folder / "server.key"
        with contextlib.suppress(OSError, ValueError):
            present = x509.load_pem_x509_certificate(certificate_path.read_bytes())
            names = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            key = load_pem_private_key(key_path.read_bytes(), None)
            if (
                list(names) == _host_names(hosts)
                and present.issuer in [root.subject for root in self.trusted(now)]
                and present.not_valid_after_utc > now + SERVER_RENEWED_BEFORE
                and present.public_key() == key.public_key()
            ):
                return certificate_path, key_path
        fresh = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:COMMON_NAME_LENGTH_MAX])])
        builder = self._leaf(subject, fresh.public_key(), now, SERVER_VALID_FOR, new_serial)
        builder = builder.add_extension(x509.SubjectAlternativeName(_host_names(hosts)), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        certificate = builder.sign(self.newest.key, hashes.SHA256())
        _write(key_path, _key_pem(fresh))
        _write(certificate_path, certificate.public_bytes(Encoding.PEM))
        return certificate_path, key_path

    def _leaf(
        self, subject: x509.Name, key: PublicKey, now: datetime, valid_for: timedelta, new_serial: NewSerial
    ) -> x509.CertificateBuilder:
        root = self.newest
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root.certificate.subject)
            .public_key(key)
            .serial_number(new_serial())
            .not_valid_before(now - CLOCKS_DIFFER_BY)
            .not_valid_after(min(now + valid_for, root.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False, encrypts=isinstance(key, rsa.RSAPublicKey)), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False)
        )


def _root(folder: Path, name: str, number: int, now: datetime) -> Root:
    """A root as the files have it; what is missing is made."""
    key_path, certificate_path = folder / f"root-{number}.key", folder / f"root-{number}.pem"
    if not key_path.exists():
        _write_once(key_path, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    key = load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "the authority's keys are made here"
    if not certificate_path.exists():
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, f"wattbook root {number}"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:COMMON_NAME_LENGTH_MAX]),
            ]
        )
        builder = _root_builder(subject, key.public_key(), now).issuer_name(subject)
        _write_once(certificate_path, builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return Root(number, x509.load_pem_x509_certificate(certificate_path.read_bytes()), key)


def _root_builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER_BY)
        .not_valid_after(now + ROOT_VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs=True, encrypts=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs: bool, encrypts: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encrypts,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _host_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_once(path: Path, content: bytes) -> None:
    """Write a file whole, unless somebody else has; readable by its owner only."""
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:  # made with mode 0600
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)


def _write(path: Path, content: bytes) -> None:
    """Replace a file whole; readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
