//! State as a row of numbers: enough for what selectors learn, and simple to read back.
//!
//! ```
//! use flume_policy_sdk::words;
//!
//! let bytes = words::pack([7, u64::MAX]);
//! assert_eq!(words::unpack::<2>(&bytes), Ok([7, u64::MAX]));
//! assert!(words::unpack::<3>(&bytes).is_err());
//! ```

/// A number for [`State::FORMAT`](crate::State::FORMAT) from four letters.
pub const fn format(letters: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*letters)
}

/// Numbers as bytes.
pub fn pack(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Exactly this many numbers.
///
/// # Errors
/// There are more or fewer.
pub fn unpack<const N: usize>(bytes: &[u8]) -> Result<[u64; N], String> {
    let words = rows::<N>(bytes, 1)?;
    words.first().copied().ok_or_else(|| wrong(bytes, N))
}

/// Exactly this many rows of numbers, such as one for each sink.
///
/// # Errors
/// There are more or fewer.
pub fn rows<const N: usize>(bytes: &[u8], count: usize) -> Result<Vec<[u64; N]>, String> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let (rows, more) = words.as_chunks::<N>();
    if rows.len() != count || !more.is_empty() || !rest.is_empty() {
        return Err(wrong(bytes, N * count));
    }
    Ok(rows.to_vec())
}

/// Refuses the layout of another policy.
///
/// # Errors
/// The layouts differ.
pub fn same_format(found: u32, known: u32) -> Result<(), String> {
    if found == known {
        return Ok(());
    }
    let letters = |format: u32| format.to_be_bytes().escape_ascii().to_string();
    let (found, known) = (letters(found), letters(known));
    Err(format!("the state is `{found}`, not `{known}`"))
}

fn wrong(bytes: &[u8], wanted: usize) -> String {
    format!("the state has {} bytes, not {}", bytes.len(), wanted * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let bytes = pack([1, 2, 3, 4, 5, 6]);
        assert_eq!(rows::<2>(&bytes, 3), Ok(vec![[1, 2], [3, 4], [5, 6]]));
        let error = rows::<2>(&bytes[..47], 3).unwrap_err();
        assert_eq!(error, "the state has 47 bytes, not 48");
        rows::<4>(&bytes, 1).unwrap_err();
        rows::<2>(&[], 1).unwrap_err();
    }

    #[test]
    fn a_stranger_is_named() {
        let (one, other) = (format(b"shr1"), 1);
        assert_eq!(same_format(one, one), Ok(()));
        let error = same_format(other, one).unwrap_err();
        assert_eq!(error, r"the state is `\x00\x00\x00\x01`, not `shr1`");
    }
}
