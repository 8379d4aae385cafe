//! `flume-counts WORKLOAD REPETITIONS`: does the work of one hot path so many times, under a tool
//! that counts instructions. Without arguments it names the workloads, one a line.
//!
//! The work is production code: of the crates below the agent, and of modules of the agent that are
//! compiled in here, since with its 260 crates a build would take longer than all of the counting.
//! `tests/it/counts.rs` runs this twice for each workload and takes the difference, so that only
//! what a repetition adds counts.

#![expect(
    clippy::expect_used,
    reason = "a workload that goes another way than planned has no count"
)]

use std::process::ExitCode;

mod workload;
mod workloads;

/// Modules of the agent.
#[path = "../../../host/agent/src"]
#[expect(dead_code, unreachable_pub, reason = "the agent uses all of it")]
mod agent {
    pub(crate) mod source {
        pub(crate) mod lines;
        pub(crate) mod avro {
            pub(crate) mod batch;
        }
    }
    pub(crate) mod sink {
        pub(crate) mod avro {
            pub(crate) mod batch;
        }
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
