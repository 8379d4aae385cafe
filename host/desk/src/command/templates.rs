//! The files of new projects. The examples are the policies that the host's own tests run, and the
//! SDKs are those of `guests/`, so nothing here can be out of date. The few files of this folder
//! itself are manifests.

use super::new::{Language, PolicyKind};

/// A project to be written.
#[derive(Debug)]
pub(super) struct Project {
    /// Paths and texts.
    pub files: Vec<(String, String)>,
    /// What tests, builds and checks it, in its folder.
    pub commands: Vec<String>,
    /// What it is, for messages.
    pub is: String,
    /// What has to be installed, in words.
    pub needs: &'static str,
    /// The file that an author begins with.
    pub begin: &'static str,
}

/// A path in the project, and what is written there.
type File = (&'static str, &'static str);

macro_rules! guests {
    ($folder:literal: $($from:literal => $to:literal),* $(,)?) => {
        &[$(($to, include_str!(concat!(
            "../../../../guests/", $folder, "/", $from
        )))),*]
    };
}

macro_rules! here {
    ($($from:literal => $to:literal),* $(,)?) => {
        &[$(($to, include_str!(concat!("templates/", $from)))),*]
    };
}

const WIT: &[File] = &[
    ("wit/types.wit", include_str!("../../../../wit/types.wit")),
    ("wit/log.wit", include_str!("../../../../wit/log.wit")),
    (
        "wit/sink-selector.wit",
        include_str!("../../../../wit/sink-selector.wit"),
    ),
    (
        "wit/batch-router.wit",
        include_str!("../../../../wit/batch-router.wit"),
    ),
    (
        "wit/interceptor.wit",
        include_str!("../../../../wit/interceptor.wit"),
    ),
    ("wit/state.wit", include_str!("../../../../wit/state.wit")),
    ("wit/worlds.wit", include_str!("../../../../wit/worlds.wit")),
];

const RUST_SDK: &[File] = guests!("sdk/src":
    "allocator.rs" => "sdk/src/allocator.rs",
    "backoff.rs" => "sdk/src/backoff.rs",
    "batch.rs" => "sdk/src/batch.rs",
    "bindings.rs" => "sdk/src/bindings.rs",
    "column.rs" => "sdk/src/column.rs",
    "ewma.rs" => "sdk/src/ewma.rs",
    "export.rs" => "sdk/src/export.rs",
    "glue.rs" => "sdk/src/glue.rs",
    "glue/standings.rs" => "sdk/src/glue/standings.rs",
    "hash.rs" => "sdk/src/hash.rs",
    "interceptor.rs" => "sdk/src/interceptor.rs",
    "lib.rs" => "sdk/src/lib.rs",
    "log.rs" => "sdk/src/log.rs",
    "properties.rs" => "sdk/src/properties.rs",
    "random.rs" => "sdk/src/random.rs",
    "selector.rs" => "sdk/src/selector.rs",
    "shares.rs" => "sdk/src/shares.rs",
    "testing.rs" => "sdk/src/testing.rs",
    "words.rs" => "sdk/src/words.rs",
);

const GO_SDK: &[File] = guests!("sdk-go":
    "go.mod" => "sdk/go.mod",
    "policy.go" => "sdk/policy.go",
    "properties.go" => "sdk/properties.go",
    "batch.go" => "sdk/batch.go",
    "glue_wasip1.go" => "sdk/glue_wasip1.go",
    "internal/abi/doc.go" => "sdk/internal/abi/doc.go",
    "internal/abi/native.go" => "sdk/internal/abi/native.go",
    "internal/abi/memory.go" => "sdk/internal/abi/memory.go",
    "internal/abi/records.go" => "sdk/internal/abi/records.go",
    "selector/selector.go" => "sdk/selector/selector.go",
    "selector/export_native.go" => "sdk/selector/export_native.go",
    "selector/export_wasip1.go" => "sdk/selector/export_wasip1.go",
    "interceptor/interceptor.go" => "sdk/interceptor/interceptor.go",
    "interceptor/export_native.go" => "sdk/interceptor/export_native.go",
    "interceptor/export_wasip1.go" => "sdk/interceptor/export_wasip1.go",
    "state/state.go" => "sdk/state/state.go",
    "state/export_native.go" => "sdk/state/export_native.go",
    "state/export_wasip1.go" => "sdk/state/export_wasip1.go",
    "policytest/group.go" => "sdk/policytest/group.go",
    "policytest/events.go" => "sdk/policytest/events.go",
);

/// The example, which depends on the kind.
fn example(language: Language, kind: PolicyKind) -> &'static [File] {
    match (language, kind) {
        (Language::Rust, PolicyKind::Selector) => {
            guests!("languages/rust/least-busy": "src/lib.rs" => "src/lib.rs")
        }
        (Language::Rust, PolicyKind::Interceptor) => {
            guests!("languages/rust/upper-case": "src/lib.rs" => "src/lib.rs")
        }
        (Language::C, PolicyKind::Selector) => guests!("languages/c/least-busy":
            "policy.c" => "policy.c", "policy_test.c" => "policy_test.c"),
        (Language::C, PolicyKind::Interceptor) => guests!("languages/c/upper-case":
            "policy.c" => "policy.c", "policy_test.c" => "policy_test.c"),
        (Language::Go, PolicyKind::Selector) => guests!("languages/go/least-busy":
            "policy.go" => "policy.go", "policy_test.go" => "policy_test.go", "go.mod" => "go.mod"),
        (Language::Go, PolicyKind::Interceptor) => guests!("languages/go/upper-case":
            "policy.go" => "policy.go", "policy_test.go" => "policy_test.go", "go.mod" => "go.mod"),
        (Language::Python, PolicyKind::Selector) => guests!("languages/python/least-busy":
            "policy.py" => "policy.py", "policy_test.py" => "policy_test.py"),
        (Language::Python, PolicyKind::Interceptor) => guests!("languages/python/upper-case":
            "policy.py" => "policy.py", "policy_test.py" => "policy_test.py"),
        (Language::Js, PolicyKind::Selector) => guests!("languages/js/least-busy":
            "policy.js" => "policy.js", "policy.test.js" => "policy.test.js",
            "main.js" => "main.js", "package.json" => "package.json"),
        (Language::Js, PolicyKind::Interceptor) => guests!("languages/js/upper-case":
            "policy.js" => "policy.js", "policy.test.js" => "policy.test.js",
            "main.js" => "main.js", "package.json" => "package.json"),
    }
}

/// The other files.
fn besides(language: Language) -> Vec<&'static [File]> {
    match language {
        Language::Rust => vec![
            RUST_SDK,
            here!("rust/Cargo.toml" => "Cargo.toml", "rust/sdk.toml" => "sdk/Cargo.toml"),
            WIT,
        ],
        Language::C => vec![guests!("sdk-c": "flume_policy.h" => "sdk/flume_policy.h")],
        Language::Go => vec![GO_SDK],
        Language::Python => {
            vec![
                guests!("sdk-python": "flume_policy.py" => "sdk/flume_policy.py"),
                WIT,
            ]
        }
        Language::Js => vec![
            guests!("sdk-js": "flume_policy.js" => "sdk/flume_policy.js"),
            WIT,
        ],
    }
}

/// A project for a policy of this name.
pub(super) fn project(language: Language, kind: PolicyKind, name: &str) -> Project {
    let (needs, begin, commands) = words(language);
    let (world, of_kind, property) = match kind {
        PolicyKind::Selector => ("selector-policy", "a sink selector", ""),
        PolicyKind::Interceptor => ("interceptor-policy", "an interceptor", " -p header=host"),
    };
    let fill = |text: &str| text.replace("@NAME@", name).replace("@WORLD@", world);
    let check = format!("flume-host policy check @NAME@.wasm{property}");
    let commands: Vec<String> = commands
        .iter()
        .copied()
        .chain([&*check])
        .map(fill)
        .collect();
    let is = format!("{of_kind} in {}", language.words());
    let own = besides(language).concat();
    let files = example(language, kind).iter().chain(&own);
    let mut files: Vec<(String, String)> = files
        .map(|(path, text)| ((*path).to_owned(), fill(text)))
        .collect();
    for (path, text) in &mut files {
        // Here the SDK's crate is one folder nearer to the contract.
        if path == "sdk/src/bindings.rs" {
            *text = text.replace("path: \"../../wit\"", "path: \"../wit\"");
        }
    }
    files.push((
        ".gitignore".to_owned(),
        include_str!("templates/gitignore").to_owned(),
    ));
    let readme = include_str!("templates/README.md")
        .replace("@IS@", &is)
        .replace("@NEEDS@", needs)
        .replace("@BEGIN@", begin)
        .replace("@COMMANDS@", &commands.join("\n"));
    files.push(("README.md".to_owned(), fill(&readme)));
    Project {
        files,
        commands,
        is,
        needs,
        begin,
    }
}

/// What has to be installed, where to begin, and what tests and builds.
fn words(language: Language) -> (&'static str, &'static str, &'static [&'static str]) {
    match language {
        Language::Rust => (
            "cargo, and `rustup target add wasm32-unknown-unknown`",
            "src/lib.rs",
            &[
                "cargo test",
                "cargo build --release --target wasm32-unknown-unknown",
                "cp target/wasm32-unknown-unknown/release/policy.wasm @NAME@.wasm",
            ],
        ),
        Language::C => (
            "a C compiler, and zig for WebAssembly (`pip install ziglang` brings one)",
            "policy.c",
            &[
                "cc -Isdk -o policy_test policy_test.c && ./policy_test",
                "zig cc -target wasm32-wasi -mexec-model=reactor -O2 -s \
                 -Wl,-z,stack-size=262144 -Isdk -o @NAME@.wasm policy.c",
            ],
        ),
        Language::Go => (
            "Go 1.24 or later",
            "policy.go",
            &[
                "go test .",
                "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o @NAME@.wasm .",
            ],
        ),
        Language::Python => (
            "Python, and `pip install componentize-py==0.25.1`",
            "policy.py",
            &[
                "python3 -m unittest policy_test",
                "componentize-py -d wit -w @WORLD@ componentize --stub-wasi -p . -p sdk \
                 -o @NAME@.wasm policy",
            ],
        ),
        Language::Js => (
            "Node.js, and `npm install -g @bytecodealliance/componentize-js@0.23.0`",
            "policy.js",
            &[
                "node --test",
                "componentize-js main.js --wit wit --world-name @WORLD@ \
                 --disable stdio random clocks http fetch-event -o @NAME@.wasm",
            ],
        ),
    }
}

impl Language {
    fn words(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::Go => "Go",
            Self::Python => "Python",
            Self::Js => "JavaScript",
        }
    }
}
