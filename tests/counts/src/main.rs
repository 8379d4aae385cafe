//! `flume-counts WORKLOAD REPETITIONS`: repeats the work of one hot path under a tool that
//! counts instructions. Without arguments it lists the workloads, one per line.
//!
//! The work is production code: from the crates below the agent, and from modules of the components
//! that are compiled in here, because that crate with its dependencies takes longer to build than
//! the counting. `tests/it/peers/counts.rs` runs this twice for each workload and takes the
//! difference, so that only what a repetition adds is counted.

#![expect(
    clippy::expect_used,
    reason = "a workload that does not go as planned has no count"
)]

use std::process::ExitCode;

mod workload;
mod workloads;

/// Modules of the components.
#[path = "../../../host/components/src"]
#[expect(dead_code, unreachable_pub, reason = "the components use all of it")]
mod components {
    pub(crate) mod source {
        pub(crate) mod lines;
    }
    pub(crate) mod rpc {
        pub(crate) mod batch;
        pub(crate) mod copies;
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() {
        #[expect(clippy::print_stdout, reason = "the answer to the caller")]
        for (name, _) in workloads::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    if let [name, repetitions] = words.as_slice()
        && let Some((_, run)) = workloads::ALL.iter().find(|(known, _)| known == name)
        && let Ok(repetitions) = repetitions.parse()
        && repetitions <= workload::MOST
    {
        run(repetitions);
        return ExitCode::SUCCESS;
    }
    #[expect(clippy::print_stderr, reason = "the answer to the caller")]
    {
        let most = workload::MOST;
        eprintln!("usage: flume-counts [WORKLOAD REPETITIONS], at most {most} repetitions");
    }
    ExitCode::FAILURE
}
