//! When the certificate of a source expires.

use super::{Counter, Metric, MetricKind};

/// The end of a certificate's time. A source without one has no number.
#[derive(Debug, Default)]
pub struct Certificate {
    /// 0 for none.
    not_after: Counter,
}

impl Certificate {
    /// What its number means.
    pub const METRICS: &'static [Metric] = &[Metric {
        name: "CertificateNotAfterSeconds",
        kind: MetricKind::Gauge,
        unit: "s since 1970",
        help: "When the source's certificate expires, as read at its start; the first to expire of \
               those that clients are sent.",
    }];

    /// The source has this certificate from now on, or none.
    pub fn set(&self, not_after: Option<u64>) {
        self.not_after.set(not_after.unwrap_or(0));
    }

    /// When it expires, in seconds since 1970.
    pub fn not_after(&self) -> Option<u64> {
        Some(self.not_after.get()).filter(|seconds| *seconds > 0)
    }

    /// The number with its meaning, if there is a certificate.
    pub fn attributes(&self) -> Vec<(&'static Metric, u64)> {
        Self::METRICS.iter().zip(self.not_after()).collect()
    }
}
