//! The words of a checkpoint: eight bytes each, in a plain file or a compressed one.

use std::fs;
use std::io::{self, Error, ErrorKind};
use std::path::Path;

use super::Unusable;
use crate::proto::Cursor;
use crate::window::Window;

/// What a compressed checkpoint begins with: its name, its version, and the oldest that can read
/// it.
const COMPRESSED: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Bytes of a compressed checkpoint, before and after.
const MOST_COMPRESSED: u64 = 512 << 20;
/// Bytes of one part of it. Flume writes 32 KiB.
const MOST_PART: usize = 16 << 20;

/// The words.
#[derive(Debug)]
pub(super) enum Words {
    Plain(Window),
    Unpacked(Vec<u8>),
}

impl Words {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        match Window::open(&directory.join("checkpoint")) {
            Ok(window) => Ok(Self::Plain(window)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let path = directory.join("checkpoint.snappy");
                match fs::metadata(&path) {
                    Ok(found) if found.len() <= MOST_COMPRESSED => {
                        let unpacked = unpack(&fs::read(path)?);
                        unpacked.map(Self::Unpacked).ok_or_else(cut)
                    }
                    Ok(_) => Err(cut()),
                    Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Plain(window) => window.length() / 8,
            Self::Unpacked(bytes) => u64::try_from(bytes.len() / 8).unwrap_or(u64::MAX),
        }
    }

    /// The order of the checkpoint, if it is complete.
    pub(super) fn head(&mut self, least: u64) -> Result<u64, Unusable> {
        let count = self.count();
        if count == 0 {
            return Err("it is empty".to_owned());
        }
        if count < least {
            return Err("it is too short".to_owned());
        }
        match self.get(0, 5)?[..] {
            [3, order, _, _, 0] => Ok(order),
            [3, ..] => Err("it was being written".to_owned()),
            [version, ..] => Err(format!("its version is {version}")),
            [] => Err("it is too short".to_owned()),
        }
    }

    /// Some words.
    pub(super) fn get(&mut self, first: u64, count: u64) -> Result<Vec<u64>, Unusable> {
        let places = usize::try_from(count * 8).ok().zip(first.checked_mul(8));
        let (length, from) = places.ok_or("it is too large")?;
        let bytes = match self {
            Self::Plain(window) => window.get(from, length).map_err(|e| e.to_string())?,
            Self::Unpacked(bytes) => usize::try_from(from)
                .ok()
                .and_then(|from| bytes.get(from..from.checked_add(length)?))
                .unwrap_or_default(),
        };
        if bytes.len() != length {
            return Err("it is too short".to_owned());
        }
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
    }
}

fn cut() -> Error {
    Error::new(ErrorKind::InvalidData, "checkpoint.snappy cannot be read")
}

fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor(bytes);
    cursor.expect(COMPRESSED)?;
    let versions = (cursor.big32()?, cursor.big32()?);
    let mut unpacked = Vec::new();
    while versions == (1, 1) && !cursor.is_empty() {
        let length = usize::try_from(cursor.big32()?).ok()?;
        let part = cursor.take(length)?;
        let size = snap::raw::decompress_len(part).ok()?;
        let whole = u64::try_from(unpacked.len() + size).ok()?;
        let fits = size <= MOST_PART && whole <= MOST_COMPRESSED;
        let part = fits.then(|| snap::raw::Decoder::new().decompress_vec(part))?;
        unpacked.extend(part.ok()?);
    }
    Some(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = COMPRESSED.to_vec();
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for part in parts {
            let part = snap::raw::Encoder::new().compress_vec(part).unwrap();
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn a_compressed_checkpoint_is_read() {
        let bytes = packed(&[&[7; 1000], b"end"]);
        let unpacked = unpack(&bytes).unwrap();
        assert_eq!(unpacked[..1000], [7; 1000]);
        assert_eq!(unpacked[1000..], *b"end");
    }

    #[test]
    fn a_cut_or_foreign_one_is_not() {
        let bytes = packed(&[&[7; 1000]]);
        assert_eq!(unpack(&bytes[..bytes.len() - 1]), None);
        assert_eq!(unpack(&bytes[1..]), None);
    }

    #[test]
    fn a_part_at_the_limit_is_read_and_a_larger_one_is_not() {
        let most = vec![0; MOST_PART];
        assert_eq!(unpack(&packed(&[&most])).unwrap().len(), MOST_PART);
        let more = vec![0; MOST_PART + 1];
        assert_eq!(unpack(&packed(&[&more])), None);
    }
}
