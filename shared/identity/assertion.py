"""Statements by which an application proves itself to Entra with a certificate."""

import base64
import hashlib
import re
import ssl
import time
import uuid
from typing import Final

from shared.domain.errors import InvalidInput

LIFETIME: Final = 600
"""Seconds for which a statement is good."""

_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)
_KEY: Final = re.compile(
    r"-----BEGIN (?:RSA )?PRIVATE KEY-----.+?-----END (?:RSA )?PRIVATE KEY-----", re.DOTALL
)


class CertificateAssertion:
    """Signs with the private key of a PEM that holds key and certificate.

    Raises ``InvalidInput`` when the PEM does not hold both, the key unencrypted.
    Source: learn.microsoft.com/entra/identity-platform/certificate-credentials.
    """

    def __init__(self, pem: str) -> None:
        certificate, key = _CERTIFICATE.search(pem), _KEY.search(pem)
        if certificate is None or key is None:
            raise InvalidInput("the PEM holds no certificate or no private key")
        try:
            der = ssl.PEM_cert_to_DER_cert(certificate[0])
        except ValueError:
            raise InvalidInput("the certificate of the PEM cannot be read") from None
        digest = hashlib.sha256(der).digest()
        self._thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self._key = key[0]

    def __call__(self, client: str, audience: str) -> str:
        """The statement that we are ``client``, for the token endpoint ``audience``.

        Raises ``InvalidInput`` when the PEM holds no usable key.
        """
        import jwt

        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": client,
            "sub": client,
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "iat": now,
            "exp": now + LIFETIME,
        }
        try:
            return jwt.encode(
                claims, self._key, algorithm="PS256", headers={"x5t#S256": self._thumbprint}
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise InvalidInput("the PEM holds no usable private key") from None
