//! `flume-host run`: with Flume's own flags, and a few of ours.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::check::ReadingArgs;
use super::{EXIT_CONFIG, EXIT_USAGE, complain, unreadable};
use crate::admin::ChangesFrom;
use crate::config::Interpolation;
use crate::config_watch::ConfigWatch;
use crate::host::{self, AdminAddress, HostOptions};
use crate::logging::{self, LogFormat};
use crate::plan::AgentPlan;
use crate::runner::chain;
use crate::services::{Resolver, Services};

/// What runs when no file is named, from the folder of a fresh clone.
const QUICKSTART: &str = "conf/quickstart.properties";

/// Flume's port for monitoring.
const ADMIN_PORT: u16 = 41414;

/// Runs agents of a file until a signal ends them.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// How the file is read.
    #[command(flatten)]
    reading: ReadingArgs,

    /// The file: Flume's properties, or TOML by its ending. Default: conf/quickstart.properties.
    #[arg(short = 'f', long = "conf-file", value_name = "FILE")]
    file: Option<PathBuf>,

    /// Flume's folder of settings for its JVM: accepted, and not needed.
    #[arg(short = 'c', long = "conf", value_name = "DIR")]
    conf: Option<PathBuf>,

    /// Do not look at the file every 30 s for changes; SIGHUP still reads it again.
    #[arg(long)]
    no_reload_conf: bool,

    /// Connect and bind to this address instead of the named host (or host:port).
    #[arg(long, value_name = "NAME=ADDR:PORT")]
    resolve: Vec<String>,

    /// Where the admin port listens, or `off`. Default: 127.0.0.1:41414 if that is free.
    #[arg(long, value_name = "ADDR:PORT")]
    admin: Option<String>,

    /// Whose changes of policies the admin port takes.
    #[arg(long, value_enum, value_name = "FROM", default_value_t)]
    admin_changes: ChangesFrom,

    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,

    /// Seconds that channels may drain when the process is told to end.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_timeout: u64,
}

/// Runs the command; the status says how it ended.
pub fn run(args: &RunArgs) -> ExitCode {
    match prepare(args) {
        Ok(prepared) => prepared.run(),
        Err(status) => status,
    }
}

/// All that is known before anything is opened.
struct Prepared {
    plans: Vec<AgentPlan>,
    watch: ConfigWatch,
    services: Services,
    options: HostOptions,
}

fn prepare(args: &RunArgs) -> Result<Prepared, ExitCode> {
    let java = JavaProperties::read(&args.reading.defines).map_err(|message| usage(&message))?;
    logging::start(args.log_format, java.level.as_deref().unwrap_or("info"));
    for key in &java.ignored {
        tracing::warn!(key, "this Java property has no effect here");
    }
    let resolver = resolver(&args.resolve).map_err(|message| usage(&message))?;
    let admin = admin_address(args, &java).map_err(|message| usage(&message))?;
    let services = Services {
        policies: args.reading.policies(),
        ..Services::system(resolver)
    };
    let file = args.file.as_deref().unwrap_or(Path::new(QUICKSTART));
    let watch = ConfigWatch::new(
        file.to_owned(),
        args.reading.options(),
        !args.no_reload_conf,
    );
    let loaded = watch
        .load(&services)
        .map_err(|error| unreadable(file, &error))?;
    loaded.log(args.log_format);
    if !watch.runs(&loaded) {
        let file = file.display();
        tracing::error!(%file, "refused: see above; `--lenient` runs what Flume would run of it");
        return Err(ExitCode::from(EXIT_CONFIG));
    }
    let drain_timeout = Duration::from_secs(args.drain_timeout);
    let options = HostOptions {
        admin,
        changes: args.admin_changes,
        drain_timeout,
    };
    Ok(Prepared {
        plans: loaded.plans,
        watch,
        services,
        options,
    })
}

impl Prepared {
    fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the runtime cannot start");
                return ExitCode::FAILURE;
            }
        };
        match runtime.block_on(host::run(
            self.plans,
            self.watch,
            self.services,
            self.options,
        )) {
            Ok(0) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot run");
                ExitCode::FAILURE
            }
        }
    }
}

/// Says what is wrong with the command line.
fn usage(message: &str) -> ExitCode {
    complain(&format!("error: {message}\n"));
    ExitCode::from(EXIT_USAGE)
}

/// The Java properties that mean something here.
#[derive(Debug, Default)]
struct JavaProperties {
    monitoring: bool,
    port: Option<u16>,
    level: Option<String>,
    ignored: Vec<String>,
}

impl JavaProperties {
    fn read(properties: &[String]) -> Result<Self, String> {
        let mut java = Self::default();
        for property in properties {
            let (key, value) = property.split_once('=').unwrap_or((property, ""));
            match key {
                "flume.monitoring.type" if value.eq_ignore_ascii_case("http") => {
                    java.monitoring = true;
                }
                "flume.monitoring.type" => {
                    return Err(format!("-D{property}: only `http` is there"));
                }
                "flume.monitoring.port" => {
                    let port = value.parse();
                    java.port = Some(port.map_err(|_| format!("-D{property}: not a port"))?);
                }
                "flume.root.logger" => {
                    let level = value.split(',').next().unwrap_or_default();
                    java.level = Some(level.to_ascii_lowercase());
                }
                // Read by `ReadingArgs`.
                "propertiesImplementation" if Interpolation::of_class(value).is_some() => {}
                _ => java.ignored.push(key.to_owned()),
            }
        }
        Ok(java)
    }
}

/// The admin address: ours, else Flume's monitoring port on loopback, else the default one if free.
fn admin_address(args: &RunArgs, java: &JavaProperties) -> Result<AdminAddress, String> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match args.admin.as_deref() {
        Some("off") => Ok(AdminAddress::Off),
        Some(text) => {
            let address = text.parse().map(AdminAddress::Required);
            address.map_err(|_| format!("--admin {text}: give an address and a port, or `off`"))
        }
        None if java.monitoring => Ok(AdminAddress::Required(loopback(
            java.port.unwrap_or(ADMIN_PORT),
        ))),
        None => Ok(AdminAddress::Perhaps(loopback(
            java.port.unwrap_or(ADMIN_PORT),
        ))),
    }
}

fn resolver(entries: &[String]) -> Result<Resolver, String> {
    let mut overrides = BTreeMap::new();
    for entry in entries {
        let target = entry.split_once('=').and_then(|(name, target)| {
            Some((name.to_owned(), target.to_socket_addrs().ok()?.next()?))
        });
        let (name, address) =
            target.ok_or_else(|| format!("--resolve {entry}: give name=address:port"))?;
        overrides.insert(name, address);
    }
    Ok(Resolver::new(overrides))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flumes_monitoring_keys_open_the_admin_port() {
        let properties = ["flume.monitoring.type=http", "flume.monitoring.port=34545"];
        let java = JavaProperties::read(&properties.map(str::to_owned)).unwrap();
        assert!(java.monitoring);
        assert_eq!(java.port, Some(34545));
    }

    #[test]
    fn an_override_needs_an_address_and_a_port() {
        assert!(resolver(&["node113=127.0.0.1:8888".to_owned()]).is_ok());
        assert!(resolver(&["node113".to_owned()]).is_err());
        assert!(resolver(&["node113=127.0.0.1".to_owned()]).is_err());
    }
}
