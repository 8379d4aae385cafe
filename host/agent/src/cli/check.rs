//! `check`: reads a file as `run` would, reports all findings, and starts nothing.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flume_core::context::Mode;
use flume_core::shell::{EXIT_CONFIG, print, unreadable};
use flume_policy::{ChildLimits, Compiler};

use crate::config::{Interpolation, render};
use crate::files;
use crate::load::{self, Options};
use crate::plan::PolicyChoice;
use crate::policies::{CacheChoice, Policies};
use crate::services::Services;
use flume_components::Resolver;

/// Checks a configuration file. Exits with 0, or with 78 if `run` would refuse the file.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file: Flume's properties, or TOML if its name ends in `.toml`.
    pub file: PathBuf,
    /// How the file is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
}

/// How a file is to be read; the same for `check` and `run`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadingArgs {
    /// An agent of the file; may be given several times. Without it all of them.
    #[arg(short = 'n', long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Where `flume-ng` looks for Hadoop's core-site.xml first; the rest of the folder is for Java.
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    pub conf: Option<PathBuf>,
    /// Skip what Flume skips, instead of refusing the file.
    #[arg(long)]
    pub lenient: bool,
    /// Replace variables in values: `${env.NAME}`.
    #[arg(long, value_enum, value_name = "FROM")]
    pub interpolate: Option<Variables>,
    /// Flume's system properties. `propertiesImplementation` turns on `${NAME}` as in Flume.
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    pub defines: Vec<String>,
    /// A policy as the selector of every load_balance group, or of one (g1=FILE, a1/g1=FILE); may be
    /// given several times. The path is relative to the working directory.
    #[arg(long = "policy", value_name = "[[AGENT/]GROUP=]FILE", value_parser = PolicyChoice::parse)]
    pub policies: Vec<PolicyChoice>,
    /// Where compiled policies are kept, or `none`. Default: flume-host/policies in the user's
    /// cache folder.
    #[arg(long, value_name = "DIR")]
    pub policy_cache: Option<String>,
    /// MiB of address space for the child that compiles a policy; two may run at once. Default: 2048.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(256..=65_536))]
    pub compile_memory: Option<u64>,
    /// Seconds of processor time for that child. Default: 120.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub compile_seconds: Option<u64>,
}

/// Where the values of variables come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variables {
    /// The environment of the process.
    Env,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// For people.
    #[default]
    Text,
    /// For machines: an array of objects.
    Json,
}

impl ReadingArgs {
    /// The policies of the process, with the cache that these flags select.
    pub(crate) fn policies(&self) -> Policies {
        let cache = CacheChoice::of_flag(self.policy_cache.as_deref());
        let mut limits = ChildLimits::default();
        if let Some(mib) = self.compile_memory {
            limits.memory = mib << 20;
        }
        if let Some(seconds) = self.compile_seconds {
            limits.cpu = Duration::from_secs(seconds);
        }
        Policies::new(cache, Compiler::in_children(limits))
    }

    /// What components and policies may use.
    pub(crate) fn services(&self, resolver: Resolver) -> Services {
        Services::system(resolver, self.policies()).with_hadoop(self.conf.as_deref())
    }

    /// The options that these flags select.
    pub(crate) fn options(&self) -> Options {
        let class = |define: &String| {
            let class = define.strip_prefix("propertiesImplementation=")?;
            Interpolation::of_class(class)
        };
        let interpolation = match self.interpolate {
            Some(Variables::Env) => Interpolation::Env,
            None => self.defines.iter().find_map(class).unwrap_or_default(),
        };
        Options {
            names: self.names.clone(),
            mode: if self.lenient {
                Mode::Lenient
            } else {
                Mode::Strict
            },
            looks: true,
            interpolation,
            policies: self.policies.clone(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    // As `run` does, which has more files by it.
    files::raise_limit();
    let services = args.reading.services(Resolver::default());
    let loaded = match load::draft(&args.file, &args.reading.options(), &services) {
        Ok(draft) => draft.tried(&services.policies),
        Err(error) => return unreadable(&args.file, &error),
    };
    let (findings, file) = (&loaded.diagnostics, &loaded.file);
    match args.format {
        Report::Json => print(&format!("{}\n", render::json(findings, file))),
        Report::Text => {
            let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let agents: Vec<&str> = loaded.plans.iter().map(|plan| plan.name.as_str()).collect();
            let summary = render::summary(findings, file);
            let ready = match agents.as_slice() {
                [] => "no agent can run".to_owned(),
                names => format!("ready to run: {}", names.join(", ")),
            };
            let text = render::render(findings, file, color);
            print(&format!("{text}{summary}; {ready}\n"));
        }
    }
    ExitCode::from(if loaded.has_errors() { EXIT_CONFIG } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flume: TestEnvVarResolverProperties (G7), the switch.
    #[test]
    fn flumes_switch_turns_interpolation_on() {
        let class = "propertiesImplementation=org.apache.flume.node.EnvVarResolverProperties";
        let mut args = ReadingArgs {
            defines: vec!["flume.monitoring.type=http".to_owned(), class.to_owned()],
            ..ReadingArgs::default()
        };
        assert_eq!(args.options().interpolation, Interpolation::Flume);
        args.interpolate = Some(Variables::Env);
        assert_eq!(args.options().interpolation, Interpolation::Env);
        assert_eq!(
            ReadingArgs::default().options().interpolation,
            Interpolation::Off
        );
    }
}
