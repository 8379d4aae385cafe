//! Lists the guests, so that a guest without a test does not compile.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
    println!("cargo::rerun-if-changed={}", guests.display());
    let mut hostile = Vec::new();
    for entry in fs::read_dir(&guests)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix("hostile-") {
            hostile.push(name.replace('-', "_"));
        }
    }
    for entry in fs::read_dir(guests.join("hostile"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            hostile.push(name.to_string_lossy().into_owned());
        }
    }
    hostile.sort();
    let text = format!(
        "/// Calls a macro with the names of all hostile guests.\n\
         #[macro_export]\n\
         macro_rules! foreach_hostile {{\n\
         ($macro:ident) => {{ $macro! {{ {} }} }};\n\
         }}\n",
        hostile.join(" ")
    );
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("guests.rs"), text)
}
