//! Names that are too long for a store: they are cut, and end with a hash of the whole, so that
//! different long names stay different.

use std::fmt::Write;

use md5::{Digest, Md5};

/// The most bytes of one part of a path. File systems and HDFS take 255, of which a file needs some
/// for its number and its endings.
const MOST_PART: usize = 200;

/// The most bytes of the folders of a file, where a file system has 4096 for the whole path.
pub(crate) const MOST_PATH: usize = 3_800;

/// The most bytes of the folders of an object. Stores take keys of 1024.
pub(crate) const MOST_KEY: usize = 700;

/// The bytes of a hash, with the dash before it.
const MARK: usize = 17;

/// Whether a part is longer than stores take.
pub(super) fn is_long(part: &str) -> bool {
    part.len() > MOST_PART
}

/// A part at a length that stores take.
pub(super) fn cut_part(part: String) -> String {
    cut(part, MOST_PART)
}

/// Folders of at most this many bytes.
pub(crate) fn cut_path(folder: String, most: usize) -> String {
    cut(folder, most)
}

fn cut(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let mut short: String = text.clone();
    let end = (0..=most - MARK)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    short.truncate(end.unwrap_or_default());
    short.push('-');
    for byte in Md5::digest(text.as_bytes()).iter().take(8) {
        // Writing to a string cannot fail.
        write!(short, "{byte:02x}").unwrap_or_default();
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_is_cut_at_a_character() {
        let fits = "x".repeat(MOST_PART);
        assert_eq!(cut_part(fits.clone()), fits);
        for long in [
            "x".repeat(MOST_PART + 1),
            "é".repeat(300),
            "\u{1F300}".repeat(90),
        ] {
            let short = cut_part(long.clone());
            assert!(
                short.len() <= MOST_PART && short.len() > MOST_PART - MARK - 4,
                "{short}"
            );
            let (start, hash) = short.rsplit_once('-').unwrap();
            assert!(long.starts_with(start) && hash.len() == 16, "{short}");
        }
    }

    #[test]
    fn names_that_differ_at_their_ends_stay_different() {
        let names = ["a", "b"].map(|end| cut_part(format!("{}{end}", "x".repeat(500))));
        assert_ne!(names[0], names[1]);
        assert_eq!(names[0], cut_part(format!("{}a", "x".repeat(500))));
    }
}
