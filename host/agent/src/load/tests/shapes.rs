//! What becomes of 104 agent files as people write them (`tests/data/agent-files`): every one that
//! names only components that exist here passes, or is refused for a mistake that changes what
//! happens.

use super::*;

const FOLDER: &str = "tests/data/agent-files";

/// They pass.
const PASS: &[&str] = &[
    "0018", "0046", "0048", "0072", "0082", "0084", "0086", "0092", "0096", "0098", "0140", "0142",
    "0154", "0160", "0166", "0178", "0180", "0198", "0200", "0206",
];

/// They name only components that exist here, and are refused: the kinds of errors, and why.
const REFUSED: &[(&str, &[Code], &str)] = &[
    (
        "0014",
        &[Code::BadValue, Code::Unsupported],
        "its names are separated by commas, and an interceptor is a class",
    ),
    (
        "0016",
        &[Code::Unsupported],
        "a serializer is a class of a plug-in",
    ),
    ("0050", &[Code::MissingKey], "the avro source has no port"),
    (
        "0162",
        &[Code::UnknownKey],
        "`transactitionCapacity` is `transactionCapacity`",
    ),
    (
        "0188",
        &[Code::MissingKey, Code::NotListed],
        "a template: its lists are empty",
    ),
];

/// They name components that do not exist here, or nowhere.
const ELSEWHERE: &[&str] = &[
    "0000", "0002", "0004", "0006", "0008", "0010", "0012", "0020", "0022", "0024", "0026", "0028",
    "0030", "0032", "0034", "0036", "0038", "0040", "0042", "0044", "0052", "0054", "0056", "0058",
    "0060", "0062", "0064", "0066", "0068", "0070", "0074", "0076", "0078", "0080", "0088", "0090",
    "0094", "0100", "0102", "0104", "0106", "0108", "0110", "0112", "0114", "0116", "0118", "0120",
    "0122", "0124", "0126", "0128", "0130", "0132", "0134", "0136", "0138", "0144", "0146", "0148",
    "0150", "0152", "0156", "0158", "0164", "0168", "0170", "0172", "0174", "0176", "0182", "0184",
    "0186", "0190", "0192", "0194", "0196", "0202", "0204",
];

/// The kinds of errors of a file, each once.
fn errors(name: &str) -> (Vec<Code>, String) {
    let loaded = load_file(&format!("{FOLDER}/{name}.properties"), &Options::default());
    let errors = loaded.diagnostics.iter();
    let errors = errors.filter(|found| found.severity == Severity::Error);
    let codes: BTreeSet<Code> = errors.map(|found| found.code).collect();
    assert_eq!(loaded.plans.is_empty(), !codes.is_empty(), "{name}");
    let text = render::render(&loaded.diagnostics, &loaded.file, false);
    (codes.into_iter().collect(), text)
}

#[test]
fn every_shape_has_its_outcome() {
    let refused = REFUSED.iter().map(|(name, ..)| *name);
    let told = PASS.iter().chain(ELSEWHERE).copied().chain(refused);
    let told: BTreeSet<String> = told.map(|name| format!("{name}.properties")).collect();
    let there: BTreeSet<String> = files(FOLDER, &[".properties"]).into_iter().collect();
    assert_eq!(told, there);
    for name in PASS {
        let (codes, text) = errors(name);
        assert_eq!(codes, [], "{name}: {text}");
    }
    for (name, expected, why) in REFUSED {
        let (codes, text) = errors(name);
        let expected: BTreeSet<&Code> = expected.iter().collect();
        assert_eq!(
            codes.iter().collect::<BTreeSet<_>>(),
            expected,
            "{name}: {why}: {text}"
        );
    }
    for name in ELSEWHERE {
        let (codes, text) = errors(name);
        let missing = [Code::Unsupported, Code::UnknownType];
        assert!(
            missing.iter().any(|code| codes.contains(code)),
            "{name}: {text}"
        );
    }
}
