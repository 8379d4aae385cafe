//! Stores that open, and the reasons of those that do not.

use super::*;
use crate::net::testing::{PASSWORD, Stores, java_store};

fn file(path: impl Into<PathBuf>, password: &str) -> KeystoreFile {
    KeystoreFile {
        path: path.into(),
        password: Secret::new(password),
        key_password: None,
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
    let cut = dir.path().join("cut.jks");
    let mut whole = std::fs::read(java_store("agent.jks")).unwrap();
    whole.truncate(1000);
    std::fs::write(&cut, whole).unwrap();
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, b"not a store").unwrap();
    let cases = [
        (
            file("/no/such/file", PASSWORD),
            "cannot read key store /no/such/file",
        ),
        (file("/dev/zero", PASSWORD), "larger than 16 MiB"),
        (
            file(java_store("agent.jceks"), PASSWORD),
            "-deststoretype PKCS12",
        ),
        (
            file(&cut, PASSWORD),
            "as JKS: wrong password or damaged file",
        ),
        (
            file(java_store("agent.jks"), "wrong"),
            "as JKS: wrong password or damaged file",
        ),
        (
            file(java_store("trust.jks"), PASSWORD),
            "holds no private key",
        ),
        (
            file(java_store("own-password.jks"), PASSWORD),
            "the password of the store does not open the key `agent` in it",
        ),
        (file(&garbage, PASSWORD), "as PKCS12"),
        (file(&stores.keystore, "wrong"), "wrong password"),
        (file(&stores.truststore, PASSWORD), "holds no private key"),
    ];
    for (store, reason) in cases {
        let error = store.identity().await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_store_of_javas_own_format_gives_key_and_certificates() {
    let agent = file(java_store("agent.jks"), PASSWORD);
    let identity = agent.identity().await.unwrap();
    assert_eq!(identity.chain.len(), 1);
    let trusted = file(java_store("trust.jks"), PASSWORD)
        .trusted()
        .await
        .unwrap();
    assert_eq!(trusted.len(), 2);
    assert!(trusted.contains(&identity.chain[0]));
    assert_eq!(agent.trusted().await.unwrap(), identity.chain);
}

#[tokio::test]
async fn a_key_may_have_a_password_of_its_own() {
    let own = |name: PathBuf, key: &str| KeystoreFile {
        key_password: Some(Secret::new(key)),
        ..file(name, PASSWORD)
    };
    own(java_store("own-password.jks"), "only-the-key")
        .identity()
        .await
        .unwrap();
    let error = own(java_store("agent.jks"), "other")
        .identity()
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        KeystoreError::Jks {
            error: JksError::KeyPassword(_),
            ..
        }
    ));
    let stores = Stores::for_host("localhost");
    own(stores.keystore.clone(), PASSWORD)
        .identity()
        .await
        .unwrap();
    let error = own(stores.keystore.clone(), "other")
        .identity()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("keystore-key-password"),
        "{error}"
    );
}

#[test]
fn a_password_is_not_shown() {
    assert!(!format!("{:?}", file("x", "secret")).contains("secret"));
}
