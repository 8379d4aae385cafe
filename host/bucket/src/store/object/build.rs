//! Clients of object stores from addresses and options.
//!
//! The environment is read first (`AWS_…`, `GOOGLE_…`, `AZURE_…`), options count more, and the
//! address most. No value of an option is ever logged.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::Client;
use crate::address::Scheme;

/// Tries of one request behind the first; a call is given up after `callTimeout` anyway.
const RETRIES: usize = 2;

/// Whether the store's client knows an option of this name.
pub(crate) fn accepts(scheme: Scheme, option: &str) -> bool {
    match scheme {
        Scheme::S3 => AmazonS3ConfigKey::from_str(option).is_ok(),
        Scheme::Gcs => GoogleConfigKey::from_str(option).is_ok(),
        Scheme::Azure => AzureConfigKey::from_str(option).is_ok(),
        // Hadoop's properties are not a closed list.
        Scheme::Hdfs => true,
        Scheme::File => false,
    }
}

/// A client for the store at `root`. Asks nobody yet.
pub(crate) fn build(
    scheme: Scheme,
    root: &str,
    options: &BTreeMap<String, String>,
    call_timeout: Duration,
) -> Result<Arc<dyn Client>, object_store::Error> {
    // Where another provider is installed that one is good, too.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: call_timeout,
        ..RetryConfig::default()
    };
    macro_rules! client {
        ($builder:ty) => {{
            let mut builder = <$builder>::from_env();
            for (name, value) in options {
                builder = builder.with_config(name.parse()?, value);
            }
            Arc::new(builder.with_url(root).with_retry(retry).build()?) as Arc<dyn Client>
        }};
    }
    Ok(match scheme {
        Scheme::Gcs => client!(GoogleCloudStorageBuilder),
        Scheme::Azure => client!(MicrosoftAzureBuilder),
        _ => client!(AmazonS3Builder),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_the_store() {
        assert!(accepts(Scheme::S3, "endpoint"));
        assert!(accepts(Scheme::S3, "allow_http"));
        assert!(accepts(Scheme::Gcs, "service_account"));
        assert!(accepts(Scheme::Azure, "account_name"));
        assert!(!accepts(Scheme::S3, "endpiont"));
        assert!(!accepts(Scheme::File, "endpoint"));
        assert!(accepts(Scheme::Hdfs, "dfs.replication"));
    }

    #[test]
    fn a_client_is_made_without_asking_anybody() {
        let options = [
            ("region", "us-east-1"),
            ("endpoint", "http://127.0.0.1:1"),
            ("access_key_id", "id"),
            ("secret_access_key", "hidden"),
        ];
        let options = options
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let client = build(Scheme::S3, "s3://bucket", &options, Duration::from_secs(1)).unwrap();
        assert!(client.to_string().contains("bucket"));
        assert!(build(Scheme::Azure, "az://c", &options, Duration::from_secs(1)).is_err());
    }
}
