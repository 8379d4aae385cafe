//! What becomes of 104 agent files as people write them (`tests/data/agent-files`): every one that
//! names only components that exist here passes, or is refused for a mistake that changes what
//! happens. Of the others it is known what they miss, and what is wrong with them besides.

use super::*;

mod elsewhere;

use elsewhere::ELSEWHERE;

const FOLDER: &str = "tests/data/agent-files";

/// They pass.
const PASS: &[&str] = &[
    "0004", "0012", "0018", "0022", "0046", "0048", "0054", "0072", "0082", "0084", "0086", "0092",
    "0096", "0098", "0122", "0132", "0140", "0142", "0144", "0146", "0154", "0160", "0166", "0174",
    "0178", "0180", "0194", "0198", "0200", "0206",
];

/// They are refused, and it is not for a component that is missing here alone: the kinds of errors,
/// and why.
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
    let elsewhere = ELSEWHERE.iter().map(|(name, ..)| *name);
    let told = PASS.iter().copied().chain(elsewhere).chain(refused);
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
    for (name, others, missing) in ELSEWHERE {
        let (codes, text) = errors(name);
        let is_missing = |code: &&Code| [Code::Unsupported, Code::UnknownType].contains(code);
        let besides: BTreeSet<&Code> = codes.iter().filter(|code| !is_missing(code)).collect();
        assert_eq!(besides, others.iter().collect(), "{name}: {text}");
        let said: Vec<&str> = text
            .lines()
            .filter(|line| {
                let kinds = ["error[unsupported]", "error[unknown-type]"];
                kinds.iter().any(|kind| line.starts_with(kind))
            })
            .collect();
        assert!(!said.is_empty(), "{name}: {text}");
        for what in *missing {
            assert!(
                said.iter().any(|line| line.contains(what)),
                "{name}: {what}: {text}"
            );
        }
        for line in said {
            assert!(
                missing.iter().any(|what| line.contains(what)),
                "{name}: {line}"
            );
        }
    }
}
