//! Policies in text: a selector, and one that is more than any compiler should be asked for.

/// A selector that always tries the sink with this number, after so many functions that nobody calls.
#[must_use]
pub fn module(sink: u8, functions: &str) -> String {
    let text = include_str!("../../diagnostics/policies/first.wat");
    // The order is at address 128: the sink, in four bytes.
    let data = format!("(data (i32.const 128) \"\\{:02x}\\00\\00\\00\")", sink - 1);
    let end = text.trim_end().strip_suffix(')').expect("a module");
    format!("{end}\n  {functions} {data})\n")
}

/// A file that is small, passes every guard, and keeps a compiler busy for a minute: a variable costs
/// the compiler something at each branch that it lives across, and these functions have thousands of
/// both.
#[must_use]
pub fn bomb() -> String {
    const WIDTH: usize = 2_200;
    let locals = "i64 ".repeat(WIDTH);
    let set = |at| format!("(local.set {at} (i64.const {at}))");
    let branch = |at: usize| {
        let (to, from) = (at * 7 % WIDTH, at * 3 % WIDTH);
        format!(
            "(block (br_if 0 (i64.eqz (local.get {at}))) \
             (local.set {to} (i64.add (local.get {from}) (local.get {at}))))"
        )
    };
    let sets: String = (0..WIDTH).map(set).collect();
    let branches: String = (0..WIDTH).map(branch).collect();
    let function = format!("(func (local {locals}) {sets} {branches})\n");
    module(1, &function.repeat(24))
}
