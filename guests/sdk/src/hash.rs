//! A hash that never changes: it chooses sinks, on several machines and for years.
//!
//! The standard library's hashes may change with the compiler.

/// The hash of a key: FNV-1a, with the bits mixed at the end so that each of them counts.
///
/// ```
/// use flume_policy_sdk::hash;
///
/// assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
/// assert_ne!(hash(b"key-1"), hash(b"key-2"));
/// ```
pub fn hash(key: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = key.iter().fold(0xcbf2_9ce4_8422_2325, step);
    // The finish of MurmurHash3.
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any other value would send every key to another sink.
    #[test]
    fn keys_keep_their_hashes() {
        for (key, expected) in [
            ("a", 0x82a2_a958_a9be_ce5b),
            ("flume", 0x1947_6a44_37a6_9139),
        ] {
            assert_eq!(hash(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn each_bit_of_the_hash_counts() {
        let mut ones = [0_u32; 64];
        for key in 0..4000_u32 {
            let hash = hash(format!("host-{key}").as_bytes());
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(hash >> bit & 1 == 1);
            }
        }
        assert!(
            ones.iter().all(|ones| (1800..2200).contains(ones)),
            "{ones:?}"
        );
    }
}
