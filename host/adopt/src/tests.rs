//! What real Flume left behind, what disks make of it, and kills of ourselves.

mod builder;
mod damage;
mod golden;
mod kills;
mod limits;
mod mutations;
mod refusals;
mod rules;
mod samples;
