//! When certificates expire.

use tokio_rustls::rustls::pki_types::CertificateDer;

/// The first end of a certificate's time among these, in seconds since 1970. A client refuses a
/// chain of which one has expired. `None` if none can be read; TLS says more about that.
pub(super) fn first(chain: &[CertificateDer<'_>]) -> Option<u64> {
    let ends = chain.iter().filter_map(|certificate| {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        // A time before 1970 is long over.
        Some(u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(1))
    });
    ends.min()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn until(year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        made.der().clone()
    }

    /// The expected values are those of `date -u -d 2030-01-01 +%s`.
    #[test]
    fn the_first_certificate_to_expire_counts() {
        assert_eq!(first(&[until(2035), until(2030)]), Some(1_893_456_000));
        assert_eq!(first(&[until(2035)]), Some(2_051_222_400));
    }

    #[test]
    fn what_is_no_certificate_does_not_expire() {
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[CertificateDer::from(vec![1, 2, 3])]), None);
    }
}
