//! Stores that open, and the reasons of those that do not.

use super::*;
use crate::net::testing::{PASSWORD, Stores};

fn file(path: impl Into<PathBuf>, password: &str) -> StoreFile {
    StoreFile {
        path: path.into(),
        password: Password::new(password),
    }
}

#[tokio::test]
async fn a_key_store_gives_the_key_and_its_certificate() {
    let stores = Stores::for_host("localhost");
    let identity = file(&stores.keystore, PASSWORD).identity().await.unwrap();
    let trusted = file(&stores.truststore, PASSWORD).trusted().await.unwrap();
    assert_eq!(identity.chain, trusted);
    let own = file(&stores.keystore, PASSWORD).trusted().await.unwrap();
    assert_eq!(own, trusted, "a key's own certificate is trusted too");
}

#[tokio::test]
async fn each_bad_store_has_its_reason() {
    let stores = Stores::for_host("localhost");
    let dir = tempfile::tempdir().unwrap();
    let java = dir.path().join("old.jks");
    std::fs::write(&java, [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, b"not a store").unwrap();
    let cases = [
        (
            file("/no/such/file", PASSWORD),
            "cannot read key store /no/such/file",
        ),
        (file(&java, PASSWORD), "-deststoretype PKCS12"),
        (file(&garbage, PASSWORD), "as PKCS12"),
        (file(&stores.keystore, "wrong"), "wrong password"),
        (file(&stores.truststore, PASSWORD), "holds no private key"),
    ];
    for (store, reason) in cases {
        let error = store.identity().await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_password_is_not_shown() {
    assert!(!format!("{:?}", file("x", "secret")).contains("secret"));
}
