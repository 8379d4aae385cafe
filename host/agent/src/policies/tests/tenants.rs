//! What is in the folder of one tenant's policies is not read by way of another's.

use super::*;

/// A use of a file by an agent, whose policies are in a folder of its own.
fn of(folder: &Folder, agent: &str, path: &Path) -> PolicyUse {
    PolicyUse {
        agent: agent.to_owned(),
        directory: Some(folder.path(agent)),
        ..in_a1(path)
    }
}

/// Named as it is, by way of its own folder, through links to the file and to its folder, and where
/// the name of one folder begins like that of the other.
#[tokio::test(start_paused = true)]
async fn the_folder_of_a_tenant_is_not_read_by_way_of_anothers() {
    let (policies, folder) = (policies(), Folder::new());
    let secret = folder.file("a1/secret.wat", &always(&[1]));
    let plain = folder.file("a1/secret.txt", "not even a policy");
    let nested = folder.file("a10/secret.wat", &always(&[1]));
    folder.file("a2/own.wat", &always(&[0]));
    folder.link("a2/folder", &folder.path("a1"));
    for (agent, path) in [
        ("a2", secret.clone()),
        ("a2", folder.path("a2/../a1/secret.wat")),
        ("a2", folder.link("a2/link.wat", &secret)),
        (
            "a2",
            folder.link("a2/relative.wat", Path::new("../a1/secret.wat")),
        ),
        ("a2", folder.path("a2/folder/secret.wat")),
        ("a2", folder.link("a2/plain.wat", &plain)),
        ("a2", folder.link("a2/whole.wat", &folder.path("a1"))),
        ("a1", nested),
    ] {
        let wanted = of(&folder, agent, &path);
        let error = policies.try_selector(&wanted, &sinks(3)).unwrap_err();
        let is_outside = matches!(error, PolicyUseError::File(FileError::Outside { .. }));
        assert!(is_outside, "{}: {error}", path.display());
        assert!(seat(&policies, &wanted, "g1", 3).is_err());
    }
    assert!(policies.reports().is_empty());
}

/// A file that runs is turned into a link to the other's: by a look, by a SIGHUP, and for a new place.
#[tokio::test(start_paused = true)]
async fn a_file_that_becomes_a_link_to_anothers_is_not_read() {
    let (policies, folder) = (policies(), Folder::new());
    let secret = folder.file("a1/secret.wat", &always(&[1]));
    let own = folder.file("a2/own.wat", &always(&[0]));
    let wanted = of(&folder, "a2", &own);
    let mut selector = seat(&policies, &wanted, "g1", 3).unwrap();
    folder.link("a2/own.wat", &secret);
    rounds(&policies, 20).await;
    policies.look(true);
    let mut late = seat(&policies, &wanted, "g2", 3).unwrap();
    assert_eq!((first(&mut selector), first(&mut late)), (0, 0));
    let report = report(&policies);
    let error = report.last_error.unwrap();
    assert!(error.contains("outside of"), "{error}");
    assert_eq!(report.digest, Artifact::digest_of(always(&[0]).as_bytes()));
}
