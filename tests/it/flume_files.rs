//! Files that work under Flume work here. Goal: what surrounds a file there is found here. Method: the
//! program with Flume's flags, over files and folders made for it.

use std::fs;

use flume_tests::{AgentFile, Scratch, host, ports};

/// netcat → memory → hdfs with this path.
fn to_hdfs(path: &str) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 1000, 100)
        .netcat("r1", ports::free())
        .bucket("k1", path, 100)
}

#[test]
fn hadoops_configuration_is_found_in_the_folder_of_conf() {
    let scratch = Scratch::new();
    let site = "<configuration><property><name>fs.defaultFS</name>\
                <value>hdfs://namenode:8020</value></property></configuration>";
    let folder = scratch.folder("conf");
    fs::write(folder.join("core-site.xml"), site).unwrap();
    let file = scratch.file("a1.properties", &to_hdfs("/flume/audit").text());
    let (folder, file) = (folder.display().to_string(), file.display().to_string());
    let checked = host::command(&["check", "-c", &folder, &file], "");
    assert_eq!(checked.status.code(), Some(0), "{}", checked.stdout);
    let said = "`hdfs://namenode:8020/flume/audit`";
    assert!(checked.stdout.contains(said), "{}", checked.stdout);
}

/// A start line of `flume-ng`, with all that it says to Java.
#[test]
fn flags_of_flume_ng_for_java_are_taken_and_answered() {
    let scratch = Scratch::new();
    // An agent that is refused, so that the program ends.
    let file = scratch.file("a1.properties", "a1.sources = r1\n");
    let file = file.display().to_string();
    let words = [
        "agent",
        "-n",
        "a1",
        "-c",
        "conf",
        "-f",
        &file,
        "-Xmx512m",
        "-C",
        "lib/a.jar",
        "--plugins-path",
        "plugins.d",
        "-Dmy.key=value",
    ];
    let ended = host::command(&words, "");
    assert_eq!(ended.status.code(), Some(78), "{}", ended.stderr);
    for part in [
        "-Xmx512m",
        "--classpath lib/a.jar",
        "--plugins-path plugins.d",
        "my.key",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(ended.stderr.contains("this flag has no effect here"));
}
