//! Headers as Java prints a map: `{a=1, b=2}`. Three of Flume's formats contain it.
//!
//! The order is that of a `java.util.HashMap`, in which Flume's events hold their headers, so that
//! what is written can be compared byte by byte.

use std::fmt;

use super::Headers;

/// The smallest table of a `HashMap`; it is doubled when more than three quarters are in use.
const SMALLEST_TABLE: usize = 16;

/// Prints headers.
#[derive(Debug, Clone, Copy)]
pub struct JavaMap<'a>(pub &'a Headers);

impl fmt::Display for JavaMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: Vec<_> = self.0.iter().collect();
        let mut table = SMALLEST_TABLE;
        while pairs.len() > table / 4 * 3 {
            table *= 2;
        }
        // Within a slot, the order of insertion is kept.
        pairs.sort_by_cached_key(|(name, _)| spread(name) as usize & (table - 1));
        f.write_str("{")?;
        for (at, (name, value)) in pairs.into_iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={value}")?;
        }
        f.write_str("}")
    }
}

/// `String.hashCode` with its upper half mixed into the lower, as a `HashMap` does.
fn spread(name: &str) -> u32 {
    let add = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    let hash = name.encode_utf16().fold(0, add);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `System.out.println` printed for a `HashMap` with these keys set in this order.
    #[test]
    fn the_order_is_javas() {
        let printed = |names: &[&str]| {
            let headers: Headers = names.iter().map(|name| (*name, "1")).collect();
            JavaMap(&headers).to_string()
        };
        assert_eq!(printed(&[]), "{}");
        assert_eq!(printed(&["timestamp", "kind"]), "{kind=1, timestamp=1}");
        assert_eq!(
            printed(&["Aa", "BB", "host", "b"]),
            "{Aa=1, BB=1, b=1, host=1}"
        );
        let many = [
            "zeta", "é", "topic", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
        ];
        let expected = "{zeta=1, a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, é=1, i=1, j=1, k=1, l=1, \
                        m=1, topic=1}";
        assert_eq!(printed(&many), expected);
    }
}
