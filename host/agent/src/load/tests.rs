//! The passes together: every kind of finding has a file that shows it, and every example has a
//! clean plan.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::policies::testing;
use flume_components::net::files::ConnectionFiles;
use flume_components::{Resolver, sink};

mod shapes;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files in a folder of the repository with one of these extensions, by name.
fn files(folder: &str, extensions: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| extensions.iter().any(|end| name.ends_with(end)))
        .collect();
    names.sort();
    names
}

/// Loads a file of the repository. Nothing depends on the machine or its environment.
fn load_file(path: &str, options: &Options) -> Loaded {
    let there = root().join(path);
    let bytes = fs::read(&there).unwrap();
    let mut services = Services::system(Resolver::default(), testing::policies());
    services.components.memory.bytes = 1 << 30;
    services.components.files = ConnectionFiles::of_limit(4096);
    // Policies are found next to the file, no matter where the test runs; findings show paths
    // within the repository.
    let there = there.display().to_string();
    let mut loaded = compile(there, bytes, options, &services, &|_| None);
    path.clone_into(&mut loaded.file.path);
    let real = root().canonicalize().unwrap();
    let roots = [root(), real].map(|root| format!("{}/", root.display()));
    for finding in &mut loaded.diagnostics {
        for text in [&mut finding.message].into_iter().chain(&mut finding.help) {
            *text = roots
                .iter()
                .fold(text.clone(), |text, root| text.replace(root, ""));
        }
    }
    loaded
}

/// The options in the first line of a file: `# flags: --lenient -n a2`.
fn flags(path: &str) -> Options {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let first = text.lines().next().unwrap_or_default();
    let words = first
        .strip_prefix("# flags:")
        .unwrap_or_default()
        .split_whitespace();
    let words: Vec<&str> = words.collect();
    let mut options = Options::default();
    let mut rest = words.as_slice();
    while let Some((flag, tail)) = rest.split_first() {
        rest = tail;
        match (*flag, tail) {
            ("--lenient", _) => options.mode = Mode::Lenient,
            ("--look", _) => options.looks = true,
            ("-n", [name, tail @ ..]) => {
                options.names.push((*name).to_owned());
                rest = tail;
            }
            ("--interpolate", ["env", tail @ ..]) => {
                options.interpolation = Interpolation::Env;
                rest = tail;
            }
            ("--policy", [choice, tail @ ..]) => {
                options.policies.push(PolicyChoice::parse(choice).unwrap());
                rest = tail;
            }
            _ => panic!("{path}: unknown flag {flag}"),
        }
    }
    options
}

/// Every file of `tests/diagnostics` gives exactly the text next to it. To accept the current
/// output, run the test with `UPDATE_DIAGNOSTICS=1` and review the difference.
#[test]
fn mistakes_are_answered_with_their_place_and_a_remedy() {
    let update = std::env::var_os("UPDATE_DIAGNOSTICS").is_some();
    let names = files("tests/diagnostics", &[".properties", ".toml"]);
    assert!(names.len() >= 30);
    let mut told: BTreeSet<Code> = BTreeSet::new();
    for name in names {
        let path = format!("tests/diagnostics/{name}");
        let loaded = load_file(&path, &flags(&path));
        let (stem, _) = path.rsplit_once('.').unwrap();
        let snapshot = root().join(format!("{stem}.txt"));
        let text = render::render(&loaded.diagnostics, &loaded.file, false)
            + &render::summary(&loaded.diagnostics, &loaded.file)
            + "\n";
        if update {
            fs::write(&snapshot, &text).unwrap();
        }
        assert_eq!(
            fs::read_to_string(&snapshot).unwrap_or_default(),
            text,
            "{name}"
        );
        for finding in &loaded.diagnostics {
            assert!(
                finding.help.is_some(),
                "{name}: no remedy for `{}`",
                finding.message
            );
            let elsewhere = [Code::UnknownAgent, Code::UnknownGroup];
            let placed = finding.span.is_some() || elsewhere.contains(&finding.code);
            assert!(placed, "{name}: no place for `{}`", finding.message);
        }
        told.extend(loaded.diagnostics.iter().map(|finding| finding.code));
    }
    let untold: Vec<&Code> = Code::ALL
        .iter()
        .filter(|code| !told.contains(code))
        .collect();
    assert_eq!(untold, [] as [&Code; 0], "kinds of findings without a file");
}

#[test]
fn identifiers_of_findings_are_distinct() {
    let ids: BTreeSet<&str> = Code::ALL.iter().map(|code| code.id()).collect();
    assert_eq!(ids.len(), Code::ALL.len());
}

/// Examples that a newcomer may copy have no findings.
#[test]
fn the_examples_plan_without_a_warning() {
    let names = examples();
    assert_eq!(names.len(), 13);
    for name in names {
        let path = format!("conf/{name}");
        if of_kafka(&path) && sink::TYPES.find("kafka").is_none() {
            continue;
        }
        let loaded = load_file(&path, &Options::default());
        let notes = loaded
            .diagnostics
            .iter()
            .all(|found| found.severity == Severity::Note);
        let text = render::render(&loaded.diagnostics, &loaded.file, false);
        assert!(notes, "{text}");
        assert_eq!(
            text.contains("[mirrored-channels]"),
            name.starts_with("failover"),
            "{text}"
        );
        let is_whole = |plan: &AgentPlan| {
            let mut channels = plan.channels.iter();
            !plan.sources.is_empty() || channels.any(|channel| channel.recipe.is_shared())
        };
        assert!(loaded.plans.iter().all(is_whole), "{name}");
    }
}

/// The files of `conf` and of its folders, as paths below it.
fn examples() -> Vec<String> {
    let extensions = [".properties", ".toml"];
    let mut names = files("conf", &extensions);
    let fleet = files("conf/fleet", &extensions).into_iter();
    names.extend(fleet.map(|name| format!("fleet/{name}")));
    names
}

/// Whether a file has components that only a build with Kafka has.
fn of_kafka(path: &str) -> bool {
    let text = fs::read_to_string(root().join(path)).unwrap();
    text.lines().any(|line| line.ends_with(".type = kafka"))
}

#[test]
fn examples_mean_the_same_in_both_syntaxes() {
    for name in ["quickstart", "weighted"] {
        let [properties, toml] = ["properties", "toml"].map(|syntax| {
            let path = format!("conf/{name}.{syntax}");
            let plans = load_file(&path, &Options::default()).plans;
            assert_eq!(plans.len(), 3, "{path}");
            plans
        });
        assert_eq!(properties, toml);
    }
}

#[test]
fn a_file_that_is_not_utf8_is_refused_at_the_byte() {
    let bytes = b"# caf\xe9\na1.sources = r1\na1.sources.r1.type = caf\xe9\n".to_vec();
    let services = Services::system(Resolver::default(), testing::policies());
    let options = Options {
        mode: Mode::Lenient,
        ..Options::default()
    };
    let loaded = compile("f".to_owned(), bytes, &options, &services, &|_| None);
    let mut all = loaded.diagnostics.iter();
    let found = all.find(|found| found.code == Code::Syntax).unwrap();
    assert_eq!(found.severity, Severity::Error);
    let span = found.span.unwrap();
    assert_eq!(render::position(&loaded.file.text, span.start), (3, 25));
    assert_eq!(loaded.plans, []);
}

/// Comments in the character sets of old editors: GBK, where a byte may be a backslash, and Latin-1.
#[test]
fn a_comment_in_another_charset_is_a_warning() {
    let text = "a1.sources = r1\na1.channels = c1\na1.sources.r1.type = seq\n\
                a1.sources.r1.channels = c1\na1.channels.c1.type = memory\n";
    let services = Services::system(Resolver::default(), testing::policies());
    for comment in [&b"# caf\xe9\n"[..], b"  ! \xa8\\ \x81\x5c\n"] {
        let bytes = [comment, text.as_bytes(), comment].concat();
        for mode in [Mode::Strict, Mode::Lenient] {
            let options = Options {
                mode,
                ..Options::default()
            };
            let loaded = compile("f".to_owned(), bytes.clone(), &options, &services, &|_| {
                None
            });
            let found = &loaded.diagnostics[0];
            assert_eq!(
                (found.code, found.severity),
                (Code::Syntax, Severity::Warning)
            );
            assert_eq!(loaded.plans.len(), 1);
        }
        let bytes = [comment, b"[a1.sources.r1]\n"].concat();
        let options = Options::default();
        let loaded = compile("f.toml".to_owned(), bytes, &options, &services, &|_| None);
        assert!(loaded.has_errors());
    }
}

/// A template that was filled with nothing.
#[test]
fn a_file_without_an_agent_is_refused() {
    let services = Services::system(Resolver::default(), testing::policies());
    for text in ["", "# nothing\n\n", "prose\n"] {
        let options = Options::default();
        let loaded = compile("f".to_owned(), text.into(), &options, &services, &|_| None);
        let mut found = loaded.diagnostics.iter();
        assert!(
            found.any(|found| found.code == Code::UnknownAgent),
            "{text}"
        );
        assert!(loaded.has_errors());
    }
}

#[test]
fn a_file_that_is_not_there_is_no_finding() {
    let services = Services::system(Resolver::default(), testing::policies());
    let missing = draft(Path::new("/no/such/file"), &Options::default(), &services);
    assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
}
