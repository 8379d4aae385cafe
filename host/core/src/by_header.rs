//! Places that events choose by a header. A source may note in one where an event comes from, and a sink
//! obey it: then events go back to where they came from, without end. A plan sees that by this.

use std::collections::BTreeSet;

/// A header that names a place of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHeader {
    /// The addresses of the cluster's servers, as the file has them.
    pub cluster: BTreeSet<String>,
    /// The header's name.
    pub header: String,
}

impl ByHeader {
    /// Whether who obeys this header goes where the other one notes that it comes from.
    pub fn follows(&self, origin: &Self) -> bool {
        self.header == origin.header && !self.cluster.is_disjoint(&origin.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_needs_one_header_and_one_cluster() {
        let of = |header: &str, servers: &[&str]| ByHeader {
            cluster: servers.iter().map(|it| (*it).to_owned()).collect(),
            header: header.to_owned(),
        };
        let origin = of("topic", &["k1:9092", "k2:9092"]);
        assert!(of("topic", &["k2:9092"]).follows(&origin));
        assert!(!of("topic", &["other:9092"]).follows(&origin));
        assert!(!of("to", &["k1:9092"]).follows(&origin));
    }
}
