//! JKS, Java's own format of key stores.
//!
//! ```text
//! store        magic: u32, version: u32, count: u32, count x entry, digest: 20 bytes
//! entry        1: u32, alias, made: u64, key: blob, count: u32, count x certificate
//!            | 2: u32, alias, made: u64, certificate
//! certificate  kind: text (version 2 only), blob
//! blob, text   length: u32 or u16, data                                   all big-endian
//! digest       SHA-1 of the password, of [`WHITENER`], and of all bytes before the digest
//! ```
//!
//! A key is in the envelope of an encrypted PKCS8 key: `salt, key xor stream, check`. The stream
//! is a chain of SHA-1: of the password and the salt, of the password and the first result, …
//! The check is the SHA-1 of the password and the key. Passwords are UTF-16, big-endian.
//!
//! The laws: a length is believed only as far as there are bytes, so that memory stays below a
//! few times the file's size; the digest is checked before anything is read, if there is a password,
//! so that a wrong one or a cut file is recognised as such; entries keep the order of the file.
//!
//! Why not the library for this format: it reserves whatever a length field says, and it ends
//! the process on a key that is cut short.

use sha1::{Digest, Sha1};
use spki::AlgorithmIdentifierRef;
use spki::der::asn1::{ObjectIdentifier, OctetStringRef};
use spki::der::{Reader, SliceReader};

/// First bytes of a store.
pub(super) const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// Mixed into the digest, for no known reason.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// Bytes of a SHA-1 digest, and of a salt.
const DIGEST: usize = 20;

/// Sun's protection of keys, the only one in JKS.
const PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.42.2.17.1.1");

/// Why a JKS store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JksError {
    /// Store password and digest do not fit.
    #[error("wrong password or damaged file")]
    Digest,
    /// Key password and key do not fit.
    #[error("the password of the store does not open the key `{0}` in it")]
    KeyPassword(String),
    /// The digest fits and the content makes no sense.
    #[error("damaged file: it ends inside an entry or goes on after the last one")]
    Length,
    /// Neither 1 nor 2.
    #[error("version {0} of the format is unknown")]
    Version(u32),
    /// Neither a key nor a certificate.
    #[error("an entry of the unknown kind {0}")]
    Kind(u32),
    /// A certificate that is not X.509.
    #[error("a certificate of the unknown kind `{0}`")]
    Certificate(String),
    /// The envelope of a key cannot be read.
    #[error("the key `{0}` is protected in an unknown way")]
    Protection(String),
}

/// What a store holds. It borrows from the file's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JksStore<'a> {
    pub(super) entries: Vec<JksEntry<'a>>,
}

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum JksEntry<'a> {
    /// A private key, still protected, and its certificates, its own first.
    Key {
        /// Its name.
        alias: String,
        /// The envelope.
        protected: &'a [u8],
        /// DER.
        chain: Vec<&'a [u8]>,
    },
    /// A certificate to trust, as DER.
    Trusted(&'a [u8]),
}

impl<'a> JksStore<'a> {
    /// Reads a store.
    ///
    /// # Errors
    /// See [`JksError`]; keys are looked at by [`open_key`] only.
    pub(super) fn read(file: &'a [u8], password: &str) -> Result<Self, JksError> {
        let (content, digest) = file.split_last_chunk::<DIGEST>().ok_or(JksError::Digest)?;
        if hash(&utf16(password), &[WHITENER, content]) != *digest {
            return Err(JksError::Digest);
        }
        Self::read_content(content)
    }

    /// Reads a store without its password, as Java does where it needs none: keys stay closed, and
    /// a damaged file may be taken for a good one.
    ///
    /// # Errors
    /// See [`JksError`].
    #[cfg(feature = "kafka")]
    pub(super) fn read_unproven(file: &'a [u8]) -> Result<Self, JksError> {
        let (content, _) = file.split_last_chunk::<DIGEST>().ok_or(JksError::Digest)?;
        Self::read_content(content)
    }

    fn read_content(content: &'a [u8]) -> Result<Self, JksError> {
        let mut rest = Unread(content);
        rest.take(MAGIC.len())?;
        let version = rest.number()?;
        if !matches!(version, 1 | 2) {
            return Err(JksError::Version(version));
        }
        let count = rest.number()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(rest.entry(version)?);
        }
        match rest.0 {
            [] => Ok(Self { entries }),
            _ => Err(JksError::Length),
        }
    }
}

/// Takes a key out of its envelope; it is PKCS8.
///
/// # Errors
/// The password is wrong, or the envelope is damaged.
pub(super) fn open_key(alias: &str, protected: &[u8], password: &str) -> Result<Vec<u8>, JksError> {
    let unknown = || JksError::Protection(alias.to_owned());
    let sealed = envelope(protected).ok_or_else(unknown)?;
    let (salt, rest) = sealed.split_first_chunk::<DIGEST>().ok_or_else(unknown)?;
    let (key, check) = rest.split_last_chunk::<DIGEST>().ok_or_else(unknown)?;
    let password = utf16(password);
    let mut link = *salt;
    let mut open = Vec::with_capacity(key.len());
    for part in key.chunks(DIGEST) {
        link = hash(&password, &[&link]);
        open.extend(part.iter().zip(link).map(|(byte, mask)| byte ^ mask));
    }
    if hash(&password, &[&open]) != *check {
        return Err(JksError::KeyPassword(alias.to_owned()));
    }
    Ok(open)
}

/// What is in an envelope of Sun's kind.
fn envelope(protected: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(protected).ok()?;
    let opened = reader.sequence(|reader| {
        let algorithm: AlgorithmIdentifierRef<'_> = reader.decode()?;
        let sealed: &OctetStringRef = reader.decode()?;
        Ok::<_, spki::der::Error>((algorithm.oid, sealed))
    });
    let (protection, sealed) = opened.ok()?;
    (protection == PROTECTION).then_some(sealed.as_bytes())
}

/// Bytes that are not read yet.
struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], JksError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(JksError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, JksError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(JksError::Length)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*taken))
    }

    fn blob(&mut self) -> Result<&'a [u8], JksError> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| JksError::Length)?)
    }

    /// Java's UTF-8 differs from the standard beyond the first plane; but a name is only shown.
    fn text(&mut self) -> Result<String, JksError> {
        let (length, rest) = self.0.split_first_chunk().ok_or(JksError::Length)?;
        self.0 = rest;
        let text = self.take(usize::from(u16::from_be_bytes(*length)))?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn entry(&mut self, version: u32) -> Result<JksEntry<'a>, JksError> {
        let kind = self.number()?;
        if !matches!(kind, 1 | 2) {
            return Err(JksError::Kind(kind));
        }
        let alias = self.text()?;
        self.take(size_of::<u64>())?;
        if kind == 2 {
            return Ok(JksEntry::Trusted(self.certificate(version)?));
        }
        let protected = self.blob()?;
        let mut chain = Vec::new();
        for _ in 0..self.number()? {
            chain.push(self.certificate(version)?);
        }
        Ok(JksEntry::Key {
            alias,
            protected,
            chain,
        })
    }

    fn certificate(&mut self, version: u32) -> Result<&'a [u8], JksError> {
        if version == 2 {
            let kind = self.text()?;
            if !matches!(kind.as_str(), "X.509" | "X509") {
                return Err(JksError::Certificate(kind));
            }
        }
        self.blob()
    }
}

fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn hash(password: &[u8], parts: &[&[u8]]) -> [u8; DIGEST] {
    let mut digest = Sha1::new();
    digest.update(password);
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
