//! Headers as Java prints a map: `{a=1, b=2}`. Three formats of Flume contain it.

use std::fmt;

use super::Headers;

/// Prints headers in the order in which Java's `HashMap` has them, since that is what Flume keeps
/// headers in: by place in a hash table, and of those at one place the first that was set.
#[derive(Debug, Clone, Copy)]
pub struct JavaMap<'a>(pub &'a Headers);

impl fmt::Display for JavaMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = places(self.0.len());
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_by_key(|(name, _)| place(name) & (places - 1));
        f.write_str("{")?;
        for (at, (name, value)) in pairs.into_iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={value}")?;
        }
        f.write_str("}")
    }
}

/// The size of a table with so many entries: doubled when it is three quarters full.
fn places(entries: usize) -> u32 {
    let mut places = 16_u32;
    while entries > places as usize / 4 * 3 && places < 1 << 30 {
        places *= 2;
    }
    places
}

/// Where a name wants to be: `String.hashCode`, spread as `HashMap` does.
fn place(name: &str) -> u32 {
    let hash = name.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(unit.into())
    });
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(names: &[&str]) -> String {
        let headers: Headers = names.iter().map(|name| (*name, "1")).collect();
        JavaMap(&headers).to_string()
    }

    /// As `java.util.HashMap` of Java 17 prints them.
    #[test]
    fn the_order_is_that_of_a_hash_map() {
        assert_eq!(printed(&[]), "{}");
        assert_eq!(printed(&["timestamp", "kind"]), "{kind=1, timestamp=1}");
        // Both at one place: in the order in which they were set.
        assert_eq!(printed(&["BB", "Aa"]), "{BB=1, Aa=1}");
        assert_eq!(printed(&["Aa", "BB"]), "{Aa=1, BB=1}");
        let many: Vec<String> = (0..13).map(|at| format!("header-{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(printed(&many), MANY);
    }

    const MANY: &str = "{header-11=1, header-12=1, header-6=1, header-7=1, header-4=1, header-5=1, header-2=1, header-3=1, header-0=1, header-1=1, header-10=1, header-8=1, header-9=1}";
}
