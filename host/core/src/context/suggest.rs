//! Suggestions for misspelt words.

/// "did you mean", if one of the candidates is close.
pub fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    nearest(word, candidates).map(|nearest| format!("did you mean `{nearest}`?"))
}

/// The candidate that differs only in case and separators, or that ends in the word, or that has at
/// most one typing error per three letters.
pub fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let plain = |text: &str| text.replace(['-', '.', '_'], "").to_ascii_lowercase();
    let same = |candidate: &&&str| plain(candidate) == plain(word);
    let distance = |candidate: &&&str| strsim::damerau_levenshtein(word, candidate);
    // A name of two letters is close to every other.
    let close = |candidate: &&&str| distance(candidate) <= word.chars().count() / 3;
    let longer = |candidate: &&&str| {
        let start = candidate.strip_suffix(word);
        start.is_some_and(|start| start.ends_with('.'))
    };
    let mut all = candidates.iter();
    all.find(same)
        .or_else(|| candidates.iter().find(longer))
        .or_else(|| candidates.iter().filter(close).min_by_key(distance))
        .copied()
}

pub(super) fn known_keys(asked: &[&str]) -> Option<String> {
    match asked {
        [] => None,
        keys => Some(format!("remove it; the keys are `{}`", keys.join("`, `"))),
    }
}

/// What a word may be: "did you mean" if it is close to one of the names, else all of them.
pub fn one_of_help(text: &str, names: &[&str]) -> String {
    did_you_mean(text, names).unwrap_or_else(|| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("one of {}", quoted.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_found() {
        let keys = [
            "selector.maxTimeOut",
            "bind",
            "port",
            "batch-size",
            "transactionCapacity",
            "c1",
            "c2",
        ];
        for (word, meant) in [
            ("prot", Some("port")),
            ("bnd", Some("bind")),
            ("batchSize", Some("batch-size")),
            ("batch.size", Some("batch-size")),
            ("transactioncapacity", Some("transactionCapacity")),
            ("transctonCapacity", Some("transactionCapacity")),
            ("maxTimeOut", Some("selector.maxTimeOut")),
            ("TimeOut", None),
            ("c3", None),
            ("hostname", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &keys), meant, "{word}");
        }
    }
}
