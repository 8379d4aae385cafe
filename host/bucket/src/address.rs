//! The text of `hdfs.path`, taken apart. The scheme decides the store; where the text has none, or
//! does not begin at the root, Hadoop's configuration does.

use std::fmt;

use flume_core::context::has_user;

use crate::hadoop::Hadoop;

/// Hadoop's default for paths without a scheme: the files of this machine.
const LOCAL: &str = "file:///";

/// The kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `hdfs://`, `viewfs://`.
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

/// A store, and a path with escapes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    /// The kind of store.
    pub scheme: Scheme,
    /// Scheme and authority, for example `hdfs://namenode:8020`; empty for files.
    pub root: String,
    /// The path in the store; begins with `/`.
    pub path: String,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The scheme is unknown.
    #[error("the scheme `{0}` is not supported")]
    Scheme(String),
    /// The part between `//` and the path is missing, or must not be there.
    #[error("{0}")]
    Authority(&'static str),
    /// A user, or a key with its secret, stands in front of the host or bucket. Addresses are shown
    /// and logged, so keys in them are refused.
    #[error("an address cannot hold a user or keys")]
    Keys,
    /// The name of a name node is missing, and Hadoop's configuration has none.
    #[error("no name node is given, and `fs.defaultFS` of Hadoop's configuration names none")]
    NoDefault,
    /// `fs.defaultFS` is no address itself.
    #[error(
        "`fs.defaultFS` of Hadoop's configuration is not an address of a store that is known here"
    )]
    BadDefault,
}

impl StoreAddress {
    /// Takes the text of `hdfs.path` apart. What it does not say is as in Hadoop's configuration,
    /// for this user or the one of the process: then there is also whether that configuration says
    /// so, or it is Hadoop's default.
    ///
    /// # Errors
    /// As [`AddressError`] says.
    pub fn resolve(
        text: &str,
        hadoop: &Hadoop,
        user: Option<&str>,
    ) -> Result<(Self, Option<bool>), AddressError> {
        let default = || -> Result<(Self, bool), AddressError> {
            let configured = hadoop.default_fs.as_deref();
            let text = configured.unwrap_or(LOCAL);
            let bad = |_| AddressError::BadDefault;
            Ok((Self::parse(text).map_err(bad)?, configured.is_some()))
        };
        if text.contains(":/") {
            let address = Self::parse(text)?;
            if address.scheme != Scheme::Hdfs || !address.root.is_empty() {
                return Ok((address, None));
            }
            let (default, _) = default()?;
            if default.scheme != Scheme::Hdfs || default.root.is_empty() {
                return Err(AddressError::NoDefault);
            }
            let root = default.root;
            return Ok((Self { root, ..address }, None));
        }
        let (default, is_configured) = default()?;
        if default.scheme == Scheme::Hdfs && default.root.is_empty() {
            return Err(AddressError::NoDefault);
        }
        let path = match text.starts_with('/') {
            true => text.to_owned(),
            false => format!("{}/{text}", default.start(hadoop, user)),
        };
        Ok((Self { path, ..default }, Some(is_configured)))
    }

    /// Where relative paths begin in this store. What it is called has no escapes.
    fn start(&self, hadoop: &Hadoop, user: Option<&str>) -> String {
        let working = hadoop.working.as_ref();
        let working = working.and_then(|path| path.to_str());
        let start = match (self.scheme, working) {
            (Scheme::File, Some(working)) => working.trim_end_matches('/').to_owned(),
            (Scheme::File, None) => String::new(),
            _ => hadoop.home(user),
        };
        start.replace('%', "%%")
    }

    /// Takes an address with a scheme apart.
    fn parse(text: &str) -> Result<Self, AddressError> {
        let unknown = || AddressError::Scheme(text.to_owned());
        let (scheme, rest) = text.split_once(":/").ok_or_else(unknown)?;
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
        let after = rest.strip_prefix('/').unwrap_or_default();
        if has_user(scheme, after) {
            return Err(AddressError::Keys);
        }
        let wrong = match kind {
            _ if authority.contains('%') => Some("the part after `//` cannot have escapes"),
            Scheme::S3 | Scheme::Gcs if authority.contains(':') => {
                Some("a bucket's name has no `:`")
            }
            Scheme::File if !authority.is_empty() => Some("a file path must begin with `file:///`"),
            Scheme::S3 | Scheme::Gcs if authority.is_empty() => {
                Some("the bucket's name is missing after `//`")
            }
            Scheme::Azure if authority.is_empty() => {
                Some("the container's name is missing after `//`")
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

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::File => write!(f, "file://{}", self.path),
            _ => write!(f, "{}{}", self.root, self.path),
        }
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
            let expected = StoreAddress {
                scheme,
                root: root.to_owned(),
                path: path.to_owned(),
            };
            let resolved = StoreAddress::resolve(text, &Hadoop::default(), None);
            assert_eq!(resolved, Ok((expected, None)), "{text}");
        }
    }

    /// As Hadoop resolves a path against `fs.defaultFS` and the home of the user.
    #[test]
    fn hadoops_configuration_says_where_the_rest_is() {
        let with = |default: Option<&str>| Hadoop {
            default_fs: default.map(str::to_owned),
            user: Some("flume".to_owned()),
            working: Some("/srv/50%".into()),
            ..Hadoop::default()
        };
        let resolved = |text: &str, default: Option<&str>, user: Option<&str>| {
            let resolved = StoreAddress::resolve(text, &with(default), user);
            resolved.map(|(address, told)| (address.to_string(), told))
        };
        let nn = Some("hdfs://nn:8020");
        for (text, default, user, address, told) in [
            ("/a/%Y", nn, None, "hdfs://nn:8020/a/%Y", Some(true)),
            (
                "a/%Y",
                nn,
                None,
                "hdfs://nn:8020/user/flume/a/%Y",
                Some(true),
            ),
            (
                "a",
                nn,
                Some("etl"),
                "hdfs://nn:8020/user/etl/a",
                Some(true),
            ),
            (
                "a",
                Some("hdfs://ha/"),
                None,
                "hdfs://ha/user/flume/a",
                Some(true),
            ),
            ("hdfs:///a", nn, None, "hdfs://nn:8020/a", None),
            (
                "/a",
                Some("s3a://bucket"),
                None,
                "s3a://bucket/a",
                Some(true),
            ),
            ("/a", Some("file:///"), None, "file:///a", Some(true)),
            ("/a", None, None, "file:///a", Some(false)),
            ("a", None, None, "file:///srv/50%%/a", Some(false)),
        ] {
            let expected = Ok((address.to_owned(), told));
            assert_eq!(resolved(text, default, user), expected, "{text}");
        }
        for (text, default) in [
            ("hdfs:///a", None),
            ("hdfs:///a", Some("file:///")),
            ("/a", Some("hdfs:///")),
            ("/a", Some("nn:8020")),
        ] {
            assert!(resolved(text, default, None).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bad_address_is_refused() {
        for text in ["ftp://x/y", "file://host/x", "s3:///x", "s3://%{b}/x"] {
            let resolved = StoreAddress::resolve(text, &Hadoop::default(), None);
            assert!(resolved.is_err(), "{text}");
        }
    }

    /// They used to be ignored, and the client looked for others elsewhere.
    #[test]
    fn keys_in_an_address_are_refused() {
        for text in [
            "s3a://KEY:SECRET@bucket/a",
            "s3a://KEY:SEC%2FRET@bucket/a",
            "s3://KEY:SEC/RET@bucket/a",
            "gs://KEY@bucket/a",
            "abfss://c:SECRET@account.dfs.core.windows.net/a",
            "hdfs://me@nn:8020/a",
        ] {
            assert_eq!(StoreAddress::parse(text), Err(AddressError::Keys), "{text}");
        }
    }
}
