//! `log-N.meta`: the version of a log, its number, and whether it is encrypted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::directories::Listed;
use crate::limits::Limits;
use crate::proto::{self, Cursor, Value};
use crate::refusal::Refusal;
use crate::report::Harm;
use crate::scan::{Item, Scan};
use crate::window::Window;

/// Bytes of a meta. Flume writes 47, and somewhat more with encryption.
const MOST_META: u64 = 1 << 20;
/// The first bytes of a log of Flume 1.2.
const FORMAT_2: &[u8] = &[0, 0, 0, 2];

/// Refuses a log that cannot be read here, given its number.
pub(crate) fn judge(number: u32, log: &Listed, limits: Limits) -> Result<(), Refusal> {
    let Some((path, bytes)) = find(&log.path)? else {
        return without(number, log, limits);
    };
    let Some(fields) = Cursor(&bytes).delimited().and_then(proto::fields) else {
        return without(number, log, limits);
    };
    match proto::number(&fields, 1) {
        Some(3) => {}
        Some(version) => {
            return Err(Refusal::Version {
                file: path,
                version,
            });
        }
        None => return without(number, log, limits),
    }
    let encryption = fields.iter().find_map(|(at, value)| match value {
        Value::Bytes(bytes) if *at == 5 => Some(*bytes),
        _ => None,
    });
    if let Some(encryption) = encryption {
        let fields = proto::fields(encryption).unwrap_or_default();
        let text = |at| proto::text(&fields, at).unwrap_or_else(|| "unknown".to_owned());
        return Err(Refusal::Encrypted {
            log: log.path.clone(),
            provider: text(1),
            key: text(2),
        });
    }
    if proto::number(&fields, 2) != Some(number.into()) {
        return Err(Refusal::MixedUp(log.path.clone(), path));
    }
    Ok(())
}

/// The meta of a log, or what an interrupted change of it has left.
fn find(log: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Refusal> {
    for end in [".meta", ".meta.tmp", ".meta.old"] {
        let mut path = log.as_os_str().to_owned();
        path.push(end);
        let path = PathBuf::from(path);
        match fs::metadata(&path) {
            Ok(about) if about.len() > 0 && about.len() <= MOST_META => {
                let bytes = fs::read(&path).map_err(Refusal::io(&path))?;
                return Ok(Some((path, bytes)));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Refusal::io(&path)(error)),
        }
    }
    Ok(None)
}

/// Judges a log without a meta that can be read: by its records.
fn without(number: u32, log: &Listed, limits: Limits) -> Result<(), Refusal> {
    let (path, failed) = (&log.path, Refusal::io(&log.path));
    let look = || -> io::Result<Option<Refusal>> {
        if Window::open(path)?.get(0, FORMAT_2.len())? == FORMAT_2 {
            return Ok(Some(Refusal::OldFormat(path.clone())));
        }
        let mut scan = Scan::open(path, number, limits.record)?;
        let mut is_strange = false;
        while let Some(item) = scan.next()? {
            match item {
                Item::Record(..) => return Ok(None),
                Item::Damage(damage) => is_strange |= damage.harm != Harm::Torn,
                Item::Void(..) => {}
            }
        }
        Ok(is_strange.then(|| Refusal::Unknown(path.clone())))
    };
    look().map_err(failed)?.map_or(Ok(()), Err)
}
