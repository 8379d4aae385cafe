//! PEM in a value of a file, where lines often end in blanks or not at all: with the lines that
//! OpenSSL wants.

/// Characters of a line.
const WIDTH: usize = 64;

/// The blocks of a text, each in lines. `None` if there is none, or one has no end.
pub(super) fn lines(text: &str) -> Option<String> {
    let mut blocks = String::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (name, body) = begun.split_once("-----")?;
        let end = format!("-----END {name}-----");
        let (body, behind) = body.split_once(end.as_str())?;
        blocks.push_str(&format!("-----BEGIN {name}-----\n"));
        push_body(&mut blocks, body);
        blocks.push_str(&end);
        blocks.push('\n');
        rest = behind;
    }
    (!blocks.is_empty()).then_some(blocks)
}

fn push_body(blocks: &mut String, body: &str) {
    // Heads, as old encrypted keys have them, have lines of their own.
    if body.contains(':') {
        blocks.push_str(body.trim_start());
        return;
    }
    let characters = body.chars().filter(|char| !char.is_whitespace());
    for (at, char) in characters.enumerate() {
        if at > 0 && at % WIDTH == 0 {
            blocks.push('\n');
        }
        blocks.push(char);
    }
    blocks.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_lines_however_they_are_written() {
        let body = "A".repeat(64) + "BCD=";
        let whole = format!(
            "-----BEGIN X-----\n{}\nBCD=\n-----END X-----\n",
            "A".repeat(64)
        );
        for text in [
            whole.clone(),
            format!("-----BEGIN X-----{body}-----END X-----"),
            format!(
                "-----BEGIN X----- {} ABCD=  -----END X-----",
                "A".repeat(63)
            ),
            format!("subject=a\n-----BEGIN X-----\r\n{body}\r\n-----END X-----\r\n"),
        ] {
            assert_eq!(lines(&text).as_deref(), Some(whole.as_str()), "{text}");
        }
        let two = format!("{whole}\n{whole}");
        assert_eq!(lines(&two), Some(whole.repeat(2)));
        let head = "-----BEGIN X-----\nProc-Type: 4\n\nAA\n-----END X-----\n";
        assert_eq!(lines(head).as_deref(), Some(head));
    }

    #[test]
    fn what_is_no_block_is_none() {
        for text in [
            "",
            "MIIB",
            "-----BEGIN X-----AA",
            "-----BEGIN X-----AA-----END Y-----",
        ] {
            assert_eq!(lines(text), None, "{text}");
        }
    }
}
