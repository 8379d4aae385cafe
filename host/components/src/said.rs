//! What the log says, for tests.

use std::io;
use std::sync::{Arc, Once};

use parking_lot::Mutex;
use tracing::subscriber::DefaultGuard;

/// What the log says on this thread for as long as this is kept.
#[derive(Debug)]
pub struct Said {
    kept: Kept,
    _guard: DefaultGuard,
}

/// Keeps what is written.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

/// Makes sure that a subscriber of this thread is asked about every line.
///
/// A line of the source is asked once whether anybody wants it. If another test comes by there first,
/// on a thread without a subscriber, while this one is being set up, the answer can stay "nobody". So
/// there is somebody for the whole process, who wants everything and keeps nothing.
pub fn hear_all() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = tracing::subscriber::set_global_default(tracing_subscriber::registry())
        {
            panic!("somebody else listens for the whole process: {error}");
        }
    });
}

impl Said {
    /// Listens from now on.
    pub fn listen() -> Self {
        hear_all();
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            kept,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines so far that contain these words, from their level on.
    pub fn lines(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.kept.0.lock()).into_owned();
        let lines = text.lines().filter(|line| line.contains(words));
        let timeless = |line: &str| match line.split_once("Z ") {
            Some((_, rest)) => rest.trim().to_owned(),
            None => line.to_owned(),
        };
        lines.map(timeless).collect()
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
