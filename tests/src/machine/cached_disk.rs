//! A disk with a cache that a power cut empties, for a virtual machine: an NBD server in memory.
//!
//! A host's page cache outlives a machine that is killed, so a disk in a file would keep what was never
//! flushed. Here a sector that was written after the last flush is, after a cut, as it was before, or
//! as one of the writes since has left it: each by itself, so that writes are lost, reordered and torn.
//! Only what the guest has flushed is sure.
//!
//! Of the protocol there is what qemu needs (`doc/proto.md` of NBD): newstyle negotiation with
//! `NBD_OPT_GO`, and reads, writes and flushes with simple replies.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::eventually::eventually;
use crate::seed::Seed;

/// What a cut keeps or loses as a whole.
const SECTOR: usize = 512;

/// More than qemu reads or writes at once.
const MOST_BYTES: u32 = 64 << 20;

/// More than an option of qemu has.
const MOST_OPTION: u32 = 4_096;

/// How many of the writes to a sector since the last flush are remembered.
const MOST_WRITES: usize = 4;

/// How long the server may take to see that its machine has ended.
const ENDS: Duration = Duration::from_secs(20);

type Sector = [u8; SECTOR];

/// The disk. It outlives the machines that use it, one after the other.
pub struct CachedDisk {
    sectors: Arc<Mutex<Sectors>>,
    server: Option<JoinHandle<io::Result<()>>>,
}

/// What the disk holds, and what its cache does.
struct Sectors {
    safe: Vec<Sector>,
    /// What was last written to a sector since the last flush.
    cache: BTreeMap<usize, Vec<Sector>>,
    /// Writes and flushes until it answers nothing any more, with the one that gets no answer.
    left: Option<u64>,
}

/// What became of the sectors that were in the cache when the power was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// As the last write has left them.
    pub kept: u64,
    /// As they were before, or as an earlier write has left them.
    pub lost: u64,
}

impl CachedDisk {
    /// A disk that holds these bytes.
    ///
    /// # Panics
    /// When they are no whole sectors.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let (sectors, rest) = bytes.as_chunks::<SECTOR>();
        assert!(rest.is_empty(), "a disk has whole sectors");
        let sectors = Sectors {
            safe: sectors.to_vec(),
            cache: BTreeMap::new(),
            left: None,
        };
        Self {
            sectors: Arc::new(Mutex::new(sectors)),
            server: None,
        }
    }

    /// Serves one machine, which connects to this socket.
    ///
    /// # Panics
    /// When the socket cannot be made, or a machine has it already.
    pub fn serve(&mut self, socket: &Path) {
        assert!(self.server.is_none(), "one machine has the disk");
        let listener = UnixListener::bind(socket).expect("a socket in the scratch folder");
        let sectors = Arc::clone(&self.sectors);
        self.server = Some(std::thread::spawn(move || {
            serve(listener.accept()?.0, &sectors)
        }));
    }

    /// From the write or flush with this number on, the next being 1, it answers nothing. If that is
    /// a flush, it is not done.
    ///
    /// # Panics
    /// When the server has.
    pub fn stall_at(&self, request: u64) {
        self.locked().left = Some(request);
    }

    /// Whether it answers nothing any more.
    ///
    /// # Panics
    /// When the server has.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.locked().is_stalled()
    }

    /// Cuts its power, after that of its machine: what is in the cache is lost, or with a seed some of it.
    ///
    /// # Panics
    /// When the machine still runs.
    pub fn cut(&mut self, seed: Option<&mut Seed>) -> Cut {
        let server = self.server.take().expect("a machine had the disk");
        eventually("the disk's machine has ended", ENDS, || {
            server.is_finished().then_some(())
        });
        let served = server.join().expect("the server of the disk");
        // A machine that ends hangs up in the middle of anything.
        served.unwrap_or_default();
        let mut sectors = self.locked();
        sectors.left = None;
        match seed {
            Some(seed) => sectors.cut(seed),
            None => sectors.forget(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Sectors> {
        self.sectors.lock().expect("no holder panics")
    }
}

impl Sectors {
    fn read(&self, sector: usize) -> Option<&Sector> {
        let written = self.cache.get(&sector).and_then(|all| all.last());
        written.or_else(|| self.safe.get(sector))
    }

    fn write(&mut self, sector: usize, bytes: Sector) {
        let writes = self.cache.entry(sector).or_default();
        if writes.len() == MOST_WRITES {
            writes.remove(0);
        }
        writes.push(bytes);
    }

    fn flush(&mut self) {
        for (sector, writes) in std::mem::take(&mut self.cache) {
            self.safe[sector] = *writes.last().expect("a sector with a write");
        }
    }

    fn count(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    fn is_stalled(&self) -> bool {
        self.left == Some(0)
    }

    fn forget(&mut self) -> Cut {
        let lost = u64::try_from(std::mem::take(&mut self.cache).len()).expect("a count");
        Cut { kept: 0, lost }
    }

    /// Whether the cut keeps much or little is chosen for each cut, so that some keep nearly nothing.
    fn cut(&mut self, seed: &mut Seed) -> Cut {
        let of_ten = seed.below(11);
        let mut cut = Cut::default();
        for (sector, writes) in std::mem::take(&mut self.cache) {
            let last = writes.len() - 1;
            let survivor = match seed.below(10) < of_ten {
                true => Some(last),
                false => last.checked_sub(usize::try_from(seed.below(4)).expect("a number") + 1),
            };
            match survivor {
                Some(at) if at == last => cut.kept += 1,
                _ => cut.lost += 1,
            }
            if let Some(at) = survivor {
                self.safe[sector] = writes[at];
            }
        }
        cut
    }
}

const OPTION_MAGIC: &[u8; 8] = b"IHAVEOPT";
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// Fixed newstyle, without the old padding.
const HANDSHAKE: u16 = 1 | 2;
const OPTION_GO: u32 = 7;
const ACK: u32 = 1;
const INFO: u32 = 3;
const UNSUPPORTED: u32 = 1 << 31 | 1;
/// It has flags, and can be flushed.
const EXPORT: u16 = 1 | 4;
const EINVAL: u32 = 22;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;

fn serve(mut machine: UnixStream, sectors: &Mutex<Sectors>) -> io::Result<()> {
    let size = sectors.lock().expect("no holder panics").safe.len() * SECTOR;
    negotiate(&mut machine, u64::try_from(size).expect("a length"))?;
    loop {
        let mut head = [0; 28];
        machine.read_exact(&mut head)?;
        let request = Request::of(&head)?;
        let mut data = Vec::new();
        if request.kind == WRITE {
            data.resize(request.length, 0);
            machine.read_exact(&mut data)?;
        }
        if request.kind == DISCONNECT {
            return Ok(());
        }
        let done = {
            let mut sectors = sectors.lock().expect("no holder panics");
            let done = request.perform(&mut data, &mut sectors);
            if sectors.is_stalled() {
                drop(sectors);
                return io::copy(&mut machine, &mut io::sink()).map(drop);
            }
            done
        };
        let mut reply = SIMPLE_REPLY_MAGIC.to_be_bytes().to_vec();
        let error = if done.is_some() { 0 } else { EINVAL };
        reply.extend(error.to_be_bytes());
        reply.extend(request.cookie);
        if request.kind == READ && done.is_some() {
            reply.extend(data);
        }
        machine.write_all(&reply)?;
    }
}

fn negotiate(machine: &mut UnixStream, size: u64) -> io::Result<()> {
    machine.write_all(b"NBDMAGIC")?;
    machine.write_all(OPTION_MAGIC)?;
    machine.write_all(&HANDSHAKE.to_be_bytes())?;
    machine.read_exact(&mut [0; 4])?;
    loop {
        let mut head = [0; 16];
        machine.read_exact(&mut head)?;
        let option = number(&head, 8);
        let length = number(&head, 12);
        if head[..8] != *OPTION_MAGIC || length > MOST_OPTION {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut data = vec![0; usize::try_from(length).expect("a short option")];
        machine.read_exact(&mut data)?;
        let mut answer = |kind: u32, data: &[u8]| {
            let length = u32::try_from(data.len()).expect("a short answer");
            let mut reply = REPLY_MAGIC.to_be_bytes().to_vec();
            for field in [option, kind, length] {
                reply.extend(field.to_be_bytes());
            }
            reply.extend(data);
            machine.write_all(&reply)
        };
        if option != OPTION_GO {
            answer(UNSUPPORTED, &[])?;
            continue;
        }
        let mut export = vec![0, 0];
        export.extend(size.to_be_bytes());
        export.extend(EXPORT.to_be_bytes());
        answer(INFO, &export)?;
        return answer(ACK, &[]);
    }
}

/// The number of four bytes that begins at `at`.
fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

struct Request {
    kind: u16,
    cookie: [u8; 8],
    offset: u64,
    length: usize,
}

impl Request {
    fn of(head: &[u8; 28]) -> io::Result<Self> {
        let length = number(head, 24);
        if number(head, 0) != REQUEST_MAGIC || length > MOST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self {
            kind: u16::from_be_bytes([head[6], head[7]]),
            cookie: head[8..16].try_into().expect("eight bytes"),
            offset: u64::from_be_bytes(head[16..24].try_into().expect("eight bytes")),
            length: usize::try_from(length).expect("a bounded length"),
        })
    }

    /// `None` if there is no such request or no such place.
    fn perform(&self, data: &mut Vec<u8>, sectors: &mut Sectors) -> Option<()> {
        let offset = usize::try_from(self.offset).ok()?;
        let end = offset.checked_add(self.length)?;
        if !offset.is_multiple_of(SECTOR) || !end.is_multiple_of(SECTOR) {
            return None;
        }
        let range = offset / SECTOR..end / SECTOR;
        if range.end > sectors.safe.len() {
            return None;
        }
        match self.kind {
            READ => {
                for sector in range {
                    data.extend(sectors.read(sector)?);
                }
            }
            WRITE => {
                for (sector, bytes) in range.zip(data.as_chunks::<SECTOR>().0) {
                    sectors.write(sector, *bytes);
                }
                sectors.count();
            }
            FLUSH => {
                sectors.count();
                if !sectors.is_stalled() {
                    sectors.flush();
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk whose four sectors were flushed as 1, and two of which were then written as 2 and 3.
    fn written() -> Sectors {
        let mut sectors = Sectors {
            safe: vec![[0; SECTOR]; 4],
            cache: BTreeMap::new(),
            left: None,
        };
        (0..4).for_each(|sector| sectors.write(sector, [1; SECTOR]));
        sectors.flush();
        for byte in [2, 3] {
            (0..2).for_each(|sector| sectors.write(sector, [byte; SECTOR]));
        }
        sectors
    }

    #[test]
    fn a_cut_leaves_what_was_flushed_and_any_of_what_was_not() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut sectors = written();
            let cut = sectors.cut(&mut Seed::from(seed));
            assert_eq!(cut.kept + cut.lost, 2);
            let bytes: Vec<u8> = (0..4).map(|at| sectors.read(at).unwrap()[0]).collect();
            assert_eq!(bytes[2..], [1, 1]);
            seen.insert((bytes[0], bytes[1]));
        }
        let all = (1..=3).flat_map(|one| (1..=3).map(move |other| (one, other)));
        assert_eq!(seen, all.collect());
    }

    #[test]
    fn a_disk_that_stalls_has_written_and_has_not_flushed() {
        let request = |kind, data: &[u8], sectors: &mut Sectors| {
            let (cookie, offset, length) = ([0; 8], 0, data.len());
            let request = Request {
                kind,
                cookie,
                offset,
                length,
            };
            assert!(request.perform(&mut data.to_vec(), sectors).is_some());
            sectors.is_stalled()
        };
        for at in 1..=4 {
            let mut sectors = written();
            sectors.flush();
            sectors.left = Some(at);
            let stalled = [(WRITE, 4), (FLUSH, 0), (WRITE, 5), (FLUSH, 0)].map(|(kind, byte)| {
                let data = [byte; SECTOR];
                let data = if kind == WRITE { &data[..] } else { &[] };
                request(kind, data, &mut sectors)
            });
            let first = stalled.iter().position(|stalled| *stalled);
            assert_eq!(first, Some(usize::try_from(at).unwrap() - 1));
        }
        let mut sectors = written();
        sectors.left = Some(1);
        assert!(request(FLUSH, &[], &mut sectors));
        assert_eq!(sectors.forget().lost, 2);
        assert_eq!(sectors.read(0), Some(&[1; SECTOR]));
    }

    #[test]
    fn a_running_machine_reads_what_it_has_written() {
        let mut sectors = written();
        assert_eq!(sectors.read(1), Some(&[3; SECTOR]));
        sectors.flush();
        assert_eq!(sectors.cut(&mut Seed::from(1)), Cut::default());
        assert_eq!(sectors.read(1), Some(&[3; SECTOR]));
    }
}
