//! A command as pages and the log show it.
//!
//! Headers and passwords stand in commands in too many ways to list them. So what is shown is listed:
//! the program, options without their values, absolute paths, and what joins commands. Every other
//! word is `***`.

use flume_core::context::MASK;

/// The command without what may be secret.
pub(super) fn shown_command(command: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    for (at, word) in command.split_whitespace().enumerate() {
        let word = shown_word(word, at == 0);
        // How many words are hidden says nothing to the reader.
        if word != MASK || shown.last().is_none_or(|last| last != MASK) {
            shown.push(word);
        }
    }
    shown.join(" ")
}

fn shown_word(word: &str, is_program: bool) -> String {
    let has_only = |other: &str, text: &str| {
        let plain = |char: char| char.is_ascii_alphanumeric() || other.contains(char);
        text.chars().all(plain)
    };
    let is_path = (is_program || word.starts_with('/')) && has_only("/._-", word);
    if is_path || matches!(word, "|" | "||" | "&&" | ";") {
        return word.to_owned();
    }
    if let Some(long) = word.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, _)) if has_only("-", name) => format!("--{name}={MASK}"),
            None if has_only("-", long) => word.to_owned(),
            _ => MASK.to_owned(),
        };
    }
    // Behind one letter the value may follow at once: `-psecret`.
    match word.strip_prefix('-') {
        Some(letter) if letter.len() <= 1 => word.to_owned(),
        _ => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_options_and_paths_are_shown() {
        for (command, shown) in [
            ("tail -F /var/log/app.log", "tail -F /var/log/app.log"),
            (
                "curl -H \"Authorization: Bearer abc\" -u me:pw --user=me:pw https://u:p@h/x",
                "curl -H *** -u *** --user=*** ***",
            ),
            ("mysql -psecret --batch", "mysql *** --batch"),
            ("PGPASSWORD=x psql", "***"),
            ("/bin/sh -c", "/bin/sh -c"),
            ("cat /a | grep x", "cat /a | ***"),
            ("x /a?sig=b --pass%word", "x ***"),
            ("", ""),
        ] {
            assert_eq!(shown_command(command), shown, "{command}");
        }
    }
}
