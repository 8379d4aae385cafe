//! Shared by the tests of several modules: the recorded frames in `tests/wire`.

use bytes::BytesMut;

/// The bytes of a recording: hexadecimal digits, white space, and comments from `#` on.
pub(crate) fn wire(name: &str) -> BytesMut {
    let path = format!("{}/../../tests/wire/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digits: Vec<u32> = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .map(|c| {
            c.to_digit(16)
                .unwrap_or_else(|| panic!("{path}: {c:?} is not a digit"))
        })
        .collect();
    assert_eq!(digits.len() % 2, 0, "{path}: half a byte");
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}
