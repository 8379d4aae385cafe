//! Makes the client of an object store from its address and options.
//!
//! The environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`) gives defaults, options override it, and the
//! address overrides both. No value of an option is ever logged.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use flume_core::context::Secret;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::StoreClient;
use crate::address::Scheme;

/// Retries of one request. A call is given up after `callTimeout` in any case.
const RETRIES: usize = 2;

/// Whether the store's client knows an option of this name.
pub(crate) fn accepts(scheme: Scheme, option: &str) -> bool {
    match scheme {
        Scheme::S3 => AmazonS3ConfigKey::from_str(option).is_ok(),
        Scheme::Gcs => GoogleConfigKey::from_str(option).is_ok(),
        Scheme::Azure => AzureConfigKey::from_str(option).is_ok(),
        // Hadoop's properties are an open list.
        Scheme::Hdfs => true,
        Scheme::File => false,
    }
}

/// Options of object stores whose values are no secrets, without the provider in front. What is not
/// on the list is not shown, so that a new option of the client cannot be a leak.
const HARMLESS: &[&str] = &[
    "account_name",
    "allow_http",
    "allow_invalid_certificates",
    "authority_host",
    "base_url",
    "bucket",
    "bucket_name",
    "checksum_algorithm",
    "conditional_put",
    "connect_timeout",
    "container_name",
    "copy_if_not_exists",
    "default_content_type",
    "default_region",
    "disable_bulk_delete",
    "disable_system_certificates",
    "disable_tagging",
    "endpoint",
    "endpoint_url",
    "endpoint_url_s3",
    "endpoint_url_sts",
    "http1_only",
    "http2_keep_alive_interval",
    "http2_keep_alive_timeout",
    "http2_keep_alive_while_idle",
    "http2_max_frame_size",
    "http2_only",
    "imdsv1_fallback",
    "metadata_endpoint",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_excludes",
    "proxy_url",
    "randomize_addresses",
    "read_timeout",
    "region",
    "request_payer",
    "role_arn",
    "role_session_name",
    "s3_express",
    "server_side_encryption",
    "skip_signature",
    "sse_bucket_key_enabled",
    "timeout",
    "unsigned_payload",
    "use_azure_cli",
    "use_emulator",
    "use_fabric_endpoint",
    "user_agent",
    "virtual_hosted_style_request",
];

/// Hadoop's properties that are no secrets: those that the client reads.
const HARMLESS_OF_HADOOP: &[&str] = &[
    "dfs.blocksize",
    "dfs.client.",
    "dfs.data.transfer.protection",
    "dfs.ha.",
    "dfs.namenode.",
    "dfs.nameservices",
    "dfs.replication",
    "fs.defaultFS",
    "fs.viewfs.mounttable.",
    "hadoop.security.authentication",
];

/// Whether the value of an option, of any store, may be shown.
pub(crate) fn is_harmless(option: &str) -> bool {
    let providers = ["aws_", "azure_storage_", "azure_", "google_"];
    let mut names = providers.iter().filter_map(|it| option.strip_prefix(it));
    let is_listed = |name: &str| HARMLESS.contains(&name);
    let is_of_hadoop = HARMLESS_OF_HADOOP
        .iter()
        .any(|known| match known.ends_with('.') {
            true => option.starts_with(known),
            false => option == *known,
        });
    is_listed(option) || names.any(is_listed) || is_of_hadoop
}

/// A client for the store at `root`. It does not connect yet.
pub(crate) fn build(
    scheme: Scheme,
    root: &str,
    options: &BTreeMap<String, Secret>,
    call_timeout: Duration,
) -> Result<Arc<dyn StoreClient>, object_store::Error> {
    // Fails if a provider is installed already, which is just as good.
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
                builder = builder.with_config(name.parse()?, value.expose());
            }
            Arc::new(builder.with_url(root).with_retry(retry).build()?) as Arc<dyn StoreClient>
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
    fn only_harmless_options_are_shown() {
        let shown = [
            "region",
            "aws_endpoint",
            "azure_storage_account_name",
            "dfs.replication",
        ];
        for option in shown {
            assert!(is_harmless(option), "{option}");
        }
        for option in [
            "azure_storage_account_key",
            "azure_storage_access_key",
            "azure_storage_master_key",
            "azure_storage_sas_key",
            "account_key",
            "access_key",
            "access_key_id",
            "aws_access_key_id",
            "master_key",
            "sas_key",
            "google_service_account_key",
            "service_account_key",
            "aws_sse_customer_key_base64",
            "encryption_key",
            "bearer_token",
            "fs.s3a.secret.key",
            "dfs.replication.x",
            "whatever",
        ] {
            assert!(!is_harmless(option), "{option}");
        }
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
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into_iter()
            .collect();
        let client = build(Scheme::S3, "s3://bucket", &options, Duration::from_secs(1)).unwrap();
        assert!(client.to_string().contains("bucket"));
        assert!(build(Scheme::Azure, "az://c", &options, Duration::from_secs(1)).is_err());
    }
}
