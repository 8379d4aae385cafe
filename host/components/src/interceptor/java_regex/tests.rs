//! Patterns with what Java's `Matcher` does with them.

use super::*;

/// What is found in a text: the whole match and the groups, `-` for a group that did not take part.
/// The automaton, where a pattern has one, and the crate that backtracks have to agree.
fn found(pattern: &str, text: &str) -> Option<Vec<String>> {
    let mut regex = JavaRegex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let usual = found_by(&regex, text);
    regex.automaton = None;
    assert_eq!(usual, found_by(&regex, text), "{pattern} in {text:?}");
    usual
}

fn found_by(regex: &JavaRegex, text: &str) -> Option<Vec<String>> {
    let mut groups = regex.no_groups();
    let is_found = regex.find(text, &mut groups).unwrap();
    let group = |at| groups.text(at, text).unwrap_or("-").to_owned();
    is_found.then(|| (0..=regex.groups()).map(group).collect())
}

fn replaced(pattern: &str, replacement: &str, text: &str) -> String {
    let regex = JavaRegex::new(pattern).unwrap();
    let replacement = Replacement::new(replacement, &regex).unwrap();
    regex
        .replace_all(text, &replacement)
        .unwrap()
        .unwrap_or_else(|| text.to_owned())
}

#[test]
fn what_is_found() {
    for (pattern, text, expected) in [
        // What both have.
        (
            "(INFO.*)|(WARNING.*)",
            "x WARNING y",
            &["WARNING y", "-", "WARNING y"][..],
        ),
        (
            r"(?<y>\d{4})-(?<m>\d\d)",
            "on 2012-10-01",
            &["2012-10", "2012", "10"],
        ),
        (r"(?<=\$)\d+(?! EUR)", "$12", &["12"]),
        (r"(a|b)\1", "abb", &["bb", "b"]),
        (r"(?<c>.)\k<c>", "hello", &["ll", "l"]),
        (r"x*+y", "xxy", &["xxy"]),
        (r"(?>a|ab)c?", "abc", &["a"]),
        (r"(?i)hello", "HeLLo", &["HeLLo"]),
        (r"a(?i:B)c", "abc", &["abc"]),
        // Line ends.
        ("a.*", "ab\rc", &["ab"]),
        ("a.*", "ab\u{2028}c", &["ab"]),
        ("(?s)a.*", "ab\nc", &["ab\nc"]),
        ("(?s:a.).*", "a\nb\nc", &["a\nb"]),
        ("(?d)a.*", "ab\rc\nd", &["ab\rc"]),
        ("b$", "ab\n", &["b"]),
        ("b$", "ab\r\n", &["b"]),
        (r"b\Z", "ab\r", &["b"]),
        ("(?m)^b$", "a\r\nb\r\nc", &["b"]),
        ("(?m)^b$", "a\rb", &["b"]),
        (r"a\Rb", "a\r\nb", &["a\r\nb"]),
        // Classes.
        (r"\p{Alpha}+", "12ab3", &["ab"]),
        (r"[\p{Digit}x]+", "ab1x2", &["1x2"]),
        (r"\P{Punct}+", "..ab..", &["ab"]),
        (r"\p{Lu}\p{javaLowerCase}+", "xAbc", &["Abc"]),
        (r"\p{IsGreek}\pL", "abαb", &["αb"]),
        (r"[\w-.]+@", "me.my-self@x", &["me.my-self@"]),
        (r"[^\W_]+", "_ab1_", &["ab1"]),
        (r"[a-z&&[^b-d]]+", "bcaed", &["ae"]),
        (r"[a-c[x-z]]+", "mayb!", &["ayb"]),
        (r"[]a]+", "b]a]", &["]a]"]),
        (r"[[:x]]+", "ax:[", &["x:"]),
        (r"[a~~:-]+", "x:a-~~x", &[":a-~~"]),
        (r"\d+", "٣4", &["4"]),
        (r"(?U)\d+", "٣4", &["٣4"]),
        (r"\s\S", "\u{A0} x", &[" x"]),
        (r"\h\H", "a\u{A0}x", &["\u{A0}x"]),
        // Escapes.
        (r"\Qa.b\E+", "aab a.bb", &["a.bb"]),
        (r"\Q[x", "a[x", &["[x"]),
        (r"[\Q^]\E]+", "a]^", &["]^"]),
        (r"\u0041\x42\x{43}\0104\t", "ABCD\t", &["ABCD\t"]),
        (r"\uD83D\uDE00", "😀", &["😀"]),
        (r"\cA\e", "\u{1}\u{1B}", &["\u{1}\u{1B}"]),
        (r"\<(\d+)\>", "<13>x", &["<13>", "13"]),
        (r#"\"\/\-\#\&\~\ "#, "\"/-#&~ ", &["\"/-#&~ "]),
        (r"(a)\12", "aa2", &["aa2", "a"]),
        // Comments.
        ("(?x) a b # c (\n [ d ]", "abd", &["abd"]),
        ("(?x: a ) b", "a b", &["a b"]),
        ("", "", &[""]),
    ] {
        assert_eq!(
            found(pattern, text).as_deref(),
            Some(expected)
                .map(|groups| {
                    groups
                        .iter()
                        .map(|group| (*group).to_owned())
                        .collect::<Vec<_>>()
                })
                .as_deref(),
            "{pattern:?} in {text:?}"
        );
    }
}

#[test]
fn what_is_not_found() {
    for (pattern, text) in [
        ("a.b", "a\rb"),
        ("a.b", "a\u{85}b"),
        ("a$", "a\nb"),
        ("a$", "a\n\n"),
        (r"a\z", "a\n"),
        ("^b", "a\nb"),
        ("(?m)^$", "a\r\n"),
        ("(?m)a(?-m)$", "a\nb"),
        ("(?:(?s)a.)b.", "a\nb\n"),
        (r"x*+x", "xxx"),
        (r"\w", "é"),
        (r"\p{Alpha}", "é"),
        ("(?i)ab(?-i)C", "ABc"),
    ] {
        assert_eq!(found(pattern, text), None, "{pattern:?} in {text:?}");
    }
}

#[test]
fn what_is_replaced() {
    for (pattern, replacement, text, expected) in [
        ("([a-z]+) ([a-z]+)", "$2,$1", "hello world", "world,hello"),
        ("(?<a>x)", "[${a}]$1", "axb", "a[x]xb"),
        ("x", r"\$1\\", "x", r"$1\"),
        ("(x)", "$12", "x", "x2"),
        ("x", "$0$0", "x", "xx"),
        ("(a)|b", "<$1>", "ab", "<a><>"),
        ("a*", "-", "aab", "--b-"),
        (".*", "X", "abc", "XX"),
        ("x*", "-", "äb", "-ä-b-"),
        ("^", "> ", "ab", "> ab"),
        ("(?<=a)b", "", "abab", "aa"),
    ] {
        assert_eq!(
            replaced(pattern, replacement, text),
            expected,
            "{pattern:?}"
        );
    }
    let regex = JavaRegex::new("x").unwrap();
    let nothing = Replacement::new("y", &regex).unwrap();
    assert_eq!(regex.replace_all("abc", &nothing), Ok(None));
}

#[test]
fn bad_replacements_are_found_early() {
    let regex = JavaRegex::new("(?<name>x)").unwrap();
    for bad in ["$", "$x", "$2", "${name", "${other}", r"a\"] {
        assert!(Replacement::new(bad, &regex).is_err(), "{bad}");
    }
}

#[test]
fn bad_patterns_are_found_early() {
    for bad in [
        "(",
        ")",
        "[a",
        "a**b(",
        r"\",
        r"\y",
        r"(?<n",
        "(?k)",
        r"\p{InGreek}",
        r"\u12",
        "*",
    ] {
        assert!(JavaRegex::new(bad).is_err(), "{bad}");
    }
}

/// Java would work on this until the end of days.
#[test]
fn a_pattern_that_runs_away_is_stopped() {
    let regex = JavaRegex::new(r"(a|aa)+$").unwrap();
    let text = format!("{}bc", "a".repeat(60));
    assert_eq!(regex.is_found(&text), Err(RunAway));
    let replacement = Replacement::new("", &regex).unwrap();
    assert_eq!(regex.replace_all(&text, &replacement), Err(RunAway));
}

#[test]
fn whole_means_whole() {
    let regex = JavaRegex::whole("my-header1.*|x").unwrap();
    for (text, matches) in [
        ("my-header12", true),
        ("x", true),
        ("xy", false),
        ("my-header2", false),
    ] {
        assert_eq!(regex.is_found(text), Ok(matches), "{text}");
    }
}

#[test]
fn a_pattern_that_needs_no_backtracking_needs_no_backtracker() {
    for (pattern, is_plain) in [
        ("^([0-9]+)", true),
        (r"(\d{4})-(?<month>\d\d)", true),
        ("(INFO.*?)|(WARNING.*)", true),
        ("a++b", false),
        ("(?>a)b", false),
        ("(?=a)b", false),
        (r"(a)\1", false),
        ("b$", false),
        ("(a){0}(b)", false),
    ] {
        let regex = JavaRegex::new(pattern).unwrap();
        assert_eq!(regex.automaton.is_some(), is_plain, "{pattern}");
    }
}

proptest::proptest! {
    /// Whichever of the two finds a pattern, it finds the same.
    #[test]
    fn the_automaton_finds_what_the_backtracker_finds(
        at in 0..8_usize,
        text in "[ab0-9é -]{0,20}",
    ) {
        let patterns = [
            "^([0-9]+)",
            "([a-b]*)([0-9]?)",
            "(a|ab)(b|)([0-9])",
            "(a)?(b)?(é)+",
            "(?i)(A+?)B",
            "([0-9]+)-([0-9]+)(-[0-9]+)?",
            "((a)|b)*0",
            ".*?([^ ]) (.*)",
        ];
        found(patterns[at], &text);
    }
}
