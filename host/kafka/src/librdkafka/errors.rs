//! The library's errors, by who is to blame.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::client::{ClientError, ErrorKind};

/// An error in our words.
pub(super) fn said(error: &KafkaError) -> ClientError {
    let kind = error.rdkafka_error_code().map_or(ErrorKind::Other, kind);
    ClientError::new(kind, error.to_string())
}

fn kind(code: Code) -> ErrorKind {
    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::BadMessage
        | Code::PolicyViolation
        | Code::InvalidArgument => ErrorKind::Record,
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed => ErrorKind::Topic,
        Code::BrokerTransportFailure
        | Code::Resolve
        | Code::MessageTimedOut
        | Code::AllBrokersDown
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::LeaderNotAvailable
        | Code::BrokerNotAvailable => ErrorKind::Unreachable,
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::SSL
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::UnsupportedSASLMechanism => ErrorKind::Denied,
        Code::Fatal | Code::Fenced => ErrorKind::Fatal,
        _ => ErrorKind::Other,
    }
}
