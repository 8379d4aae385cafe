//! Kafka: real brokers, with real Flume and other clients beside our agent.

mod harness;
mod real;
mod security;
