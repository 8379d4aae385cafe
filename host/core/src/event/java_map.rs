//! Headers as Java prints a map: `{a=1, b=2}`. Three formats of Flume contain it.

use std::fmt;

use super::Headers;

/// Prints headers in their own order; Java's order is that of a hash table.
#[derive(Debug, Clone, Copy)]
pub struct JavaMap<'a>(pub &'a Headers);

impl fmt::Display for JavaMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={value}")?;
        }
        f.write_str("}")
    }
}
