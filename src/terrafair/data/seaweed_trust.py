"""What makes the parts of the embedded object store trust each other and nobody else on this machine.

Without it, any local program could read all buckets past the S3 keys: by the filer's gRPC (`weed shell`), or by the
volume server's HTTP with a guessed file id. So gRPC asks for our certificate on both sides, and volumes for signed
tickets.
"""

import ipaddress
import json
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

TICKETS = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
PARTS = ("VOLUME", "MASTER", "FILER", "S3", "CLIENT", "ADMIN", "WORKER", "MSG_BROKER", "MSG_AGENT")
YEARS = timedelta(days=20 * 365)


def environment(folder: Path) -> dict[str, str]:
    """The server's settings that hold keys and certificate; both are made once and kept in `folder`."""
    tickets, certificate, key = folder / "tickets.json", folder / "trust.crt", folder / "trust.key"
    if not tickets.exists():
        _write(tickets, json.dumps({name: secrets.token_hex(32) for name in TICKETS}).encode())
    if not (certificate.exists() and key.exists()):
        public, private = _certificate()
        _write(key, private)
        _write(certificate, public)
    found = {f"WEED_JWT_{name}_KEY": value for name, value in json.loads(tickets.read_text()).items()}
    found["WEED_GRPC_CA"] = str(certificate)
    for part in PARTS:
        found |= {f"WEED_GRPC_{part}_CERT": str(certificate), f"WEED_GRPC_{part}_KEY": str(key)}
    return found


def _certificate() -> tuple[bytes, bytes]:
    """A certificate that is its own authority, for this machine's own address, and its key; both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, moment = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "terrafair objects")])
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(moment - timedelta(days=1)).not_valid_after(moment + YEARS)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    built = built.add_extension(x509.SubjectAlternativeName(here), critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private


def _write(file: Path, content: bytes) -> None:
    partial = file.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
    partial.replace(file)
