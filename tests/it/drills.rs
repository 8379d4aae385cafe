//! Operators' drills, in the full tier: what happens to a fleet sooner or later, with every event
//! counted. Others are `departing::full` (edits under load), `logs` (nobody reads the log) and, with
//! real Flume, below `peers`.

mod full;
