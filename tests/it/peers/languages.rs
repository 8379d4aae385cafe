//! Policies that are built from source, in each language, and the tests of the guests' workspace.

mod guests;
mod poison;
mod policy_new;
