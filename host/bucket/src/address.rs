//! Where a path leads: its scheme decides the store.

use std::fmt;

/// The kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `hdfs://`, `viewfs://`, and no scheme: Hadoop's `fs.defaultFS`.
    Hdfs,
    /// `file://`.
    File,
    /// `s3://`, `s3a://`.
    S3,
    /// `gs://`.
    Gcs,
    /// `az://`, `abfs://`, `abfss://`.
    Azure,
}

/// A path with escapes, apart from the store in which it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The kind of store.
    pub scheme: Scheme,
    /// Scheme and authority, `hdfs://namenode:8020`; empty if none is given.
    pub root: String,
    /// The path below, from `/` on.
    pub path: String,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A scheme that no store here has.
    #[error("no store here has the scheme `{0}`")]
    Scheme(String),
    /// Something between `//` and the path that has to be there, or must not.
    #[error("{0}")]
    Authority(&'static str),
    /// No scheme, and no `/` at the begin.
    #[error("a path without a scheme begins with `/`")]
    Relative,
}

impl Address {
    /// Takes the text of `hdfs.path` apart.
    ///
    /// # Errors
    /// What [`AddressError`] lists.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, rest)) = text.split_once(":/") else {
            let absolute = text.starts_with('/');
            let address = Self {
                scheme: Scheme::Hdfs,
                root: String::new(),
                path: text.to_owned(),
            };
            return absolute.then_some(address).ok_or(AddressError::Relative);
        };
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "hdfs" | "viewfs" => Scheme::Hdfs,
            "file" => Scheme::File,
            "s3" | "s3a" => Scheme::S3,
            "gs" => Scheme::Gcs,
            "az" | "azure" | "abfs" | "abfss" => Scheme::Azure,
            _ => return Err(AddressError::Scheme(scheme.to_owned())),
        };
        // `file:/a` and `file:///a` are the same.
        let (authority, path) = match rest.strip_prefix('/') {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", rest),
        };
        let wrong = match kind {
            _ if authority.contains('%') => Some("the part behind `//` cannot have escapes"),
            Scheme::File if !authority.is_empty() => Some("a file path begins with `file:///`"),
            Scheme::S3 | Scheme::Gcs if authority.is_empty() => {
                Some("the bucket's name is missing behind `//`")
            }
            Scheme::Azure if authority.is_empty() => {
                Some("the container's name is missing behind `//`")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(AddressError::Authority(wrong));
        }
        let root = match authority {
            "" => String::new(),
            authority => format!("{scheme}://{authority}"),
        };
        Ok(Self {
            scheme: kind,
            root,
            path: format!("/{path}"),
        })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hdfs => "HDFS",
            Self::File => "files",
            Self::S3 => "S3",
            Self::Gcs => "GCS",
            Self::Azure => "Azure",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_decides_the_store() {
        for (text, scheme, root, path) in [
            (
                "hdfs://nn:8020/a/%Y",
                Scheme::Hdfs,
                "hdfs://nn:8020",
                "/a/%Y",
            ),
            ("viewfs://c/a", Scheme::Hdfs, "viewfs://c", "/a"),
            ("hdfs:///a", Scheme::Hdfs, "", "/a"),
            ("/a/b", Scheme::Hdfs, "", "/a/b"),
            ("file:///a/b/", Scheme::File, "", "/a/b/"),
            ("file:/a", Scheme::File, "", "/a"),
            ("s3a://bucket/a", Scheme::S3, "s3a://bucket", "/a"),
            ("s3://bucket", Scheme::S3, "s3://bucket", "/"),
            ("gs://bucket/%{a}", Scheme::Gcs, "gs://bucket", "/%{a}"),
            (
                "abfs://c@a.dfs.core.windows.net/x",
                Scheme::Azure,
                "abfs://c@a.dfs.core.windows.net",
                "/x",
            ),
        ] {
            let expected = Address {
                scheme,
                root: root.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(Address::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for text in [
            "ftp://x/y",
            "file://host/x",
            "s3:///x",
            "s3://%{b}/x",
            "x/y",
            "",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
