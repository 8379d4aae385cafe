//! Completes elliptic keys as Java writes them.
//!
//! ```text
//! pkcs8  SEQUENCE { 0, algorithm, OCTET STRING { key }, … }
//! key    SEQUENCE { 1, OCTET STRING secret, [0] curve?, [1] { BIT STRING public }? }
//! ```
//!
//! Java leaves the public half out, since it follows from the secret one, and our TLS
//! needs it. It is in the key's certificate, so it is copied from there. A certificate of
//! another key does no harm: TLS compares the two halves and refuses.

use spki::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use spki::der::{AnyRef, Decode, Encode, Error, Reader, SliceReader, Tag, TagNumber};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ParsedCertificate;

/// Elliptic keys, whatever the curve.
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Adds the public half to an elliptic key that lacks it; any other key stays what it is.
pub(super) fn completed(key: Vec<u8>, certificate: Option<&CertificateDer<'_>>) -> Vec<u8> {
    let whole = certificate.and_then(|certificate| {
        let public = ParsedCertificate::try_from(certificate)
            .ok()?
            .subject_public_key_info();
        let public = SubjectPublicKeyInfoRef::from_der(&public).ok()?;
        whole(&key, public).ok().flatten()
    });
    whole.unwrap_or(key)
}

/// `None` if there is nothing to add.
fn whole(key: &[u8], public: SubjectPublicKeyInfoRef<'_>) -> Result<Option<Vec<u8>>, Error> {
    let (algorithm, inner) = SliceReader::new(key)?.sequence(|reader| {
        let _version: u8 = reader.decode()?;
        let algorithm: AlgorithmIdentifierRef<'_> = reader.decode()?;
        let inner: &OctetStringRef = reader.decode()?;
        reader.drain(reader.remaining_len())?;
        Ok::<_, Error>((algorithm, inner))
    })?;
    if algorithm.oid != ELLIPTIC || algorithm != public.algorithm {
        return Ok(None);
    }
    let (secret, has_public) = SliceReader::new(inner.as_bytes())?.sequence(|reader| {
        let _version: u8 = reader.decode()?;
        let secret: &OctetStringRef = reader.decode()?;
        let mut has_public = false;
        while !reader.is_finished() {
            let more: AnyRef<'_> = reader.decode()?;
            has_public |= is_public(more);
        }
        Ok::<_, Error>((secret, has_public))
    })?;
    if has_public {
        return Ok(None);
    }
    let public: BitStringRef<'_> = public.subject_public_key;
    let public = AnyRef::new(PUBLIC, &public.to_der()?)?.to_der()?;
    let inner = sequence(&[1u8.to_der()?, secret.to_der()?, public])?;
    let inner = OctetStringRef::new(&inner)?.to_der()?;
    sequence(&[0u8.to_der()?, algorithm.to_der()?, inner]).map(Some)
}

/// The tag of the public half.
const PUBLIC: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(1),
};

fn is_public(part: AnyRef<'_>) -> bool {
    spki::der::Tagged::tag(&part) == PUBLIC
}

fn sequence(parts: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    AnyRef::new(Tag::Sequence, &parts.concat())?.to_der()
}

#[cfg(test)]
mod tests {
    use super::super::jks::{self, JksStore};
    use super::*;
    use crate::net::testing::{PASSWORD, java_store};

    /// The key and the certificate of a store that Java made.
    fn stored(name: &str) -> (Vec<u8>, CertificateDer<'static>) {
        let file = std::fs::read(java_store(name)).unwrap();
        let store = JksStore::read(&file, PASSWORD).unwrap();
        let (alias, protected, chain) = store.only_key();
        let key = jks::open_key(alias, protected, PASSWORD).unwrap();
        (key, CertificateDer::from(chain[0].to_vec()))
    }

    #[test]
    fn only_an_elliptic_key_is_completed_and_only_once() {
        let (key, certificate) = stored("elliptic.jks");
        let whole = completed(key.clone(), Some(&certificate));
        // The tag and two lengths of the new part, the unused bits, a point of 65 bytes; the
        // length of the outer sequence is one byte longer now.
        assert_eq!(whole.len(), key.len() + 71, "{whole:x?}");
        assert_eq!(completed(whole.clone(), Some(&certificate)), whole);
        assert_eq!(completed(key.clone(), None), key);
        let (rsa, other) = stored("agent.jks");
        assert_eq!(completed(rsa.clone(), Some(&other)), rsa);
        assert_eq!(completed(key.clone(), Some(&other)), key);
    }

    #[test]
    fn damaged_keys_and_certificates_never_panic() {
        let (key, certificate) = stored("elliptic.jks");
        for at in 0..key.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = key.clone();
                damaged[at] = value;
                assert!(completed(damaged, Some(&certificate)).len() >= key.len());
            }
            let cut = key[..at].to_vec();
            assert_eq!(completed(cut.clone(), Some(&certificate)), cut);
        }
        for length in 0..certificate.len() {
            let cut = CertificateDer::from(certificate[..length].to_vec());
            assert_eq!(completed(key.clone(), Some(&cut)), key);
        }
    }
}
