"""Certificates for tests: authorities, chains, revocation lists; files as PEM."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def new_key(kind):
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def hash_for(key):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return hashes.SHA384() if getattr(key, "curve", None) and key.key_size == 384 else hashes.SHA256()


def name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lab"),
                      x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternative_name(identity):
    if "@" in identity:
        return x509.RFC822Name(identity)
    return x509.DNSName(identity)


class Certificate:
    """A certificate with its key; `chain` has the authorities above it, the root left out."""

    def __init__(self, cert, key, path, chain=()):
        self.cert, self.key, self.chain = cert, key, list(chain)
        self.cert_path, self.key_path, self.chain_path = path + ".crt", path + ".key", path + "-chain.crt"
        self._write(self.cert_path, pem(cert))
        self._write(self.chain_path, pem(cert) + b"".join(pem(c) for c in self.chain))
        self._write(self.key_path, key.private_bytes(serialization.Encoding.PEM,
                                                     serialization.PrivateFormat.PKCS8,
                                                     serialization.NoEncryption()))
        os.chmod(self.key_path, 0o600)

    @staticmethod
    def _write(path, data):
        with open(path, "wb") as file:
            file.write(data)


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A certificate authority; under another one when `above` is given."""

    def __init__(self, directory, common_name, kind="p256", above=None):
        os.makedirs(directory, exist_ok=True)
        self.dir, self.kind, self.key = directory, kind, new_key(kind)
        self.subject = name(common_name)
        self.revoked = []
        issuer = above or self
        key_usage = x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False,
                                  data_encipherment=False, key_agreement=False, key_cert_sign=True,
                                  crl_sign=True, encipher_only=False, decipher_only=False)
        cert = (self._builder(self.subject, issuer.subject, self.key, -DAY, 3650 * DAY)
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(key_usage, critical=True)
                .add_extension(authority_key(issuer.key), critical=False)
                .sign(issuer.key, hash_for(issuer.key)))
        chain = [] if above is None else [cert, *above.chain]
        self.chain = chain
        self.cert = cert
        self.path = os.path.join(directory, common_name.replace(" ", "-") + ".crt")
        with open(self.path, "wb") as file:
            file.write(pem(cert))

    @staticmethod
    def _builder(subject, issuer, key, starts, ends):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now + starts).not_valid_after(now + ends)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False))

    def issue(self, identity, kind="p256", server=False, starts=-DAY, ends=365 * DAY, file=None):
        key = new_key(kind)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        cert = (self._builder(name(identity), self.subject, key, starts, ends)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.SubjectAlternativeName([alternative_name(identity)]), critical=False)
                .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                .add_extension(authority_key(self.key), critical=False)
                .sign(self.key, hash_for(self.key)))
        path = os.path.join(self.dir, file or identity.replace("@", "-at-"))
        return Certificate(cert, key, path, self.chain)

    def revoke(self, certificate):
        self.revoked.append(certificate.cert.serial_number)

    def write_crl(self, ends=7 * DAY):
        """Writes the list of all revoked so far; its path."""
        now = datetime.datetime.now(datetime.timezone.utc)
        crl = (x509.CertificateRevocationListBuilder().issuer_name(self.subject)
               .last_update(now - DAY / 24).next_update(now + ends)
               .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
               .add_extension(authority_key(self.key), critical=False))
        for serial in self.revoked:
            crl = crl.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial)
                                              .revocation_date(now - DAY / 48).build())
        path = self.path.replace(".crt", ".crl")
        with open(path, "wb") as file:
            file.write(pem(crl.sign(self.key, hash_for(self.key))))
        return path


def authority_key(key):
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
