//! No secret of any component is in a finding, as text or as JSON, however its line is wrong.

use flume_components::Resolver;
use flume_components::component::Configure;
use flume_core::Registry;

use super::*;
use crate::config::render;
use crate::load::{self, Loaded, Options};
use crate::policies::testing;

/// What every secret of these tests contains.
const SECRET: &str = "hunter2";

fn compile(name: &str, text: &str) -> Loaded {
    let (resolver, policies) = (Resolver::default(), testing::policies());
    let services = crate::services::Services::system(resolver, policies);
    let options = Options::default();
    load::compile(name.to_owned(), text.into(), &options, &services, &|_| None)
}

/// All that is printed about a file.
fn printed(name: &str, text: &str) -> String {
    let loaded = compile(name, text);
    let (found, file) = (&loaded.diagnostics, &loaded.file);
    let (text, json) = (
        render::render(found, file, false),
        render::json(found, file),
    );
    format!("{text}\n{json}\n{found:?}")
}

/// The secret keys of each type, by the kind in keys.
fn secrets_of<T>(
    kind: &'static str,
    registry: &Registry<Configure<T>>,
) -> Vec<(&'static str, &'static str, String)> {
    let services = Services::system(Resolver::default());
    let mut all = Vec::new();
    for known in registry.types {
        let mut context = Context::of("a1.x.y", &[]);
        drop((known.configure)(&mut context, &services));
        let disclosure = context.disclosure();
        let secrets = disclosure.secrets();
        all.extend(secrets.map(|key| (kind, known.name(), key.to_owned())));
    }
    all
}

/// The secrets of all components, and those keys of others that are not known to be harmless.
fn all_secrets() -> Vec<(&'static str, &'static str, String)> {
    let mut all = secrets_of("sources", &source::TYPES);
    all.extend(secrets_of("channels", &channel::TYPES));
    all.extend(secrets_of("sinks", &sink::TYPES));
    let of_interceptors = secrets_of("interceptors", &interceptor::TYPES);
    assert_eq!(
        of_interceptors,
        [],
        "the test has to write these keys elsewhere"
    );
    if sink::TYPES.find("hdfs").is_some() {
        for option in [
            "account_key",
            "access_key_id",
            "service_account_key",
            "whatever",
        ] {
            all.push(("sinks", "hdfs", format!("hdfs.store.{option}")));
        }
    }
    all
}

#[test]
fn no_secret_of_any_component_is_in_a_finding() {
    let all = all_secrets();
    let has = |kind: &str, key: &str| all.iter().any(|(k, _, other)| *k == kind && other == key);
    assert!(has("sources", "keystore-password") && has("sources", "keystore-key-password"));
    assert!(has("sinks", "truststore-password"));
    for (number, (kind, name, key)) in all.iter().enumerate() {
        let secret = format!("{SECRET}-{number}");
        let path = format!("a1.{kind}.x");
        // Without the last letter but two.
        let mut misspelt = key.clone();
        misspelt.remove(key.len() - 3);
        let text = format!(
            "a1.{kind} = x\n{path}.type = {name}\n#{path}.{key} = {secret}-old\n{path}.{key} = {secret}-one\n\
             {path}.{key} = {secret}-two\n{path}.{misspelt} = {secret}-three\n\
             {path}.{key}\\u00 = {secret}-four\n{path}.frobnicate = shown\n"
        );
        let printed = printed("f.properties", &text);
        assert!(!printed.contains(SECRET), "{key}: {printed}");
        assert!(printed.contains("is given twice"), "{key}: {printed}");
        assert!(printed.contains("***"), "{key}: {printed}");
        assert!(printed.contains("frobnicate = shown"), "{key}: {printed}");
    }
}

#[test]
fn what_no_component_knows_is_judged_by_its_words() {
    for line in [
        "a1.sources.r1.keystore-pasword = hunter2",
        "a1.sink.k1.truststore-password = hunter2",
        "a1.sinks.password = hunter2",
        "a1.configfilters.f1.secret-key = hunter2",
        "a1.sinks.k1.hdfs.stor.account = hunter2",
        "password = hunter2",
        "a1.sinks.k1.hdfs.path = s3a://KEY:hunter2@bucket/",
        "a1.sinks.k1.hdfs.path = s3a://KEY:hun/hunter2@bucket/",
        "a1.sources.r1.comand = curl -u me:hunter2 x",
    ] {
        let text = format!(
            "a1.sinks.k1.type = hdfs\na1.sources.r1.type = {}\n{line}\n{line}\n",
            if line.contains("comand") {
                "exec"
            } else {
                "avro"
            }
        );
        let printed = printed("f.properties", &text);
        assert!(!printed.contains(SECRET), "{printed}");
    }
}

#[test]
fn a_policys_keys_are_hidden_unless_they_are_harmless() {
    let group = "a1.sinkgroups.g1.processor";
    let text = format!(
        "{group}.type = load_balance\n{group}.selector = none.wat\n\
         {group}.selector.weight = 12\n{group}.selector.door = hunter2\n\
         {group}.selector.door = hunter2\na1.sinks.k1.type = null\na1.sinks.k1.pin = hunter2\n\
         a1.sinks.k1.pin = hunter2\na1.sinks.k1.weight = 13\na1.sinks.k1.weight = 13\n\
         a1.sources.r1.interceptors.i1.type = x.wasm\n\
         a1.sources.r1.interceptors.i1.door = hunter2\n\
         a1.sources.r1.interceptors.i1.door = hunter2\n"
    );
    let printed = printed("f.properties", &text);
    assert!(!printed.contains(SECRET), "{printed}");
    assert!(printed.contains("weight = 13"), "{printed}");
}

#[test]
fn a_toml_file_that_cannot_be_read_shows_no_secret() {
    for text in [
        "[a1.sources.r1]\nkeystore-password = \"hunter2\nbind = \"x\"\n",
        "[a1.sinks.k1]\nkeystore = = 1\ntruststore-password = \"hunter2\"\n",
        "[a1.sinks]\nk1 = { \"hdfs.store.account_key\" = \"hunter2\", x = }\n",
        "a1.x.token = '''\nhunter2\n",
    ] {
        let printed = printed("f.toml", text);
        assert!(printed.contains("syntax"), "{printed}");
        assert!(!printed.contains(SECRET), "{printed}");
    }
}
