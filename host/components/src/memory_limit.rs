//! How much memory the process may use: the limit of its container, or the memory of the machine.
//!
//! | kernel's files | limit of a group |
//! |---|---|
//! | control groups v2, `/sys/fs/cgroup` (or `…/unified`) | `memory.max` |
//! | control groups v1, `/sys/fs/cgroup/memory` | `memory.limit_in_bytes` |
//!
//! A group is bound by the limits of all groups around it, so the smallest counts. In a container the
//! path of its group may be that of the machine, and the files those of the container: what is not
//! there is passed over.

use std::fs;
use std::path::{Path, PathBuf};

/// What is assumed if nothing is known.
const FALLBACK: u64 = 1 << 30;

/// A limit, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
    /// The file that says so.
    pub from: String,
}

impl MemoryLimit {
    /// The limit of this process.
    pub fn of_process() -> Self {
        Self::below(Path::new("/"))
    }

    /// The same for a machine whose files are below this folder.
    fn below(root: &Path) -> Self {
        let groups = text(&root.join("proc/self/cgroup"));
        let files = groups.lines().flat_map(files_of_group);
        // The groups of the machine itself, too, where nothing says which group this is.
        let roots = [V2, UNIFIED, V1].map(|kind| kind.file(Path::new("")));
        let limits = files.chain(roots).filter_map(|file| {
            let bytes = text(&root.join(&file)).trim().parse().ok()?;
            Some(Self::new(bytes, &file))
        });
        let limits = limits.chain(machine(root));
        let least = limits.min_by_key(|limit| limit.bytes);
        least.unwrap_or_else(|| Self {
            bytes: FALLBACK,
            from: "assumed: neither a control group nor /proc/meminfo says it".to_owned(),
        })
    }

    fn new(bytes: u64, file: &Path) -> Self {
        let from = Path::new("/").join(file).display().to_string();
        Self { bytes, from }
    }
}

/// A hierarchy of groups, and the file of a group that has its limit.
struct Hierarchy {
    folder: &'static str,
    limit: &'static str,
}

const V2: Hierarchy = Hierarchy {
    folder: "sys/fs/cgroup",
    limit: "memory.max",
};

/// Version 2 next to version 1.
const UNIFIED: Hierarchy = Hierarchy {
    folder: "sys/fs/cgroup/unified",
    limit: "memory.max",
};

const V1: Hierarchy = Hierarchy {
    folder: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
};

impl Hierarchy {
    fn file(&self, group: &Path) -> PathBuf {
        Path::new(self.folder).join(group).join(self.limit)
    }
}

/// The files with the limits of a group and of those around it, from a line
/// `number:controllers:/path`.
fn files_of_group(line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
        return Vec::new();
    };
    let hierarchies: &[Hierarchy] = match controllers {
        "" => &[V2, UNIFIED],
        list if list.split(',').any(|controller| controller == "memory") => &[V1],
        _ => &[],
    };
    let group = Path::new(path.trim_start_matches('/'));
    // A path outside of this process's own groups.
    if path.contains("..") {
        return Vec::new();
    }
    let files = hierarchies.iter().flat_map(|it| {
        let groups = group.ancestors();
        groups.map(|group| it.file(group))
    });
    files.collect()
}

fn machine(root: &Path) -> Option<MemoryLimit> {
    let file = Path::new("proc/meminfo");
    let text = text(&root.join(file));
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(MemoryLimit::new(kilobytes.checked_mul(1024)?, file))
}

/// The text of a small file; empty if it cannot be read.
fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit on a machine of 1 GB with these files, and the file that it is from.
    fn limit(files: &[(&str, &str)]) -> (u64, String) {
        let root = tempfile::tempdir().unwrap();
        let memory = [("proc/meminfo", "MemFree: 1 kB\nMemTotal:   1000000 kB\n")];
        for (path, text) in memory.iter().chain(files) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let limit = MemoryLimit::below(root.path());
        (limit.bytes, limit.from)
    }

    /// No limit, in version 1.
    const NONE: &str = "9223372036854771712\n";

    #[track_caller]
    fn check(files: &[(&str, &str)], bytes: u64, from: &str) {
        assert_eq!(limit(files), (bytes, from.to_owned()), "{files:?}");
    }

    #[test]
    fn of_version_1_the_smallest_limit_around_the_process_counts() {
        let groups = ("proc/self/cgroup", "4:memory:/a/b\n3:cpuset:/x\n");
        let own = "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes";
        let around = "sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        let root = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        let slash = |path: &str| format!("/{path}");
        check(&[], 1_024_000_000, "/proc/meminfo");
        check(
            &[groups, (own, NONE), (root, NONE)],
            1_024_000_000,
            "/proc/meminfo",
        );
        check(
            &[groups, (own, "120000000\n"), (root, NONE)],
            120_000_000,
            &slash(own),
        );
        check(
            &[groups, (own, NONE), (around, "70000000")],
            70_000_000,
            &slash(around),
        );
        let both = ("proc/self/cgroup", "4:cpu,memory:/a/b\n");
        check(&[both, (own, "1"), (around, "2")], 1, &slash(own));
        // In a container, the path is that of the machine.
        let docker = ("proc/self/cgroup", "4:memory:/docker/1f\n");
        check(&[docker, (root, "300000000\n")], 300_000_000, &slash(root));
    }

    #[test]
    fn version_2_is_read_alone_and_beside_version_1() {
        let groups = ("proc/self/cgroup", "0::/a.slice/b.service\n");
        let own = ("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
        let around = ("sys/fs/cgroup/a.slice/memory.max", "50000000\n");
        check(&[groups, own], 1_024_000_000, "/proc/meminfo");
        check(
            &[groups, own, around],
            50_000_000,
            "/sys/fs/cgroup/a.slice/memory.max",
        );
        let root = ("sys/fs/cgroup/memory.max", "40000000\n");
        check(
            &[("proc/self/cgroup", "0::/\n"), root],
            40_000_000,
            "/sys/fs/cgroup/memory.max",
        );
        let mixed = ("proc/self/cgroup", "4:memory:/\n0::/a\n");
        let unified = ("sys/fs/cgroup/unified/a/memory.max", "30000000\n");
        check(
            &[mixed, unified],
            30_000_000,
            "/sys/fs/cgroup/unified/a/memory.max",
        );
        // Nothing outside is looked at.
        let outside = ("sys/fs/a/memory.max", "1\n");
        let above = ("proc/self/cgroup", "0::/../a\n");
        check(&[above, outside], 1_024_000_000, "/proc/meminfo");
    }

    #[test]
    fn without_any_file_a_gibibyte_is_assumed() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(MemoryLimit::below(root.path()).bytes, FALLBACK);
    }
}
