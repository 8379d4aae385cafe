//! Hadoop's own configuration, which says where a path is that does not say it itself.
//!
//! It is found as `flume-ng` finds it: the script puts folders on Java's class path, and Hadoop reads
//! `core-site.xml` and `hdfs-site.xml` from the first that has them.
//!
//! | folder | when |
//! |---|---|
//! | that of `-c` | always |
//! | `$HADOOP_CONF_DIR` | if it is set |
//! | `$HADOOP_HOME/etc/hadoop` | else, if that is set |
//! | `/etc/hadoop/conf` | else |
//!
//! Without one of them Hadoop's default counts, as in Flume: the files of this machine.

use std::path::{Path, PathBuf};

/// Where packages of Hadoop have their configuration.
const PACKAGED: &str = "/etc/hadoop/conf";
/// The files of a folder, in the order in which they are read.
const FILES: [&str; 2] = ["core-site.xml", "hdfs-site.xml"];
/// No file of a configuration is larger.
const MOST_BYTES: u64 = 16 << 20;
/// The file system of paths without one, under its name and its older one.
const DEFAULT_FS: [&str; 2] = ["fs.defaultFS", "fs.default.name"];
/// Where the homes of users are.
const HOMES: &str = "dfs.user.home.dir.prefix";

/// What Hadoop's configuration says about paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hadoop {
    /// The folder that has it.
    pub folder: Option<PathBuf>,
    /// The file system of paths without one: `hdfs://namenode:8020`.
    pub default_fs: Option<String>,
    /// Where the homes of users are, unless that is `/user`.
    pub homes: Option<String>,
    /// Who this process is.
    pub user: Option<String>,
    /// Where relative paths of this machine begin.
    pub working: Option<PathBuf>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

impl Hadoop {
    /// Looks for it; `conf` is the folder of `-c`.
    pub fn find(conf: Option<&Path>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let folders = folders(conf, &variable);
        let mut found = Self {
            user: variable("HADOOP_USER_NAME").or_else(|| whoami::username().ok()),
            working: std::env::current_dir().ok(),
            ..Self::default()
        };
        let has_one = |folder: &&PathBuf| FILES.iter().any(|file| folder.join(file).is_file());
        if let Some(folder) = folders.iter().find(has_one) {
            found.read(folder);
        }
        found
    }

    fn read(&mut self, folder: &Path) {
        self.folder = Some(folder.to_owned());
        for file in FILES.map(|file| folder.join(file)) {
            if !file.is_file() {
                continue;
            }
            match properties(&file) {
                Ok(properties) => {
                    for (name, value) in properties {
                        self.take(&name, value);
                    }
                }
                Err(error) => self.problem = Some(format!("`{}`: {error}", file.display())),
            }
        }
    }

    fn take(&mut self, name: &str, value: String) {
        if DEFAULT_FS.contains(&name) {
            self.default_fs = Some(value);
        } else if name == HOMES {
            self.homes = Some(value);
        }
    }

    /// The home of a user in a store, where relative paths begin.
    pub(crate) fn home(&self, user: Option<&str>) -> String {
        let homes = self.homes.as_deref().unwrap_or("/user");
        let user = user.or(self.user.as_deref()).unwrap_or("unknown");
        format!("{}/{user}", homes.trim_end_matches('/'))
    }
}

/// The folders to look into, in their order.
fn folders(conf: Option<&Path>, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let of_hadoop = match (variable("HADOOP_CONF_DIR"), variable("HADOOP_HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => Path::new(&home).join("etc/hadoop"),
        (None, None) => PathBuf::from(PACKAGED),
    };
    conf.map(Path::to_owned)
        .into_iter()
        .chain([of_hadoop])
        .collect()
}

/// The properties of a file, in their order.
fn properties(file: &Path) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    if std::fs::metadata(file)?.len() > MOST_BYTES {
        return Err(format!("more than {MOST_BYTES} bytes").into());
    }
    let text = std::fs::read_to_string(file)?;
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let tree = roxmltree::Document::parse_with_options(&text, options)?;
    let elements = tree.root_element().children();
    let properties = elements.filter(|element| element.has_tag_name("property"));
    let pairs = properties.filter_map(|property| {
        let part = |name: &str| {
            let found = property.children().find(|part| part.has_tag_name(name));
            Some(found?.text()?.trim().to_owned())
        };
        Some((part("name")?, part("value")?))
    });
    Ok(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(folder: &Path, file: &str, properties: &[(&str, &str)]) {
        std::fs::create_dir_all(folder).unwrap();
        let property = |(name, value): &(&str, &str)| {
            format!("<property><name>{name}</name><value>{value}</value></property>\n")
        };
        let all: String = properties.iter().map(property).collect();
        let text = format!("<?xml version=\"1.0\"?>\n<configuration>\n{all}</configuration>\n");
        std::fs::write(folder.join(file), text).unwrap();
    }

    #[test]
    fn folders_are_those_of_flume_ng() {
        let conf = Path::new("conf");
        let with = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let mut all = variables.iter();
                let found = all.find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let folders = folders(Some(conf), &variable).into_iter();
            let shown = folders.map(|folder| folder.display().to_string());
            shown.collect::<Vec<_>>()
        };
        let both = [("HADOOP_CONF_DIR", "/a"), ("HADOOP_HOME", "/b")];
        assert_eq!(with(&both), ["conf", "/a"]);
        assert_eq!(with(&both[1..]), ["conf", "/b/etc/hadoop"]);
        assert_eq!(with(&[]), ["conf", PACKAGED]);
    }

    #[test]
    fn the_first_folder_with_a_file_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let conf = scratch.path().join("conf");
        std::fs::create_dir(&conf).unwrap();
        site(&conf, FILES[0], &[("fs.default.name", " hdfs://old:8020 ")]);
        site(&conf, FILES[1], &[(HOMES, "/home/")]);
        let found = Hadoop::find(Some(&conf));
        assert_eq!(found.default_fs.as_deref(), Some("hdfs://old:8020"));
        assert_eq!(found.home(Some("etl")), "/home/etl");
        assert_eq!(found.folder.as_ref(), Some(&conf));
        assert_eq!(found.problem, None);
    }

    #[test]
    fn a_file_that_is_no_xml_is_a_problem() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join(FILES[0]), "<configuration>").unwrap();
        let problem = Hadoop::find(Some(scratch.path())).problem.unwrap();
        assert!(problem.contains(FILES[0]), "{problem}");
    }
}
