//! `cargo run --profile dist -p flume-bench -- [ROWS]`: see `README.md` next to the manifest.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser as _;
use flume_bench::machine;
use flume_bench::options::Options;
use flume_bench::rows::Bench;
use flume_bench::subject::Peers;
use flume_bench::table::Table;

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    let mut out = io::stdout().lock();
    let mut bench = Bench {
        table: Table::new(&mut out),
        scale: options.scale(),
        peers: Peers::new(!options.no_peers),
        attacks: options.attacks.clone(),
    };
    for line in machine::lines() {
        bench.table.line(&line)?;
    }
    for row in options.rows() {
        // If a subject fails, only its row ends.
        let measured = panic::catch_unwind(AssertUnwindSafe(|| bench.row(row)));
        measured.unwrap_or_else(|_| bench.table.broke_down(row))?;
    }
    Ok(match bench.table.end()? {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
