//! `flume-host run`: with Flume's own flags, and a few of ours.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flume_core::chain;
use flume_core::shell::{EXIT_CONFIG, EXIT_USAGE, complain, unreadable};

use self::admin::AdminArgs;
use super::check::ReadingArgs;
use crate::admin::Access;
use crate::config::Interpolation;
use crate::config_watch::ConfigWatch;
use crate::descriptors::{self, Passed};
use crate::files;
use crate::host::{self, Ended, HostOptions};
use crate::load::{self, Draft};
use crate::logging::{self, LogFormat};
use crate::services::Services;
use flume_components::{MemoryLimit, Resolver};

mod admin;

/// The file that runs if none is given, in the folder of a fresh clone.
const QUICKSTART: &str = "conf/quickstart.properties";

/// How long the end waits for work that nobody waits for any more.
const SHUTDOWN: Duration = Duration::from_millis(100);

/// Runs the agents of a file until a signal ends them.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How the file is read.
    #[command(flatten)]
    reading: ReadingArgs,

    /// The file: Flume's properties, or TOML by its ending. Default: conf/quickstart.properties.
    #[arg(short = 'f', long = "conf-file", value_name = "FILE")]
    file: Option<PathBuf>,

    /// Do not check the file for changes every 30 s; SIGHUP still reads it again.
    #[arg(long)]
    no_reload_conf: bool,

    /// Connect and bind to this address instead of the named host (or host:port).
    #[arg(long, value_name = "NAME=ADDR:PORT")]
    resolve: Vec<String>,

    /// The admin port.
    #[command(flatten)]
    admin: AdminArgs,

    /// Flags of `flume-ng` for Java: accepted, and answered in the log.
    #[command(flatten)]
    java: JavaFlags,

    /// The format of log lines.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,

    /// Let a reload remove a channel with events that no sink drains. Without it such a file is
    /// refused.
    #[arg(long)]
    reload_may_lose: bool,

    /// Seconds that channels may drain after a signal to end.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_timeout: u64,
}

/// Flags of `flume-ng` that say something to Java.
#[derive(Debug, Clone, Default, Args)]
struct JavaFlags {
    /// Flume's options of the JVM (-Xmx512m): accepted, without effect.
    #[arg(short = 'X', value_name = "OPTION")]
    machine: Vec<String>,

    /// Flume's class path: accepted, without effect.
    #[arg(short = 'C', long = "classpath", value_name = "PATH")]
    classpath: Vec<String>,

    /// Flume's folders of plug-ins: accepted, without effect.
    #[arg(long, value_name = "DIRS")]
    plugins_path: Option<String>,
}

impl JavaFlags {
    /// What to say about those that are there.
    fn answers(&self) -> Vec<(String, &'static str)> {
        let machine = self.machine.iter().map(|option| {
            let why = match option.starts_with("mx") || option.starts_with("ms") {
                true => "memory is limited by `byteCapacity` of the channels",
                false => "there is no Java here",
            };
            (format!("-X{option}"), why)
        });
        let classes = "classes are not loaded; policies take the place of plug-ins";
        let classpath = self.classpath.iter();
        let classpath = classpath.map(|path| (format!("--classpath {path}"), classes));
        let plugins = self.plugins_path.iter();
        let plugins = plugins.map(|path| (format!("--plugins-path {path}"), classes));
        machine.chain(classpath).chain(plugins).collect()
    }
}

/// Runs the command; the exit status says how it ended.
pub(crate) fn run(args: &RunArgs) -> ExitCode {
    // Before anything is opened.
    let passed = descriptors::take();
    let status = match prepare(args, passed) {
        Ok(prepared) => prepared.run(),
        Err(status) => status,
    };
    logging::flush();
    status
}

/// Everything that is known before anything is opened.
struct Prepared {
    file: PathBuf,
    draft: Draft,
    watch: ConfigWatch,
    services: Services,
    options: HostOptions,
}

fn prepare(args: &RunArgs, passed: Passed) -> Result<Prepared, ExitCode> {
    let java = JavaProperties::read(&args.reading.defines).map_err(|message| usage(&message))?;
    if let Err(error) = logging::start(args.log_format, java.level.as_deref().unwrap_or("info")) {
        complain(&format!("error: the log cannot be written: {error}\n"));
        return Err(ExitCode::FAILURE);
    }
    for (flag, why) in args.java.answers() {
        tracing::warn!(flag, why, "this flag has no effect here");
    }
    for key in &java.ignored {
        tracing::warn!(key, "this Java property has no effect here");
    }
    files::raise_limit();
    let resolver = resolver(&args.resolve).map_err(|message| usage(&message))?;
    let admin = args
        .admin
        .address(&java)
        .map_err(|message| usage(&message))?;
    let mut services = args.reading.services(resolver);
    services.components.sockets = passed.into_sockets();
    let MemoryLimit { bytes, from } = &services.components.memory;
    tracing::info!(
        bytes,
        from,
        "memory limit: the default of byteCapacity is 80 % of it"
    );
    let file = args.file.as_deref().unwrap_or(Path::new(QUICKSTART));
    let access = guards(args, &services)?;
    let watch = ConfigWatch::new(
        file.to_owned(),
        args.reading.options(),
        !args.no_reload_conf,
    );
    let draft = watch
        .load(&services)
        .map_err(|error| unreadable(file, &error))?;
    if draft.has_errors() {
        // Nothing runs that would have to wait, so all is said at once.
        let loaded = draft.tried(&services.policies);
        load::log(&loaded.diagnostics, &loaded.file, args.log_format);
        return Err(refused(file));
    }
    load::log(&draft.diagnostics, &draft.file, args.log_format);
    let drain_timeout = Duration::from_secs(args.drain_timeout);
    let options = HostOptions {
        admin,
        socket: args.admin.socket(file),
        access,
        drain_timeout,
        reload_may_lose: args.reload_may_lose,
        log_format: args.log_format,
    };
    Ok(Prepared {
        file: file.to_owned(),
        draft,
        watch,
        services,
        options,
    })
}

/// Who may do what, and the log of who did it; or the exit status after a mistake was reported.
fn guards(args: &RunArgs, services: &Services) -> Result<Access, ExitCode> {
    let access = args.admin.access().map_err(|error| {
        tracing::error!(%error, "refused (--admin-tokens)");
        ExitCode::from(EXIT_CONFIG)
    })?;
    if let Some(path) = &args.admin.audit_log {
        let opened = services.policies.audit().write_to(path);
        opened.map_err(|error| {
            let path = path.display();
            tracing::error!(%path, %error, "the audit log cannot be opened (--audit-log)");
            ExitCode::FAILURE
        })?;
    }
    Ok(access)
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
        let ended = runtime.block_on(host::run(
            self.draft,
            self.watch,
            self.services,
            self.options,
        ));
        // What is still being read or compiled ends with the process.
        runtime.shutdown_timeout(SHUTDOWN);
        match ended {
            Ok(Ended::Stopped(0)) => ExitCode::SUCCESS,
            Ok(Ended::Stopped(_)) => ExitCode::FAILURE,
            Ok(Ended::Refused) => refused(&self.file),
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot run");
                ExitCode::FAILURE
            }
        }
    }
}

/// No agent can run from the file.
fn refused(file: &Path) -> ExitCode {
    let file = file.display();
    tracing::error!(%file, "refused: see above; `--lenient` runs what Flume would run of it");
    ExitCode::from(EXIT_CONFIG)
}

/// Reports what is wrong with the command line.
fn usage(message: &str) -> ExitCode {
    complain(&format!("error: {message}\n"));
    ExitCode::from(EXIT_USAGE)
}

/// The Java properties that have an effect here.
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
                    return Err(format!("-D{property}: only `http` is supported"));
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
    use crate::host::AdminAddress;

    #[test]
    fn flumes_monitoring_keys_open_the_admin_port() {
        let properties = ["flume.monitoring.type=http", "flume.monitoring.port=34545"];
        let java = JavaProperties::read(&properties.map(str::to_owned)).unwrap();
        assert!(java.monitoring);
        assert_eq!(java.port, Some(34545));
    }

    /// Flume listens on all addresses; our own default does not.
    #[test]
    fn monitoring_binds_as_in_flume() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: RunArgs,
        }
        let address = |words: &[&str]| {
            let line = Line::parse_from([&["run"], words].concat());
            let java = JavaProperties::read(&line.args.reading.defines).unwrap();
            line.args.admin.address(&java).unwrap()
        };
        let http = "-Dflume.monitoring.type=http";
        let flumes = AdminAddress::Flumes("0.0.0.0:41414".parse().unwrap());
        assert_eq!(address(&[http]), flumes);
        let ours = AdminAddress::Perhaps("127.0.0.1:41414".parse().unwrap());
        assert_eq!(address(&[]), ours);
        let given = AdminAddress::Required("127.0.0.1:7".parse().unwrap());
        assert_eq!(address(&[http, "--admin", "127.0.0.1:7"]), given);
    }

    #[test]
    fn flags_for_java_are_answered() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: RunArgs,
        }
        let words = "run -n a1 -c conf -f x -Xmx512m -Xss1m -C a.jar:b.jar --plugins-path p";
        let line = Line::parse_from(words.split(' '));
        let answers = line.args.java.answers();
        let flags: Vec<&str> = answers.iter().map(|(flag, _)| flag.as_str()).collect();
        let expected = [
            "-Xmx512m",
            "-Xss1m",
            "--classpath a.jar:b.jar",
            "--plugins-path p",
        ];
        assert_eq!(flags, expected);
    }

    #[test]
    fn an_override_needs_an_address_and_a_port() {
        assert!(resolver(&["node113=127.0.0.1:8888".to_owned()]).is_ok());
        assert!(resolver(&["node113".to_owned()]).is_err());
        assert!(resolver(&["node113=127.0.0.1".to_owned()]).is_err());
    }
}
