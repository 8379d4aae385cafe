//! What is in a file of tokens, each mistake in it, and who may read it.

use std::os::unix::fs::PermissionsExt as _;

use super::super::grant::On;
use super::*;

const ONE: &str = "0123456789abcdef01234567";
const TWO: &str = "76543210fedcba9876543210";

/// The words of a mistake in a file.
fn mistake(text: &[u8]) -> (usize, String) {
    match Tokens::parse(text) {
        Err((line, mistake)) => (line, mistake.to_string()),
        Ok(tokens) => panic!("{tokens:?}"),
    }
}

#[test]
fn a_line_is_a_name_verbs_and_a_token() {
    let text = format!("# who\n\n prom see {ONE}\r\nci\tsee:a2,change:a1 {TWO}");
    let tokens = Tokens::parse(text.as_bytes()).unwrap();
    let (name, grants) = tokens.find(ONE.as_bytes()).unwrap();
    assert_eq!((name, grants.to_string().as_str()), ("prom", "see"));
    assert!(grants.allow(Verb::See, On::All));
    let (name, grants) = tokens.find(TWO.as_bytes()).unwrap();
    assert_eq!(name, "ci");
    assert_eq!(grants.to_string(), "see:a2,change:a1");
    let changes = |agent| grants.allow(Verb::Change, On::Agent(agent));
    assert!(changes("a1") && !changes("a2"));
    for unknown in [
        "",
        "0",
        "123456789abcdef01234567",
        &format!("{ONE}0"),
        "x23456789abcdef01234567",
    ] {
        assert!(tokens.find(unknown.as_bytes()).is_none(), "{unknown}");
    }
    assert_eq!(format!("{tokens:?}"), "[\"prom\", \"ci\"]");
}

#[test]
fn each_mistake_has_its_line_and_its_words() {
    let line = |line: &str| line.replace('1', ONE).replace('2', TWO);
    for (text, at, words) in [
        (
            "ci see",
            1,
            "a line has a name, verbs and a token, with blanks between them; this has 2",
        ),
        ("ci see 1 # x", 1, "this has 5 of them"),
        (
            "\n#\nc/i see 1",
            3,
            "the name `c/i` has other characters than letters, digits",
        ),
        (
            "ci see 1\nci see 2",
            2,
            "the name `ci` is in line 1 already",
        ),
        (
            "ci see:a,read:a 1",
            1,
            "`read:a` is no verb: write see, change or tap",
        ),
        ("ci see, 1", 1, "`` is no verb"),
        (
            "ci change: 1",
            1,
            "`change:` names no agent: write `change` for all of them, or `change:a1`",
        ),
        (
            "ci see short",
            1,
            "the token has 5 characters, and at least 24 are needed: take one from",
        ),
        (
            "ci see 1,",
            1,
            "the token has other characters than letters, digits and",
        ),
        ("a see 1\n\nb see 1", 3, "the token is that of line 1"),
        // In the wrong place it is not shown, either.
        ("ci 1 see", 1, "`***` is no verb"),
        ("1, see ci", 1, "the name `***` has other characters"),
    ] {
        let (number, said) = mistake(line(text).as_bytes());
        assert_eq!(number, at, "{said}");
        assert!(said.contains(words), "{said}");
        assert!(!said.contains(ONE), "{said}");
    }
    let (number, said) = mistake(b"# x\nci see \xff");
    assert_eq!((number, said.as_str()), (2, "this is not UTF-8"));
}

#[test]
fn there_are_only_so_many_tokens_of_at_least_so_many_characters() {
    let line = |at: usize| format!("t{at} see {at:0>LEAST_TOKEN$}\n");
    let lines = |count: usize| (0..count).map(line).collect::<String>();
    assert_eq!(
        Tokens::parse(lines(MOST_TOKENS).as_bytes())
            .unwrap()
            .0
            .len(),
        MOST_TOKENS
    );
    let (number, said) = mistake(lines(MOST_TOKENS + 1).as_bytes());
    assert_eq!(
        (number, said.as_str()),
        (1001, "there are more than 1000 tokens")
    );
    let token = |length| format!("ci see {}", "x".repeat(length));
    Tokens::parse(token(LEAST_TOKEN).as_bytes()).unwrap();
    assert!(
        mistake(token(LEAST_TOKEN - 1).as_bytes())
            .1
            .contains("23 characters")
    );
}

#[test]
fn a_file_that_others_may_read_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let write = |text: &str, mode| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let refused = || Tokens::read(&path).unwrap_err().to_string();
    assert!(refused().contains("No such file"), "{}", refused());
    let good = format!("ci see {ONE}\n");
    for mode in [0o600, 0o400, 0o700] {
        write(&good, mode);
        assert!(Tokens::read(&path).is_ok(), "{mode:o}");
    }
    for mode in [0o640, 0o604, 0o610, 0o601, 0o620] {
        write(&good, mode);
        let said = refused();
        assert!(
            said.contains(&format!("its mode {mode:04o} lets others in: chmod 600 /")),
            "{said}"
        );
    }
    write("# nobody\n", 0o600);
    assert!(refused().contains("has no token: write lines like `ci see:a1,change:a1 TOKEN`"));
    write("ci see\n", 0o600);
    assert!(
        refused().contains("tokens:1: a line has a name"),
        "{}",
        refused()
    );
    let comment = "#".repeat(usize::try_from(MOST_BYTES).unwrap() - good.len() - 1);
    write(&format!("{good}{comment}\n"), 0o600);
    assert!(Tokens::read(&path).is_ok());
    write(&format!("{good}{comment}#\n"), 0o600);
    assert!(
        refused().contains("more than 262144 bytes"),
        "{}",
        refused()
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(refused().contains("is not a plain file"), "{}", refused());
    if rustix::process::geteuid().is_root() {
        std::fs::remove_dir(&path).unwrap();
        write(&good, 0o600);
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(refused().contains("belongs to uid 65534"), "{}", refused());
    }
}
