//! From Java's syntax to that of the fancy-regex crate.
//!
//! | Java | why it is translated |
//! |---|---|
//! | `.` `^` `$` `\Z` | Java knows five more line ends; `$` and `\Z` also match before the last one |
//! | `\d \w \s` | ASCII in Java |
//! | `\p{Alpha}` … | Java's names of the POSIX classes |
//! | `\h \v \R \e \cX \0nn \uXXXX \Q…\E \<` | unknown to the crate, or with another meaning |
//! | `(?s) (?m) (?x) (?d) (?u) (?U)` | resolved here; only `(?i)` goes on |
//! | `[\w-.]`, `~`, `:` in a class | the crate has set operators there |
//!
//! Possessive quantifiers, atomic groups, look-around, named groups and back-references mean the
//! same and pass unchanged. Blocks (`\p{InGreek}`), `\N{…}` and `\X` are errors.

use std::str::Chars;

/// Line ends that `.` does not match, as content of a class.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// `$` and `\Z`: the end, or before the last line end (not inside `\r\n`).
const BEFORE_LAST_LINE_END: &str = r"(?=(?:\r\n|(?<!\r)\n|[\r\x{85}\x{2028}\x{2029}])?\z)";

/// The same for `(?d)`, where only `\n` ends a line.
const BEFORE_LAST_NEWLINE: &str = r"(?=\n?\z)";

const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\x0C\r\x{85}\x{2028}\x{2029}";

/// Translates a pattern. The error says what is not understood.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern.chars(),
        out: String::with_capacity(pattern.len() * 2),
        flags: Flags::default(),
        outer: Vec::new(),
        groups: 0,
    };
    translator.run()?;
    Ok(translator.out)
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    dot_all: bool,
    multi_line: bool,
    comments: bool,
    unix_lines: bool,
    unicode: bool,
}

struct Translator<'p> {
    rest: Chars<'p>,
    out: String,
    flags: Flags,
    /// The flags to come back to at the end of each open group.
    outer: Vec<Flags>,
    groups: usize,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                ')' => {
                    self.flags = self.outer.pop().ok_or("a `)` closes nothing")?;
                    self.out.push(')');
                }
                '.' => self.dot(),
                '^' => self.line_start(),
                '$' => self.line_end(),
                '#' if self.flags.comments => while self.rest.next().is_some_and(|c| c != '\n') {},
                blank if self.flags.comments && blank.is_ascii_whitespace() => {}
                // Quantifiers, alternation, and text.
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Takes the next characters if they are these.
    fn take(&mut self, text: &str) -> bool {
        let found = self.rest.as_str().strip_prefix(text);
        if let Some(behind) = found {
            self.rest = behind.chars();
        }
        found.is_some()
    }

    /// Takes everything up to `end`, and `end` itself.
    fn until(&mut self, end: &str) -> Result<String, String> {
        let all = self.rest.as_str();
        let (text, behind) = all
            .split_once(end)
            .ok_or_else(|| format!("`{end}` is missing"))?;
        self.rest = behind.chars();
        Ok(text.to_owned())
    }

    fn dot(&mut self) {
        match self.flags {
            Flags { dot_all: true, .. } => self.out.push_str("(?s:.)"),
            Flags {
                unix_lines: true, ..
            } => self.out.push_str(r"[^\n]"),
            _ => self.negated(LINE_ENDS),
        }
    }

    fn negated(&mut self, members: &str) {
        self.out.push_str("[^");
        self.out.push_str(members);
        self.out.push(']');
    }

    fn line_start(&mut self) {
        self.out.push_str(match self.flags {
            Flags {
                multi_line: false, ..
            } => r"\A",
            Flags {
                unix_lines: true, ..
            } => r"(?:\A|(?<=\n)(?!\z))",
            _ => r"(?:\A|(?:(?<=[\n\x{85}\x{2028}\x{2029}])|(?<=\r)(?!\n))(?!\z))",
        });
    }

    fn line_end(&mut self) {
        self.out.push_str(match self.flags {
            Flags {
                multi_line: true,
                unix_lines: true,
                ..
            } => r"(?=\n|\z)",
            Flags {
                multi_line: true, ..
            } => r"(?=\r|(?<!\r)\n|[\x{85}\x{2028}\x{2029}]|\z)",
            Flags {
                unix_lines: true, ..
            } => BEFORE_LAST_NEWLINE,
            _ => BEFORE_LAST_LINE_END,
        });
    }

    /// What follows a `(`.
    fn group(&mut self) -> Result<(), String> {
        let inner = self.flags;
        if !self.take("?") {
            self.groups += 1;
            self.open("(", inner);
        } else if self.take("<=") {
            self.open("(?<=", inner);
        } else if self.take("<!") {
            self.open("(?<!", inner);
        } else if self.take("<") {
            self.groups += 1;
            let name = self.until(">")?;
            self.open(&format!("(?<{name}>"), inner);
        } else {
            match self.peek() {
                Some(kind @ (':' | '=' | '!' | '>')) => {
                    self.rest.next();
                    self.open(&format!("(?{kind}"), inner);
                }
                _ => self.flag_group()?,
            }
        }
        Ok(())
    }

    fn open(&mut self, text: &str, inner: Flags) {
        self.outer.push(self.flags);
        self.flags = inner;
        self.out.push_str(text);
    }

    /// `(?ims-x)` to the end of the group around it, or `(?ims-x:…)`.
    fn flag_group(&mut self) -> Result<(), String> {
        let mut flags = self.flags;
        let mut on = true;
        let mut case = "";
        loop {
            match self.rest.next() {
                Some('-') => on = false,
                Some('i') => case = if on { "i" } else { "-i" },
                Some('s') => flags.dot_all = on,
                Some('m') => flags.multi_line = on,
                Some('x') => flags.comments = on,
                Some('d') => flags.unix_lines = on,
                Some('U') => flags.unicode = on,
                // Case is compared in Unicode anyway.
                Some('u') => {}
                Some(':') => {
                    self.open(&format!("(?{case}:"), flags);
                    return Ok(());
                }
                Some(')') => {
                    self.flags = flags;
                    if !case.is_empty() {
                        self.out.push_str(&format!("(?{case})"));
                    }
                    return Ok(());
                }
                Some(other) => return Err(format!("`(?{other}` is not known")),
                None => return Err("`)` is missing".to_owned()),
            }
        }
    }

    /// What follows a `\` outside a class.
    fn escape(&mut self) -> Result<(), String> {
        let next = self
            .rest
            .next()
            .ok_or("a `\\` at the end escapes nothing")?;
        match next {
            'b' | 'B' | 'A' | 'G' | 'z' => self.out.extend(['\\', next]),
            'Z' if self.flags.unix_lines => self.out.push_str(BEFORE_LAST_NEWLINE),
            'Z' => self.out.push_str(BEFORE_LAST_LINE_END),
            'R' => {
                self.out.push_str(r"(?:\r\n|[");
                self.out.push_str(VERTICAL);
                self.out.push_str("])");
            }
            'Q' => {
                let (quoted, behind) = split_quoted(self.rest.as_str());
                self.rest = behind.chars();
                // In a group, a quantifier would apply to all of it; in Java it applies to the last
                // character, and so does this.
                quoted.chars().for_each(|c| self.literal(c));
            }
            'k' if self.take("<") => {
                let name = self.until(">")?;
                self.out.push_str(&format!(r"\k<{name}>"));
            }
            '1'..='9' => self.back_reference(next),
            _ => match self.set(next)? {
                Some(set) => {
                    self.out.push('[');
                    self.out.push_str(&set);
                    self.out.push(']');
                }
                None => {
                    let literal = self.character(next)?;
                    self.literal(literal);
                }
            },
        }
        Ok(())
    }

    /// As many digits as there are groups so far.
    fn back_reference(&mut self, first: char) {
        let mut group = first.to_digit(10).unwrap_or_default();
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(10)) {
            let longer = group * 10 + digit;
            if usize::try_from(longer).is_ok_and(|longer| longer > self.groups) {
                break;
            }
            group = longer;
            self.rest.next();
        }
        self.out.push_str(&format!(r"(?:\{group})"));
    }

    /// The members of a predefined class, if this is one; what follows `\` in and outside a class.
    fn set(&mut self, letter: char) -> Result<Option<String>, String> {
        let (members, negated) = match letter {
            'd' | 'w' | 's' | 'D' | 'W' | 'S' if self.flags.unicode => {
                return Ok(Some(format!("\\{letter}")));
            }
            'd' | 'D' => ("0-9", letter == 'D'),
            'w' | 'W' => ("a-zA-Z0-9_", letter == 'W'),
            's' | 'S' => (r" \t\n\x0B\x0C\r", letter == 'S'),
            'h' | 'H' => (HORIZONTAL, letter == 'H'),
            'v' | 'V' => (VERTICAL, letter == 'V'),
            'p' | 'P' => return self.property(letter == 'P').map(Some),
            _ => return Ok(None),
        };
        Ok(Some(if negated {
            format!("[^{members}]")
        } else {
            members.to_owned()
        }))
    }

    /// `\p{…}` or `\pL`, as content of a class.
    fn property(&mut self, negated: bool) -> Result<String, String> {
        let name = match self.rest.next() {
            Some('{') => self.until("}")?,
            Some(letter) => letter.to_string(),
            None => return Err(r"`\p` without a name".to_owned()),
        };
        let posix = match name.as_str() {
            "Lower" | "Upper" | "ASCII" | "Alpha" | "Digit" | "Alnum" | "Punct" | "Graph"
            | "Print" | "Blank" | "Cntrl" | "XDigit" | "Space" => name.to_ascii_lowercase(),
            _ => {
                let p = if negated { 'P' } else { 'p' };
                let known = match name.strip_prefix("java").unwrap_or(&name) {
                    "LowerCase" | "IsLowercase" => "Lowercase",
                    "UpperCase" | "IsUppercase" => "Uppercase",
                    "Alphabetic" | "IsAlphabetic" => "Alphabetic",
                    "Whitespace" | "IsWhite_Space" => "White_Space",
                    other => other.strip_prefix("Is").unwrap_or(other),
                };
                return Ok(format!(r"\{p}{{{known}}}"));
            }
        };
        Ok(format!("[:{}{posix}:]", if negated { "^" } else { "" }))
    }

    /// The single character of an escape.
    fn character(&mut self, letter: char) -> Result<char, String> {
        let code = match letter {
            't' => 0x09,
            'n' => 0x0A,
            'r' => 0x0D,
            'f' => 0x0C,
            'a' => 0x07,
            'e' => 0x1B,
            'c' => {
                let control = self.rest.next().ok_or(r"`\c` without a character")?;
                u32::from(control) ^ 64
            }
            '0' => self.octal()?,
            'x' if self.take("{") => hex(&self.until("}")?)?,
            'x' => self.hex_digits(2)?,
            'u' => self.utf16()?,
            letter if letter.is_ascii_alphanumeric() => {
                return Err(format!("`\\{letter}` is not a known escape"));
            }
            literal => u32::from(literal),
        };
        char::from_u32(code).ok_or_else(|| format!("there is no character with the code {code:x}"))
    }

    /// Up to three octal digits, at most 0377.
    fn octal(&mut self) -> Result<u32, String> {
        let mut code = None;
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(8)) {
            let longer = code.unwrap_or(0) * 8 + digit;
            if longer > 0o377 {
                break;
            }
            code = Some(longer);
            self.rest.next();
        }
        code.ok_or_else(|| r"`\0` without an octal number".to_owned())
    }

    fn hex_digits(&mut self, digits: usize) -> Result<u32, String> {
        let text: String = self.rest.by_ref().take(digits).collect();
        if text.len() == digits {
            hex(&text)
        } else {
            Err(format!("`{text}` is shorter than {digits} digits"))
        }
    }

    /// `XXXX`, and a second `\uXXXX` if the first is half of a pair.
    fn utf16(&mut self) -> Result<u32, String> {
        let high = self.hex_digits(4)?;
        if !(0xD800..0xDC00).contains(&high) || !self.take("\\u") {
            return Ok(high);
        }
        let low = self.hex_digits(4)?;
        Ok(0x10000 + ((high - 0xD800) << 10) + low.saturating_sub(0xDC00))
    }

    fn literal(&mut self, c: char) {
        if matches!(c, ' '..='/' | ':'..='@' | '['..='`' | '{'..='~') || c.is_control() {
            self.out.push_str(&format!(r"\x{{{:X}}}", u32::from(c)));
        } else {
            self.out.push(c);
        }
    }

    /// What follows a `[`, up to its `]`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        // After a set a `-` does not make a range.
        let mut behind_set = false;
        loop {
            let next = self.rest.next().ok_or("`]` is missing")?;
            let set = match next {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => {
                    self.class()?;
                    true
                }
                '&' if self.take("&") => {
                    self.out.push_str("&&");
                    false
                }
                '\\' => self.class_escape()?,
                '-' if !first && !behind_set && !matches!(self.peek(), Some(']' | '-' | '[')) => {
                    self.out.push('-');
                    false
                }
                blank if self.flags.comments && blank.is_ascii_whitespace() => continue,
                other => {
                    self.literal(other);
                    false
                }
            };
            first = false;
            behind_set = set;
        }
    }

    /// What follows a `\` in a class; says whether it was a set.
    fn class_escape(&mut self) -> Result<bool, String> {
        let next = self
            .rest
            .next()
            .ok_or("a `\\` at the end escapes nothing")?;
        if next == 'Q' {
            let (quoted, behind) = split_quoted(self.rest.as_str());
            self.rest = behind.chars();
            quoted.chars().for_each(|c| self.literal(c));
            return Ok(false);
        }
        if let Some(set) = self.set(next)? {
            self.out.push_str(&set);
            return Ok(true);
        }
        let literal = self.character(next)?;
        self.literal(literal);
        Ok(false)
    }
}

/// The text up to `\E` or the end, and what comes after it.
fn split_quoted(text: &str) -> (&str, &str) {
    text.split_once("\\E").unwrap_or((text, ""))
}

fn hex(digits: &str) -> Result<u32, String> {
    u32::from_str_radix(digits, 16).map_err(|_| format!("`{digits}` is not a hexadecimal number"))
}
