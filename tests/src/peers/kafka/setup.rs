//! The properties of a cluster: what a scenario wants otherwise, and what each node is told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Brokers;
use crate::peers::keys::KeyStores;
use crate::skip::Availability;
use crate::small_disk::SmallDisk;

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// SASL `PLAIN`.
    Plain,
    /// SASL `SCRAM-SHA-256`.
    Scram256,
    /// SASL `SCRAM-SHA-512`.
    Scram512,
}

impl Login {
    /// The one account that there is.
    pub const USER: &str = "flume";
    /// Its password.
    pub const PASSWORD: &str = "flume-secret";

    /// The name of the mechanism.
    #[must_use]
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram256 => "SCRAM-SHA-256",
            Self::Scram512 => "SCRAM-SHA-512",
        }
    }

    /// What the broker is told of its accounts.
    fn module(self) -> String {
        match self {
            Self::Plain => format!(
                "org.apache.kafka.common.security.plain.PlainLoginModule required \
                 user_{}=\"{}\";",
                Self::USER,
                Self::PASSWORD,
            ),
            Self::Scram256 | Self::Scram512 => {
                "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned()
            }
        }
    }
}

/// What a scenario wants of its cluster.
#[derive(Clone, Default)]
pub struct Setup {
    keys: Option<PathBuf>,
    login: Option<Login>,
    more: Vec<(String, String)>,
    pub(super) port: Option<u16>,
    pub(super) small_disk: Option<(u32, u32)>,
}

impl Setup {
    /// Plain listeners, and no topics.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// One more property of each node.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.more.push((key.to_owned(), value.to_string()));
        self
    }

    /// Clients find the first node on this port, and not on a free one.
    #[must_use]
    pub fn at(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Clients have to speak TLS; the brokers have this PKCS#12 key.
    #[must_use]
    pub fn tls(mut self, stores: &KeyStores) -> Self {
        self.keys = Some(stores.key.clone());
        self
    }

    /// Clients have to log in.
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// The records of a node are on a disk of so many MiB. What is there is lost when the node ends.
    #[must_use]
    pub fn small_disk(mut self, node: u32, mib: u32) -> Availability<Self> {
        self.small_disk = Some((node, mib));
        // Whether this user may mount one.
        SmallDisk::over(std::env::temp_dir(), 1).map(|_| self)
    }

    /// The protocol of the clients' listener, as Kafka names it.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match (&self.keys, self.login) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// The words for `format` that make the account, if that is not in the properties.
    pub(super) fn accounts(&self) -> Vec<String> {
        match self.login {
            None | Some(Login::Plain) => Vec::new(),
            Some(scram) => vec![
                "--add-scram".to_owned(),
                format!(
                    "{}=[name={},password={}]",
                    scram.mechanism(),
                    Login::USER,
                    Login::PASSWORD
                ),
            ],
        }
    }

    /// The properties of a node.
    pub(super) fn properties(&self, release: Brokers, node: &Ports, all: &[Ports]) -> String {
        let mut text = String::new();
        let mut set = |key: &str, value: &dyn std::fmt::Display| {
            writeln!(text, "{key}={value}").expect("a string takes any text");
        };
        let controllers: Vec<String> = all.iter().map(Ports::controller_address).collect();
        set("process.roles", &"broker,controller");
        set("node.id", &node.id);
        set(
            "controller.quorum.bootstrap.servers",
            &controllers.join(","),
        );
        let [clients, inner] =
            [node.clients, node.inner].map(|port| format!("://127.0.0.1:{port}"));
        let controller = node.controller_address();
        set(
            "listeners",
            &format!("CLIENT{clients},INNER{inner},CONTROLLER://{controller}"),
        );
        set(
            "advertised.listeners",
            &format!("CLIENT{clients},INNER{inner}"),
        );
        set("controller.listener.names", &"CONTROLLER");
        set("inter.broker.listener.name", &"INNER");
        let protocol = self.protocol();
        set(
            "listener.security.protocol.map",
            &format!("CLIENT:{protocol},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        );
        set("log.dirs", &node.data.display());
        set("group.initial.rebalance.delay.ms", &0);
        // A dead broker is found after 9 s, which is the default; said here, as scenarios wait for it.
        set("broker.session.timeout.ms", &9_000);
        let (factor, least) = if all.len() > 2 { (3, 2) } else { (1, 1) };
        set("default.replication.factor", &factor);
        set("min.insync.replicas", &least);
        self.inner_topics(release, &mut set, factor, least);
        self.access(&mut set);
        for (key, value) in &self.more {
            set(key, value);
        }
        text
    }

    fn inner_topics(
        &self,
        release: Brokers,
        set: &mut impl FnMut(&str, &dyn std::fmt::Display),
        factor: u32,
        least: u32,
    ) {
        let shares: &[&str] = match release {
            Brokers::V3_9 => &[],
            Brokers::V4_4 => &["share.coordinator.state.topic"],
        };
        for topic in [&["offsets.topic", "transaction.state.log"], shares].concat() {
            set(&format!("{topic}.replication.factor"), &factor);
            set(&format!("{topic}.num.partitions"), &4);
            if topic != "offsets.topic" {
                set(&format!("{topic}.min.isr"), &least);
            }
        }
    }

    fn access(&self, set: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
        if let Some(keys) = &self.keys {
            set("listener.name.client.ssl.keystore.type", &"PKCS12");
            set(
                "listener.name.client.ssl.keystore.location",
                &keys.display(),
            );
            set(
                "listener.name.client.ssl.keystore.password",
                &KeyStores::PASSWORD,
            );
        }
        if let Some(login) = self.login {
            let mechanism = login.mechanism();
            set("listener.name.client.sasl.enabled.mechanisms", &mechanism);
            let module = format!(
                "listener.name.client.{}.sasl.jaas.config",
                mechanism.to_lowercase()
            );
            set(&module, &login.module());
        }
    }
}

/// Where a node listens, and keeps what it has.
pub(super) struct Ports {
    pub(super) id: u32,
    pub(super) clients: u16,
    pub(super) inner: u16,
    pub(super) controller: u16,
    pub(super) data: PathBuf,
}

impl Ports {
    pub(super) fn new(id: u32, data: &Path) -> Self {
        use crate::ports::free;
        Self {
            id,
            clients: free(),
            inner: free(),
            controller: free(),
            data: data.to_path_buf(),
        }
    }

    fn controller_address(&self) -> String {
        format!("127.0.0.1:{}", self.controller)
    }

    /// As `format` wants to know of it.
    pub(super) fn voter(&self, directory: &str) -> String {
        format!("{}@{}:{directory}", self.id, self.controller_address())
    }
}
