//! The value of `sasl.jaas.config`: one login module with its options, as Java reads it.
//!
//! ```text
//! module   class flag { name = value } ;
//! value    word | "text" | 'text'
//! text     \n \t … and up to three octal digits stand for a character, \ and another for that one
//! ```
//!
//! Blanks, `// …` and `/* … */` separate. The law: no word of an error is from the text, which has
//! passwords.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A login module.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// Its class, without the package.
    pub(super) class: String,
    /// Its options. Java tells their case apart.
    pub(super) options: BTreeMap<String, String>,
}

/// Why a text is no login module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JaasError {
    /// Nothing is there.
    #[error("it names no login module")]
    NoModule,
    /// The second word is missing, or another one.
    #[error("`required` has to follow the login module")]
    NoFlag,
    /// An option is not `name=value`.
    #[error("an option is not `name=\"value\"`")]
    NoValue,
    /// A quoted text has no end.
    #[error("a quote is not closed")]
    Open,
    /// The semicolon is missing.
    #[error("it has to end with `;`")]
    NoEnd,
    /// More follows.
    #[error("there is more than one login module")]
    Several,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Login, JaasError> {
    let mut tokens = Tokens(text.chars().peekable());
    let Some(Token::Word(class)) = tokens.next()? else {
        return Err(JaasError::NoModule);
    };
    let flag = match tokens.next()? {
        Some(Token::Word(flag)) => flag.to_ascii_lowercase(),
        _ => return Err(JaasError::NoFlag),
    };
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.as_str()) {
        return Err(JaasError::NoFlag);
    }
    let mut options = BTreeMap::new();
    loop {
        match tokens.next()? {
            None => return Err(JaasError::NoEnd),
            Some(Token::Sign(';')) => break,
            Some(Token::Sign(_)) => return Err(JaasError::NoValue),
            Some(Token::Word(name)) => {
                let value = tokens.value()?;
                options.insert(name, value);
            }
        }
    }
    if tokens.next()?.is_some() {
        return Err(JaasError::Several);
    }
    let class = class.rsplit('.').next().unwrap_or_default().to_owned();
    Ok(Login { class, options })
}

struct Tokens<'a>(Peekable<Chars<'a>>);

impl Tokens<'_> {
    fn value(&mut self) -> Result<String, JaasError> {
        match (self.next()?, self.next()?) {
            (Some(Token::Sign('=')), Some(Token::Word(value))) => Ok(value),
            (None, _) | (Some(Token::Sign('=')), None) => Err(JaasError::NoEnd),
            _ => Err(JaasError::NoValue),
        }
    }

    fn next(&mut self) -> Result<Option<Token>, JaasError> {
        loop {
            let Some(first) = self.0.next() else {
                return Ok(None);
            };
            match first {
                blank if blank.is_whitespace() => {}
                '/' if self.0.peek() == Some(&'/') => {
                    while self.0.next().is_some_and(|char| char != '\n') {}
                }
                '/' if self.0.peek() == Some(&'*') => self.skip_comment(),
                quote @ ('"' | '\'') => return self.quoted(quote).map(Some),
                first if is_of_word(first) => return Ok(Some(self.word(first))),
                sign => return Ok(Some(Token::Sign(sign))),
            }
        }
    }

    fn skip_comment(&mut self) {
        self.0.next();
        let mut before = ' ';
        for char in self.0.by_ref() {
            if (before, char) == ('*', '/') {
                return;
            }
            before = char;
        }
    }

    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        while let Some(char) = self.0.next_if(|char| is_of_word(*char)) {
            word.push(char);
        }
        Token::Word(word)
    }

    fn quoted(&mut self, quote: char) -> Result<Token, JaasError> {
        let mut text = String::new();
        loop {
            match self.0.next() {
                None | Some('\n' | '\r') => return Err(JaasError::Open),
                Some(char) if char == quote => return Ok(Token::Word(text)),
                Some('\\') => text.push(self.escaped()?),
                Some(char) => text.push(char),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JaasError> {
        let char = self.0.next().ok_or(JaasError::Open)?;
        Ok(match char {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            first @ '0'..='7' => self.octal(first),
            other => other,
        })
    }

    /// Three digits if the first is at most 3, so that they are one byte, else two.
    fn octal(&mut self, first: char) -> char {
        let mut code = first.to_digit(8).unwrap_or_default();
        let more = if code <= 3 { 2 } else { 1 };
        for _ in 0..more {
            let digit = self.0.next_if(|char| char.is_digit(8));
            let Some(digit) = digit.and_then(|char| char.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
        }
        char::from_u32(code).unwrap_or_default()
    }
}

/// Java takes fewer: a number has to be quoted there.
fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '$' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        let login = parse(&format!("a.b.Module required {text};"));
        let login = login.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(login.class, "Module");
        login.options.into_iter().collect()
    }

    #[test]
    fn options_are_read_with_quotes_and_escapes() {
        for (text, value) in [
            (r#"p="secret""#, "secret"),
            (r#"p = 'secret'"#, "secret"),
            (r#"p='a"b'"#, "a\"b"),
            (r#"p="a'b""#, "a'b"),
            (r#"p="a\"b""#, "a\"b"),
            (r#"p="a\\b""#, "a\\b"),
            (r#"p="a;b=c // /* d""#, "a;b=c // /* d"),
            (r#"p="a\tb\nc""#, "a\tb\nc"),
            (r#"p="\101\1012\48\0""#, "AA2\u{4}8\0"),
            (r#"p="\777""#, "?7"),
            (r#"p="\q\u00e9""#, "qu00e9"),
            (r#"p="pässwörd €""#, "pässwörd €"),
            (r#"p="""#, ""),
            ("p=true", "true"),
            ("p=3600", "3600"),
            ("p=a-b.c_d$e", "a-b.c_d$e"),
            ("/* p=x; */ p=y // ;\n", "y"),
            ("p=x p=y", "y"),
        ] {
            assert_eq!(
                options(text),
                [("p".to_owned(), value.to_owned())],
                "{text}"
            );
        }
        let two = options("\n username=\"u\"\tpassword='p' ");
        assert_eq!(two.len(), 2);
        assert_eq!(options(""), []);
    }

    #[test]
    fn what_java_refuses_is_refused_without_its_words() {
        for (text, error) in [
            ("", JaasError::NoModule),
            (";", JaasError::NoModule),
            ("/* secret", JaasError::NoModule),
            ("M", JaasError::NoFlag),
            ("M;", JaasError::NoFlag),
            ("M secret=\"x\";", JaasError::NoFlag),
            ("M required secret;", JaasError::NoValue),
            ("M required secret \"x\";", JaasError::NoValue),
            ("M required secret=;", JaasError::NoValue),
            ("M required =secret;", JaasError::NoValue),
            ("M required p=\"secret;", JaasError::Open),
            ("M required p=\"secret\\", JaasError::Open),
            ("M required p=\"secret\n\";", JaasError::Open),
            ("M required p=", JaasError::NoEnd),
            ("M required p", JaasError::NoEnd),
            ("M required p=\"secret\"", JaasError::NoEnd),
            ("M required p=x; N required;", JaasError::Several),
            ("M required;;", JaasError::Several),
        ] {
            let found = parse(text).map(|login| login.class).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("secret"), "{found}");
        }
        for flag in ["REQUIRED", "requisite", "sufficient", "optional"] {
            assert!(parse(&format!("M {flag};")).is_ok(), "{flag}");
        }
    }
}
