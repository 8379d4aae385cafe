//! Prometheus from Debian: it scrapes an agent, evaluates rules, and answers queries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{complaint, debian, on_path};
use crate::process::{self, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;
use crate::{eventually, ports, within};

/// How long a command may take, and a server to start.
const START: Duration = Duration::from_secs(60);

/// Prometheus, installed or unpacked.
pub struct Prometheus(Option<PathBuf>);

/// A running server.
pub struct PrometheusServer {
    port: u16,
    /// Ended when this is dropped.
    _process: Process,
}

/// The installed one, or Debian's package unpacked below `target/peers`.
#[must_use]
pub fn resolve() -> Availability<Prometheus> {
    let prometheus = if on_path("prometheus") && on_path("promtool") {
        Prometheus(None)
    } else {
        match debian::unpacked("prometheus", &["prometheus"]) {
            Availability::Ready(folder) => Prometheus(Some(folder)),
            Availability::Missing(why) => return Availability::Missing(why),
        }
    };
    match process::run(prometheus.program("promtool").arg("--version"), "", START) {
        Ok(said) if said.status.success() => Availability::Ready(prometheus),
        Ok(said) => Availability::Missing(complaint("promtool", &said.stderr)),
        Err(why) => Availability::Missing(why),
    }
}

impl Prometheus {
    fn program(&self, name: &str) -> Command {
        match &self.0 {
            Some(folder) => Command::new(folder.join("usr/bin").join(name)),
            None => Command::new(name),
        }
    }

    /// What promtool says of a file of rules.
    ///
    /// # Errors
    /// Its complaints.
    pub fn check_rules(&self, rules: &Path) -> Result<String, String> {
        self.promtool("check", rules)
    }

    /// What promtool says of a file of scenarios for rules.
    ///
    /// # Errors
    /// Where a rule does not do what is expected.
    pub fn test_rules(&self, scenarios: &Path) -> Result<String, String> {
        self.promtool("test", scenarios)
    }

    fn promtool(&self, verb: &str, file: &Path) -> Result<String, String> {
        let mut command = self.program("promtool");
        let said = process::run(command.args([verb, "rules"]).arg(file), "", START)?;
        match said.status.success() {
            true => Ok(said.stdout),
            false => Err(format!("{}{}", said.stdout, said.stderr)),
        }
    }

    /// Starts a server that scrapes the admin port of an agent and evaluates rules, each second.
    ///
    /// # Panics
    /// When it does not start in time.
    #[must_use]
    pub fn start(&self, scratch: &Scratch, admin: u16, rules: &Path) -> PrometheusServer {
        let port = ports::free();
        let rules = rules.display();
        let config = scratch.file(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
                 rule_files: ['{rules}']\n\
                 scrape_configs:\n- job_name: flume-host\n  static_configs:\n  \
                 - targets: ['127.0.0.1:{admin}']\n"
            ),
        );
        let mut command = self.program("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                scratch.path("prometheus").display()
            ));
        let process = Process::start("prometheus", &mut command, scratch.path("prometheus.log"));
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        eventually("Prometheus is ready", START, || {
            ureq::get(&ready).call().ok()
        });
        PrometheusServer {
            port,
            _process: process,
        }
    }
}

impl PrometheusServer {
    /// The series of an instant query.
    ///
    /// # Errors
    /// Its complaint.
    pub fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let answer = self.ask("query", &[("query", query)])?;
        let series = answer["data"]["result"].as_array();
        series.cloned().ok_or_else(|| format!("{query}: {answer}"))
    }

    /// The state of an alert: `inactive`, `pending` or `firing`.
    #[must_use]
    pub fn alert(&self, name: &str) -> Option<String> {
        let answer = self.ask("rules", &[]).ok()?;
        let groups = answer["data"]["groups"].as_array()?;
        let rules = groups.iter().flat_map(|group| group["rules"].as_array());
        let rule = rules.flatten().find(|rule| rule["name"] == name)?;
        rule["state"].as_str().map(str::to_owned)
    }

    fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}/api/v1/{what}", self.port);
        let asked = within(START, || {
            let config = ureq::Agent::config_builder()
                .timeout_global(Some(START))
                .http_status_as_error(false)
                .build();
            let request = ureq::Agent::new_with_config(config).get(&url);
            let request = request.query_pairs(parameters.iter().copied());
            request.call().ok()?.body_mut().read_to_string().ok()
        });
        let text = asked.ok_or_else(|| format!("{url} does not answer"))?;
        let answer: Value = serde_json::from_str(&text).map_err(|err| format!("{err}: {text}"))?;
        match answer["status"] == "success" {
            true => Ok(answer),
            false => Err(text),
        }
    }
}
