//! Route by field: sets a header from a field of the body, for routing by headers.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `field` | (needed) | JSON pointer or member, key, or number of a column from 1 |
//! | `header` | (needed) | the header to set |
//! | `format` | `json` | `json`, `pairs` or `columns` |
//! | `default` | (none) | the value where the field is absent; without it such events stay as they are |
//! | `delimiter` | `blank`, of columns `,` | what separates pairs or columns |
//! | `prefix` | 65536 | how many bytes of a body are examined, 1 to 16777216 |
//!
//! Law: a body is scanned once, no further than the field, without building a parsed form and
//! without an allocation. Bodies are untrusted: for any content, the result is a value or nothing.

use flume_policy_sdk::{
    Batch, Bodies, Interceptor, InterceptorSetup, Moment, Projection, export_interceptor,
};

mod delimited;
mod json;

use delimited::Delimiter;

/// The most bytes of a value: a header is for routing, not a second body.
const LONGEST: usize = 1024;

/// Sets a header from a field.
#[derive(Debug)]
pub struct RouteByField {
    field: Field,
    header: String,
    default: Option<String>,
    prefix: u32,
    /// The buffer in which values with escapes are decoded.
    scratch: Vec<u8>,
}

/// The field, and how it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// A path through objects and lists.
    Json(Vec<json::Step>),
    /// A key.
    Pairs(Vec<u8>, Delimiter),
    /// How many columns come before.
    Columns(usize, Delimiter),
}

/// The visible part of a body.
#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    bytes: &'a [u8],
    /// Whether the body continues after it.
    is_cut: bool,
}

impl Interceptor for RouteByField {
    fn configure(setup: &mut InterceptorSetup) -> Self {
        let properties = &mut setup.properties;
        let wanted = properties.required("field");
        let header = properties.required("header");
        let format = properties.text("format", "json");
        let delimiter = properties.optional("delimiter");
        let mut parted_by = |default| {
            let Some(text) = &delimiter else {
                return default;
            };
            Delimiter::parse(text).unwrap_or_else(|| {
                properties.bad("delimiter", "one ASCII character, `tab` or `blank`");
                default
            })
        };
        let field = match format.as_str() {
            "pairs" => Field::Pairs(wanted.clone().into_bytes(), parted_by(Delimiter::Blank)),
            "columns" => {
                let delimiter = parted_by(Delimiter::Byte(b','));
                let column = match wanted.parse::<u32>() {
                    Ok(column @ 1..=100_000) => column,
                    _ => {
                        properties.bad("field", "the number of a column, from 1 to 100000");
                        1
                    }
                };
                Field::Columns(column as usize - 1, delimiter)
            }
            other => {
                if other != "json" {
                    properties.bad("format", "`json`, `pairs` or `columns`");
                } else if delimiter.is_some() {
                    properties.problem("`delimiter` means nothing with the format `json`");
                }
                Field::Json(json::path(&wanted))
            }
        };
        Self {
            field,
            header,
            default: properties.optional("default"),
            prefix: properties.number("prefix", 65_536, 1..=16_777_216),
            scratch: Vec::with_capacity(LONGEST),
        }
    }

    fn projection(&self) -> Projection {
        Projection::default().with(Bodies::Prefix(self.prefix))
    }

    fn intercept(&mut self, _: Moment, batch: &Batch) {
        for event in batch {
            let bytes = event.body();
            let text = Text {
                bytes,
                is_cut: event.body_len() > bytes.len(),
            };
            let found = self.field.find(text, &mut self.scratch);
            if let Some(value) = found.or(self.default.as_deref()) {
                event.set_header(&self.header, value);
            }
        }
    }
}

impl Field {
    fn find<'a>(&self, text: Text<'a>, scratch: &'a mut Vec<u8>) -> Option<&'a str> {
        let value = match self {
            Self::Json(path) => json::find(text, path, scratch),
            Self::Pairs(key, delimiter) => delimited::pair(text, key, *delimiter, scratch),
            Self::Columns(before, delimiter) => {
                delimited::column(text, *before, *delimiter, scratch)
            }
        }?;
        if value.len() > LONGEST {
            return None;
        }
        std::str::from_utf8(value).ok()
    }
}

export_interceptor!(RouteByField);

#[cfg(test)]
mod tests;
