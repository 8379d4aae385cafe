//! Lists the guests, so that a guest without a test does not compile.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
    println!("cargo::rerun-if-changed={}", guests.display());
    let (mut hostile, mut shipped) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&guests)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix("hostile-") {
            hostile.push(name.replace('-', "_"));
        } else if name.starts_with("selector-") || name.starts_with("interceptor-") {
            shipped.push(name.replace('-', "_"));
        }
    }
    for entry in fs::read_dir(guests.join("hostile"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            hostile.push(name.to_string_lossy().into_owned());
        }
    }
    let text = list(
        "foreach_hostile",
        "all hostile guests, without the prefix",
        hostile,
    ) + &list("foreach_shipped", "all shipped guests", shipped);
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("guests.rs"), text)
}

/// A macro that calls a macro with these names.
fn list(name: &str, what: &str, mut guests: Vec<String>) -> String {
    guests.sort();
    format!(
        "/// Calls a macro with the names of {what}.\n\
         #[macro_export]\n\
         macro_rules! {name} {{\n\
         ($macro:ident) => {{ $macro! {{ {} }} }};\n\
         }}\n",
        guests.join(" ")
    )
}
