"""Certificates: a small authority of one's own, what stands inside a certificate, and which ones are revoked.

The only importer of `cryptography`. Importing it without that package raises EnvironmentFailed.
"""

from joulemark.errors import EnvironmentFailed

try:
    import cryptography as cryptography
except ImportError as missing:
    raise EnvironmentFailed("the package cryptography is not installed", "pip install 'joulemark[tls]'") from missing
