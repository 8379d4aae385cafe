//! Java's whole syntax, with an independent reader as the oracle.

use proptest::prelude::*;

use super::*;

/// Keys and values of a text that has no errors.
fn pairs(text: &str) -> Vec<(String, String)> {
    let (properties, diagnostics) = parse(text);
    assert_eq!(diagnostics, []);
    let pair = |property: Property| (property.key, property.value.text);
    properties.into_iter().map(pair).collect()
}

fn pair(key: &str, value: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), value.to_owned())]
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap()
}

#[test]
fn every_form_of_a_line_is_read() {
    for (text, key, value) in [
        ("a.b=c", "a.b", "c"),
        ("a.b = c d", "a.b", "c d"),
        ("a.b:c", "a.b", "c"),
        ("a.b c", "a.b", "c"),
        ("  a.b \t c  ", "a.b", "c"),
        ("a.b", "a.b", ""),
        ("a.b=", "a.b", ""),
        ("a.b = = c", "a.b", "= c"),
        ("a\\ b\\=\\:c = d", "a b=:c", "d"),
        ("a = \\t\\n\\r\\fx", "a", "x"),
        ("a = x\\ty\\nz", "a", "x\ty\nz"),
        ("a = \\d+\\\\d", "a", "d+\\d"),
        ("a = \\u0041\\u00e9\\u4e2D", "a", "Aé中"),
        ("a = \\ud83d\\ude00!", "a", "😀!"),
        ("a = 中文 é", "a", "中文 é"),
        ("a = b\\\n   c", "a", "bc"),
        ("a = b \\\r\n\t c", "a", "b c"),
        ("a = b\\\\\n", "a", "b\\"),
        ("a = b\\", "a", "b"),
        ("a = b\\\n# c", "a", "b# c"),
        ("a = \\u00\\\n41", "a", "A"),
        ("a\\\n.b = c", "a.b", "c"),
        ("\u{c}a = b", "a", "b"),
        ("\u{feff}a = b", "a", "b"),
        ("a = b # c", "a", "b # c"),
        ("a = 'b'", "a", "'b'"),
    ] {
        assert_eq!(pairs(text), pair(key, value), "{text:?}");
    }
}

#[test]
fn comments_and_blank_lines_are_not_properties() {
    for text in [
        "",
        "\n\n",
        "# a = b\\\n",
        "  ! a = b",
        " \t\u{c}\r\n",
        "\\\n\n",
    ] {
        assert_eq!(pairs(text), [], "{text:?}");
    }
    assert_eq!(pairs("# x\\\na = b\r! y\r\n\rc = d").len(), 2);
}

#[test]
fn duplicate_keys_are_all_kept() {
    assert_eq!(
        pairs("a = 1\na = 2"),
        [pair("a", "1"), pair("a", "2")].concat()
    );
}

#[test]
fn places_are_those_of_the_text() {
    let text = "# é\na1.sinks = k1 \\\n   k\\u0032  k3 \n";
    let (properties, _) = parse(text);
    let value = &properties[0].value;
    assert_eq!(value.text, "k1 k2  k3");
    assert_eq!(slice(text, value.key_span), "a1.sinks");
    assert_eq!(slice(text, value.span), "k1 \\\n   k\\u0032  k3");
    let words: Vec<&str> = value
        .words
        .iter()
        .map(|word| slice(text, word.span))
        .collect();
    assert_eq!(words, ["k1", "k\\u0032", "k3"]);

    let text = "a.b =  \r\nc = d";
    let (properties, _) = parse(text);
    assert_eq!(slice(text, properties[0].value.span), "");
    assert!(properties[0].value.span.start <= text.find('\r').unwrap());
    assert_eq!(slice(text, properties[1].value.span), "d");
}

#[test]
fn bad_escapes_are_found_at_their_places() {
    for (text, place) in [
        ("a = x\\u12", "\\u12"),
        ("a = x\\uzzzz y", "\\uzzzz"),
        ("a = \\ud83d", "\\ud83d"),
        ("a = \\ud83d\\u0041", "\\ud83d"),
        ("a = \\ude00\\ude00", "\\ude00"),
        ("\\u = b", "\\u"),
    ] {
        let (_, diagnostics) = parse(text);
        assert_eq!(diagnostics[0].code, Code::Syntax, "{text:?}");
        assert_eq!(slice(text, diagnostics[0].span.unwrap()), place, "{text:?}");
    }
}

/// The independent reader's result, trimmed as Flume trims.
fn oracle(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let trim = |text: String| text.trim_matches(|char| char <= ' ').to_owned();
    let push = |key, value| pairs.push((trim(key), trim(value)));
    let mut reader = java_properties::PropertiesIter::new(text.as_bytes());
    reader.read_into(push).ok()?;
    Some(pairs)
}

proptest! {
    /// Characters that matter, in random order: both readers agree, or both fail.
    #[test]
    fn reads_what_the_oracle_reads(text in "[ab.=: #!\\\\\t\u{c}nrtu0-4\r\n]{0,40}") {
        // For Java, a mark after an empty continued line does not start a comment; for the oracle
        // it does.
        let lines: Vec<&str> = text.split(['\r', '\n']).map(str::trim).collect();
        let mark = |line: &str| line.starts_with(['#', '!']);
        let continued = lines.iter().any(|line| line.ends_with('\\'));
        prop_assume!(!continued || !lines.iter().any(|line| mark(line)));
        // The oracle drops a last line that ends in a backslash; Java does not.
        let text = text + "\nz";
        let (properties, diagnostics) = parse(&text);
        let ours: Vec<(String, String)> =
            properties.into_iter().map(|p| (p.key, p.value.text)).collect();
        match oracle(&text) {
            Some(theirs) if diagnostics.is_empty() => prop_assert_eq!(ours, theirs),
            // The oracle does not read an escape that spans two lines, and ends elsewhere.
            Some(_) => prop_assert!(text.contains("\\u")),
            None => prop_assert!(text.contains("\\u")),
        }
    }

    #[test]
    fn what_is_written_is_read(pairs in prop::collection::vec(("\\PC{1,12}", "\\PC{0,20}"), 0..6)) {
        let trim = |text: &str| text.trim_matches(|char: char| char <= ' ').to_owned();
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(key, value)| (trim(key), trim(value))).collect();
        let text = write(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let (properties, diagnostics) = parse(&text);
        prop_assert_eq!(diagnostics, []);
        let read: Vec<(String, String)> =
            properties.into_iter().map(|p| (p.key, p.value.text)).collect();
        prop_assert_eq!(read, pairs);
    }

    /// For any text, a place is a range of it that begins and ends at character boundaries.
    #[test]
    fn places_are_always_within_the_text(text in "[a=\\\\u0\u{e9}\u{1f600} \r\n]{0,30}") {
        let (properties, diagnostics) = parse(&text);
        let words = properties.iter().flat_map(|p| p.value.words.iter().map(|word| word.span));
        let spans = properties.iter().flat_map(|p| [p.value.key_span, p.value.span]);
        let found = diagnostics.iter().filter_map(|finding| finding.span);
        for span in words.chain(spans).chain(found).collect::<Vec<_>>() {
            prop_assert!(text.get(span.start..span.end).is_some(), "{:?}", span);
        }
    }
}
