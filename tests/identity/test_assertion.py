"""Certificate statements, as Entra checks them."""

import base64
import hashlib
from datetime import timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from shared.domain.errors import InvalidInput
from shared.identity.assertion import CertificateAssertion
from tests.identity.tokens import APP, NOW, private_key

ENDPOINT = "https://login.example/t/oauth2/v2.0/token"


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "metering")])
    builder = x509.CertificateBuilder(
        name, name, private_key("c").public_key(), 1, NOW, NOW + timedelta(days=1)
    )
    return builder.sign(private_key("c"), hashes.SHA256())


def key_pem(form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return private_key("c").private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def certificate_pem() -> str:
    return certificate().public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(lambda: key_pem() + certificate_pem(), id="key-first"),
        pytest.param(lambda: certificate_pem() + key_pem(), id="certificate-first"),
        pytest.param(
            lambda: (
                "Bag Attributes\n" + key_pem(PrivateFormat.TraditionalOpenSSL) + certificate_pem()
            ),
            id="traditional",
        ),
    ],
)
def test_the_statement_is_signed_and_names_its_certificate(pem: object) -> None:
    assert callable(pem)
    statement = CertificateAssertion(pem())(APP, ENDPOINT)
    header = jwt.get_unverified_header(statement)
    thumbprint = hashlib.sha256(certificate().public_bytes(Encoding.DER)).digest()
    assert header["alg"] == "PS256"
    assert base64.urlsafe_b64decode(header["x5t#S256"] + "=") == thumbprint
    claims = jwt.decode(
        statement, private_key("c").public_key(), algorithms=["PS256"], audience=ENDPOINT
    )
    assert (claims["iss"], claims["sub"]) == (APP, APP)
    assert claims["exp"] - claims["nbf"] == 600


def test_every_statement_is_another_one() -> None:
    sign = CertificateAssertion(key_pem() + certificate_pem())
    assert sign(APP, ENDPOINT) != sign(APP, ENDPOINT)


def test_a_pem_that_does_not_serve_is_refused_without_its_contents() -> None:
    encrypted = private_key("c").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    broken = key_pem().replace("MII", "???")
    for pem in (
        "",
        key_pem(),
        certificate_pem(),
        encrypted.decode() + certificate_pem(),
        broken + certificate_pem(),
    ):
        with pytest.raises(InvalidInput, match="PEM") as caught:
            CertificateAssertion(pem)(APP, ENDPOINT)
        assert "BEGIN" not in str(caught.value)
