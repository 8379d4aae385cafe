//! The drills, one module each.

mod hung;
