//! Digests as text.

use std::fmt::Write as _;

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            match write!(text, "{byte:02x}") {
                Ok(()) | Err(std::fmt::Error) => text,
            }
        })
}
