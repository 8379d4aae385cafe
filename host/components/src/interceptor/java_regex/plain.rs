//! Patterns with nothing that needs backtracking, as nearly all are.
//!
//! The fancy-regex crate hands them to the same automaton, but makes some copies for each match,
//! which on short lines cost half as much again as the match itself.

use fancy_regex::{Assertion, Expr};
use regex_automata::meta::Regex;

/// The automaton of a translated pattern; `None` if it needs more than that.
pub(super) fn automaton(translated: &str) -> Option<Regex> {
    let tree = Expr::parse_tree(translated).ok()?;
    if tree.expr.has_descendant_or_self(|part| !is_plain(part)) {
        return None;
    }
    let mut pattern = String::new();
    tree.expr.to_str(&mut pattern, 0);
    Regex::new(&pattern).ok()
}

/// Whether a part of a pattern means the same to the automaton. A group that is repeated no times
/// does not: the automaton does not number it.
fn is_plain(part: &Expr) -> bool {
    match part {
        Expr::Empty
        | Expr::Any { .. }
        | Expr::Literal { .. }
        | Expr::Delegate { .. }
        | Expr::Concat(_)
        | Expr::Alt(_)
        | Expr::Group(_)
        | Expr::Assertion(Assertion::StartText | Assertion::EndText) => true,
        Expr::Repeat { hi, .. } => *hi > 0,
        _ => false,
    }
}
