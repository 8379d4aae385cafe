//! Files of configuration: no text panics, places are in the text, and what is read can be written and
//! read again.

use crate::files;

/// The parser of the agent, which is compiled in here: the agent with its dependencies takes longer to
/// build than the fuzzing.
#[path = "../../../host/agent/src/config"]
mod config {
    use flume_core::context::Value;

    pub(crate) struct Property {
        pub key: String,
        pub value: Value,
    }

    pub(crate) mod properties;
}

/// Any bytes as text.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (properties, diagnostics) = config::properties::parse(&text);
    for property in &properties {
        for span in [property.value.key_span, property.value.span] {
            assert!(
                text.get(span.start..span.end).is_some(),
                "{span:?} of {text:?}"
            );
        }
    }
    for span in diagnostics.iter().filter_map(|diagnostic| diagnostic.span) {
        assert!(
            text.get(span.start..span.end).is_some(),
            "{span:?} of {text:?}"
        );
    }
    let pairs = |properties: &[config::Property]| -> Vec<(String, String)> {
        let pair =
            |property: &config::Property| (property.key.clone(), property.value.text.clone());
        properties.iter().map(pair).collect()
    };
    let read = pairs(&properties);
    let written = config::properties::write(read.iter().map(|(key, value)| (&**key, &**value)));
    let (again, problems) = config::properties::parse(&written);
    assert!(problems.is_empty(), "{problems:?} in {written:?}");
    assert_eq!(pairs(&again), read, "written as {written:?}");
}

/// The examples, and the files of the diagnostics.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = files("conf", &["properties"], None);
    seeds.extend(files("tests/diagnostics", &["properties"], None));
    seeds
        .push(b"\xef\xbb\xbfa = \\u00e9\\\r\n  b\\tc : d\\\n\n! no\n#no\n\\ k\\=\\: v \\".to_vec());
    seeds
}
