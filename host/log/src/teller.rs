//! Tells who waits what became of their puts, beside the thread that commits: that one can write the
//! next puts meanwhile. Who waits is told in the order of the puts.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::error::LogError;
use crate::frame::Sealed;
use crate::terms::{Committed, Done, Flushed};

/// So few are told by the committer itself: to wake another thread for them takes longer.
const FEW: usize = 2;

/// What is to be told after a commit.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) puts: Vec<(Done, Result<Committed, Arc<LogError>>)>,
    pub(crate) flushes: Vec<(Flushed, Result<(), Arc<LogError>>)>,
    /// Memory that is not needed any more.
    pub(crate) frames: Vec<Sealed>,
}

impl Answers {
    fn tell(self) {
        self.puts.into_iter().for_each(|(done, put)| done(put));
        let flushes = self.flushes.into_iter();
        flushes.for_each(|(done, flushed)| done(flushed));
    }
}

/// What waits to be told.
#[derive(Default)]
pub(crate) struct Teller {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Answers>,
    is_telling: bool,
    is_over: bool,
}

impl Teller {
    /// Has something told.
    pub(crate) fn tell(&self, answers: Answers) {
        let mut state = self.state.lock();
        let is_free = state.waiting.is_empty() && !state.is_telling;
        let is_few = answers.puts.len() + answers.flushes.len() <= FEW;
        if state.is_over || is_few && is_free {
            drop(state);
            return answers.tell();
        }
        state.waiting.push_back(answers);
        drop(state);
        self.more.notify_one();
    }

    /// Tells until it is over.
    pub(crate) fn run(&self) {
        let over = Over(self);
        loop {
            let mut state = self.state.lock();
            state.is_telling = false;
            while state.waiting.is_empty() && !state.is_over {
                self.more.wait(&mut state);
            }
            let Some(answers) = state.waiting.pop_front() else {
                break;
            };
            state.is_telling = true;
            drop(state);
            answers.tell();
        }
        drop(over);
    }

    /// It ends when all was told.
    pub(crate) fn end(&self) {
        self.state.lock().is_over = true;
        self.more.notify_one();
    }
}

/// When the thread ends, even by a panic of who is told, nobody waits for it.
struct Over<'a>(&'a Teller);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        (state.is_over, state.is_telling) = (true, false);
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        left.into_iter().for_each(Answers::tell);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn one_who_could_be_told_at_once_waits_for_those_before() {
        let teller = Arc::new(Teller::default());
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (told, order) = mpsc::channel();
        let answer = |number: u64, wait: Option<mpsc::Receiver<()>>| -> Done {
            let (begun, told) = (begun.clone(), told.clone());
            Box::new(move |_| {
                if let Some(wait) = wait {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                }
                told.send(number).unwrap();
            })
        };
        let closed = || Err(Arc::new(LogError::Closed));
        let answers = |puts: Vec<Done>| Answers {
            puts: puts.into_iter().map(|done| (done, closed())).collect(),
            ..Answers::default()
        };
        std::thread::scope(|threads| {
            threads.spawn(|| teller.run());
            let many = vec![answer(0, Some(may_go_on)), answer(1, None), answer(2, None)];
            teller.tell(answers(many));
            has_begun.recv().unwrap();
            teller.tell(answers(vec![answer(3, None)]));
            go_on.send(()).unwrap();
            let order: Vec<u64> = (0..4).map(|_| order.recv().unwrap()).collect();
            assert_eq!(order, [0, 1, 2, 3]);
            teller.end();
        });
    }
}
