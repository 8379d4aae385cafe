//! Transactions: the user's side of a channel.
//!
//! | state | a put | a take | drop, at any point |
//! |---|---|---|---|
//! | open | `reserve`, `commit` | `take_batch`, `commit`, `rollback` | rolled back |
//! | reserved | `commit` | | the room is released |
//! | committing | wait for it, or not | wait for it, or not | it goes on |
//! | ended | does not compile | does not compile | |
//!
//! Flume checks these states at run time, and ties a transaction to its thread. Here a transaction
//! begins when it is created, is consumed by the call that ends it, and belongs to its owner. None
//! of the following compiles:
//!
//! ```compile_fail,E0382
//! # use flume_core::TakeTransaction;
//! fn commit_twice(transaction: TakeTransaction) {
//!     transaction.commit();
//!     transaction.commit();
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::TakeTransaction;
//! fn take_after_rollback(mut transaction: TakeTransaction) {
//!     transaction.rollback();
//!     transaction.take_batch(1);
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::PutTransaction;
//! async fn reserve_after_rollback(transaction: PutTransaction) {
//!     drop(transaction);
//!     transaction.reserve().await.ok();
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::PutTransaction;
//! async fn rollback_after_commit(transaction: PutTransaction) {
//!     transaction.commit().await.ok();
//!     drop(transaction);
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::ReservedFront;
//! fn look_after_commit(reserved: ReservedFront<'_>) {
//!     reserved.commit();
//!     reserved.events();
//! }
//! ```
//!
//! A put cannot take and a take cannot put. Flume's mixed transactions, whose byte accounting
//! drifts, cannot be expressed:
//!
//! ```compile_fail,E0599
//! # use flume_core::PutTransaction;
//! fn take_from_a_put(mut transaction: PutTransaction) {
//!     transaction.take_batch(1);
//! }
//! ```

mod put;
mod take;

pub use put::{NotCommitted, PutTransaction, ReservedFront, ReservedPut, commit_all};
pub use take::{Share, TakeTransaction};

#[cfg(test)]
mod tests;
