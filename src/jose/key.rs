//! Private RSA keys: made, imported, exported. Nothing here signs; see [`super::sign`].

use std::fmt;
use std::ops::RangeInclusive;

use rsa::RsaPrivateKey;
use rsa::pkcs1;
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::{EncodePrivateKey, LineEnding, PrivateKeyInfo, SecretDocument};
use zeroize::Zeroizing;

use super::jwk::PublicKey;
use super::sign::Signer;
use crate::base::encode::parse_base64;
use crate::base::secret::Secret;

/// Sizes that [`PrivateKey::generate`] makes, in bits.
pub const SIZES: [usize; 3] = [2048, 3072, 4096];

/// Sizes that are accepted, in bits: RFC 7518 section 3.3 asks for 2048 at least; more than 4096 only makes every
/// signature slower.
pub const ACCEPTED_SIZES: RangeInclusive<usize> = 2048..=4096;

/// Shorter secrets are not used for HS256 (RFC 7518 section 3.2). In bytes.
pub const MIN_SECRET: usize = 32;

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no PEM block in the text.
    NotPem,
    /// A public key or a certificate where the private key is needed.
    PublicKey,
    /// The private key is protected with a passphrase.
    Encrypted,
    /// A key in OpenSSH's own format.
    OpenSsh,
    /// A key for another algorithm.
    NotRsa,
    /// The PEM block is cut off or damaged.
    Malformed,
    /// A size out of [`ACCEPTED_SIZES`], in bits.
    Size(usize),
    /// A size that is not among [`SIZES`], in bits.
    UnsupportedSize(usize),
    /// The public exponent is even, below 65537, or above 33 bits.
    Exponent,
    /// The parts of the key contradict each other.
    Inconsistent,
    /// A secret below [`MIN_SECRET`] bytes.
    ShortSecret,
    /// A server key that is not 32 bytes in a known spelling.
    ServerKey,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem => f.write_str(
                "not a key in PEM form: it begins with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----",
            ),
            Self::PublicKey => f.write_str("this is a public key or a certificate; the private key is needed"),
            Self::Encrypted => f.write_str(
                "the private key is protected with a passphrase; take it off first: openssl pkey -in FILE -out PLAIN",
            ),
            Self::OpenSsh => f.write_str(
                "the private key is in OpenSSH's own format; convert a copy of it first: ssh-keygen -p -m PEM -f COPY",
            ),
            Self::NotRsa => f.write_str("this is not an RSA key"),
            Self::Malformed => f.write_str("the key is cut off or damaged"),
            Self::Size(bits) => {
                write!(f, "the key has {bits} bits; it needs {} to {}", ACCEPTED_SIZES.start(), ACCEPTED_SIZES.end())
            }
            Self::UnsupportedSize(bits) => write!(f, "keys are made with 2048, 3072 or 4096 bits, not with {bits}"),
            Self::Exponent => f.write_str("the key's public exponent must be an odd number from 65537 to 2^33 - 1"),
            Self::Inconsistent => f.write_str("the key's parts do not belong together: it cannot sign"),
            Self::ShortSecret => write!(f, "HS256 needs a secret of {MIN_SECRET} bytes or more"),
            Self::ServerKey => {
                f.write_str("a server key is 32 bytes, as 64 hexadecimal digits or as base64 (openssl rand -base64 32)")
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// A private RSA key that was found consistent, and its public half.
pub struct PrivateKey {
    /// PKCS#8 (RFC 5208); wiped when dropped.
    document: SecretDocument,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a key of one of the [`SIZES`] with random numbers from the operating system. Takes a tenth of a second to
    /// seconds of CPU.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedSize`].
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        if !SIZES.contains(&bits) {
            return Err(KeyError::UnsupportedSize(bits));
        }
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).map_err(|_| KeyError::Inconsistent)?;
        Self::from_document(key.to_pkcs8_der().map_err(|_| KeyError::Inconsistent)?)
    }

    /// Imports a key from PEM text (RFC 7468) in PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`). Line ends,
    /// line lengths and text around the block do not matter. The key has to prove itself with one signature.
    ///
    /// # Errors
    /// [`KeyError`]: the first reason against it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let mut blocks = text.split("-----BEGIN ").skip(1).filter_map(|block| block.split_once("-----"));
        let first = blocks.clone().next().ok_or(KeyError::NotPem)?;
        // A certificate or curve parameters may stand before the key.
        let (label, rest) = blocks.find(|(label, _)| label.ends_with("PRIVATE KEY")).unwrap_or(first);
        let (body, _) = rest.split_once("-----END ").ok_or(KeyError::Malformed)?;
        if label.starts_with("ENCRYPTED") || body.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        // Large enough from the start, so that no copy of the key stays behind.
        let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
        base64.extend(body.split_ascii_whitespace());
        let der = Zeroizing::new(parse_base64(&base64).ok_or(KeyError::Malformed)?);
        let key = match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der)?,
            "RSA PRIVATE KEY" => Self::from_pkcs1(&der)?,
            "OPENSSH PRIVATE KEY" => return Err(KeyError::OpenSsh),
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => return Err(KeyError::PublicKey),
            _ if label.ends_with("PRIVATE KEY") => return Err(KeyError::NotRsa),
            _ => return Err(KeyError::NotPem),
        };
        key.prove()?;
        Ok(key)
    }

    /// Reads a key that [`Self::to_pkcs8`] wrote.
    ///
    /// # Errors
    /// [`KeyError`]: the first reason against it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::from_der(der).map_err(|_| KeyError::Malformed)?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa);
        }
        Self::from_pkcs1(info.private_key)
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        // The public half first: it bounds the work that the other checks take.
        let parts = pkcs1::RsaPrivateKey::from_der(der).map_err(|_| KeyError::Malformed)?;
        PublicKey::rsa(parts.modulus.as_bytes(), parts.public_exponent.as_bytes())?;
        let info = PrivateKeyInfo::new(pkcs1::ALGORITHM_ID, der);
        let key = RsaPrivateKey::try_from(info).map_err(|_| KeyError::Inconsistent)?;
        Self::from_document(key.to_pkcs8_der().map_err(|_| KeyError::Inconsistent)?)
    }

    fn from_document(document: SecretDocument) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::from_der(document.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let parts = pkcs1::RsaPrivateKey::from_der(info.private_key).map_err(|_| KeyError::Malformed)?;
        let public = PublicKey::rsa(parts.modulus.as_bytes(), parts.public_exponent.as_bytes())?;
        Ok(Self { document, public })
    }

    /// Numbers can agree with each other and still not be primes; a signature that verifies tells.
    fn prove(&self) -> Result<(), KeyError> {
        let signature = Signer::rs256(self, self.kid())?.sign(b"proof").map_err(|_| KeyError::Inconsistent)?;
        if self.public.verify(b"proof", &signature) { Ok(()) } else { Err(KeyError::Inconsistent) }
    }

    /// The key as PKCS#8 in DER (RFC 5208), to be stored sealed.
    pub fn to_pkcs8(&self) -> &[u8] {
        self.document.as_bytes()
    }

    /// The key as PKCS#8 in PEM: `-----BEGIN PRIVATE KEY-----`, lines of 64 characters, LF.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], which a key of this type is not.
    pub fn to_pem(&self) -> Result<Secret, KeyError> {
        let mut pem = self.document.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|_| KeyError::Malformed)?;
        Ok(Secret::new(std::mem::take(&mut *pem)))
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key's own id: its thumbprint (RFC 7638). A key imported from elsewhere may go by another one.
    pub fn kid(&self) -> String {
        self.public.thumbprint()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} bits, {})", self.public.bits(), self.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::fixture;

    #[test]
    fn pem_of_both_kinds_is_the_same_key() {
        let key = PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap();
        assert_eq!(key.public().bits(), 2048);
        let with_crlf = fixture::RSA_PKCS8.replace('\n', "\r\n");
        let unwrapped = fixture::RSA_PKCS1.replace('\n', "").replace("KEY-----", "KEY-----\n");
        let surrounded = format!("Bag Attributes: x\n{}\n{}trailing", fixture::RSA_PUBLIC, fixture::RSA_PKCS8);
        for same in [fixture::RSA_PKCS1, &with_crlf, &unwrapped, &surrounded] {
            assert_eq!(PrivateKey::from_pem(same).unwrap().to_pkcs8(), key.to_pkcs8());
        }
        assert_ne!(PrivateKey::from_pem(fixture::RSA_OTHER).unwrap().kid(), key.kid());
    }

    #[test]
    fn exported_keys_come_back() {
        let key = PrivateKey::from_pem(fixture::RSA_PKCS1).unwrap();
        let pem = key.to_pem().unwrap();
        assert_eq!(pem.expose(), fixture::RSA_PKCS8, "OpenSSL writes the same");
        assert_eq!(PrivateKey::from_pem(pem.expose()).unwrap().kid(), key.kid());
        assert_eq!(PrivateKey::from_pkcs8(key.to_pkcs8()).unwrap().kid(), key.kid());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cut = fixture::RSA_PKCS8.split_at(900).0;
        let damaged = fixture::RSA_PKCS8.replacen("MII", "MIJ", 1);
        let not_base64 = fixture::RSA_PKCS8.replacen("MII", "M!I", 1);
        let ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----";
        for (text, error) in [
            ("", KeyError::NotPem),
            ("garbage", KeyError::NotPem),
            ("-----BEGIN PRIVATE KEY", KeyError::NotPem),
            ("-----BEGIN PRIVATE KEY-----", KeyError::Malformed),
            ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", KeyError::Malformed),
            ("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----", KeyError::NotPem),
            (cut, KeyError::Malformed),
            (&damaged, KeyError::Malformed),
            (&not_base64, KeyError::Malformed),
            (ssh, KeyError::OpenSsh),
            (fixture::RSA_PUBLIC, KeyError::PublicKey),
            (fixture::RSA_ENCRYPTED, KeyError::Encrypted),
            (fixture::RSA_PKCS1_ENCRYPTED, KeyError::Encrypted),
            (fixture::P256_PKCS8, KeyError::NotRsa),
            (fixture::P256_SEC1, KeyError::NotRsa),
            (fixture::RSA_1024, KeyError::Size(1024)),
            (fixture::RSA_EXPONENT_3, KeyError::Exponent),
        ] {
            assert_eq!(PrivateKey::from_pem(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn a_key_whose_parts_disagree_is_refused() {
        let key = PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap();
        // The modulus begins after version and lengths; any change inside breaks n = p * q.
        let mut der = key.to_pkcs8().to_vec();
        der[100] ^= 1;
        assert_eq!(PrivateKey::from_pkcs8(&der).err(), Some(KeyError::Inconsistent));
        der.truncate(1000);
        assert_eq!(PrivateKey::from_pkcs8(&der).err(), Some(KeyError::Malformed));
    }

    #[test]
    fn a_key_whose_numbers_are_no_primes_is_refused() {
        use rsa::BigUint;
        use rsa::traits::{PrivateKeyParts, PublicKeyParts};
        let key = PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap();
        let key = RsaPrivateKey::try_from(PrivateKeyInfo::from_der(key.to_pkcs8()).unwrap()).unwrap();
        // Odd and of the right size, and the exponents agree with it: only signing shows that it is no prime.
        let composite = BigUint::from_bytes_be(&[255; 128]);
        let forged = RsaPrivateKey::from_p_q(key.primes()[0].clone(), composite, key.e().clone()).unwrap();
        let pem = forged.to_pkcs8_pem(LineEnding::LF).unwrap();
        assert_eq!(PrivateKey::from_pem(&pem).err(), Some(KeyError::Inconsistent));
    }

    #[test]
    fn only_known_sizes_are_made() {
        for bits in [0, 1024, 2047, 2049, 8192, usize::MAX] {
            assert_eq!(PrivateKey::generate(bits).err(), Some(KeyError::UnsupportedSize(bits)));
        }
        let key = PrivateKey::generate(2048).unwrap();
        assert_eq!(key.public().bits(), 2048);
        assert_eq!(key.prove(), Ok(()));
    }

    #[test]
    fn debug_output_shows_no_private_part() {
        let key = PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey(2048 bits, {})", key.kid()));
    }
}
