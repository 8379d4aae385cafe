//! The vocabulary and the laws.
