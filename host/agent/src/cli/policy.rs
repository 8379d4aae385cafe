//! `policy`: the tools for policy authors ([`flume_desk`]). This program adds the log, and native
//! interceptors to compare a policy with.

use std::process::ExitCode;

use flume_components::{Resolver, Services, interceptor};
use flume_core::shell::complain;
use flume_core::{Context, Interceptor};
pub(crate) use flume_desk::PolicyArgs;
use flume_policy::Properties;

use super::compile::compiler;
use crate::logging::{self, LogFormat};

/// Runs the command.
pub(crate) fn run(args: &PolicyArgs) -> ExitCode {
    if let Some(level) = args.log_level()
        && let Err(error) = logging::start(LogFormat::Text, level)
    {
        complain(&format!("error: the log cannot be written: {error}\n"));
        return ExitCode::FAILURE;
    }
    let status = flume_desk::run(args, native_interceptor, &compiler());
    logging::flush();
    status
}

/// A native interceptor by its type; an error is a message for each problem.
fn native_interceptor(
    name: &str,
    properties: &Properties,
) -> Result<Box<dyn Interceptor>, Vec<String>> {
    let component = interceptor::TYPES
        .find(name)
        .ok_or_else(|| vec![format!("there is no native interceptor `{name}`")])?;
    let pairs: Vec<(&str, &str)> = properties
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    let mut context = Context::of("twin", &pairs);
    let built = (component.configure)(&mut context, &Services::system(Resolver::default()));
    let problems = context.finish();
    match built.filter(|_| problems.is_empty()) {
        Some(built) => Ok(built.make()),
        None => Err(problems
            .into_iter()
            .map(|problem| problem.message)
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_interceptors_are_made_by_type_and_properties() {
        let made = |name, key: &str| {
            let properties = vec![(key.to_owned(), "a".to_owned())];
            native_interceptor(name, &properties).map(|made| made.name().to_owned())
        };
        assert!(made("static", "key").is_ok());
        let unknown_key = made("static", "kez").unwrap_err();
        assert!(unknown_key.concat().contains("`kez`"), "{unknown_key:?}");
        let unknown_type = made("redact", "key").unwrap_err();
        assert_eq!(unknown_type, ["there is no native interceptor `redact`"]);
    }
}
