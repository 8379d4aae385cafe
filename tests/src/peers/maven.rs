//! The jars of a peer, resolved by Maven into a folder below `target/peers/`.

use std::path::PathBuf;
use std::process::Command;

use super::{cached, fetched};
use crate::skip::Availability;

/// A dependency: group, artifact and version.
pub(super) type Coordinates = (&'static str, &'static str, &'static str);

/// The folder `target/peers/<name>` with the jars of `dependencies` in `lib`, and with `files`,
/// each a path and its text, next to it.
pub(super) fn resolve(
    name: &str,
    dependencies: &[Coordinates],
    files: &[(&str, &str)],
) -> Availability<PathBuf> {
    cached(name, "java", |folder| {
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).map_err(|err| err.to_string())
        };
        write("pom.xml", &pom(dependencies))?;
        for (name, text) in files {
            write(name, text)?;
        }
        let mut maven = Command::new("mvn");
        maven
            .current_dir(folder)
            .args(["-q", "-B", "dependency:copy-dependencies"]);
        maven.args(["-DoutputDirectory=lib", "-DincludeScope=runtime"]);
        fetched("mvn", &mut maven)
    })
}

fn pom(dependencies: &[Coordinates]) -> String {
    let dependency = |(group, artifact, version): &Coordinates| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let dependencies: String = dependencies.iter().map(dependency).collect();
    format!(
        "<project><modelVersion>4.0.0</modelVersion>\n<groupId>peers</groupId>\
         <artifactId>peer</artifactId><version>1</version><packaging>pom</packaging>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}
