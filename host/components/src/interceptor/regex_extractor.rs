//! The regex_extractor interceptor: groups of the first match in a body become headers.
//!
//! Group 1 goes through the first serializer of the list, and so on; a group without a
//! serializer, or a serializer without a group, is left out. A group that did not take part in the
//! match sets no header: Flume sets a null one, on which its Avro sink fails for ever.

use bytestring::ByteString;
use flume_core::{Batch, Code, Context, Event, Interceptor, InterceptorError, Recipe};
use jiff::tz::TimeZone;

use self::joda::JodaFormat;
use super::java_regex::{Groups, JavaRegex};
use crate::services::Services;

mod joda;
#[cfg(test)]
mod tests;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "regex_extractor",
    "org.apache.flume.interceptor.RegexExtractorInterceptor$Builder",
];

/// Sets headers to parts of the body.
#[derive(Debug, Clone, PartialEq)]
pub struct RegexExtractorInterceptor {
    name: String,
    regex: JavaRegex,
    headers: Vec<(ByteString, HeaderSerializer)>,
}

/// What becomes of a matched text.
#[derive(Debug, Clone, PartialEq)]
enum HeaderSerializer {
    /// Stays as it is.
    PassThrough,
    /// A date, as milliseconds since the epoch.
    Millis(JodaFormat),
}

/// Names of serializers. Flume's guide writes `default`, its code only knows `DEFAULT`.
const PASS_THROUGH: &[&str] = &[
    "default",
    "org.apache.flume.interceptor.RegexExtractorInterceptorPassThroughSerializer",
];
const MILLIS: &[&str] = &[
    "millis",
    "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
];

/// Reads `regex` and `serializers` (a list), and for each name in the list `serializers.<s>.name` (the
/// header), `serializers.<s>.type` (`default`) and, for millis, `serializers.<s>.pattern`.
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Interceptor>> {
    let pattern = context.required("regex");
    let regex = pattern
        .and_then(|pattern| JavaRegex::or_report(JavaRegex::new(&pattern), context, "regex"));
    let list = context.required("serializers")?;
    let names: Vec<&str> = list.split_whitespace().collect();
    if names.is_empty() {
        let message = format!("`{}.serializers` is an empty list", context.path());
        context.error("serializers", Code::BadValue, message, "");
    }
    let present_year = year_of(services.wall.millis());
    let mut headers = Vec::with_capacity(names.len());
    let mut all = !names.is_empty();
    for name in names {
        match serializer(context, name, present_year) {
            Some(header) => headers.push(header),
            None => all = false,
        }
    }
    let name = context.name().to_owned();
    let regex = regex.filter(|_| all)?;
    let interceptor = RegexExtractorInterceptor {
        name,
        regex,
        headers,
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

/// Reads one serializer of the list.
fn serializer(
    context: &mut Context,
    name: &str,
    present_year: i16,
) -> Option<(ByteString, HeaderSerializer)> {
    let header_key = format!("serializers.{name}.name");
    let header = context.required(&header_key);
    if header
        .as_ref()
        .is_some_and(|header| header.trim().is_empty())
    {
        let message = format!("`{}.{header_key}` is empty", context.path());
        context.error(&header_key, Code::BadValue, message, "");
        return None;
    }
    let type_key = format!("serializers.{name}.type");
    let kind = context.string(&type_key, "default");
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(&kind));
    let serializer = if is(PASS_THROUGH) {
        Some(HeaderSerializer::PassThrough)
    } else if is(MILLIS) {
        millis(context, name, present_year).map(HeaderSerializer::Millis)
    } else {
        context.unknown_type(&type_key, &kind, &["default", "millis"]);
        None
    };
    Some((header?.into(), serializer?))
}

/// Reads the pattern of a millis serializer.
fn millis(context: &mut Context, name: &str, present_year: i16) -> Option<JodaFormat> {
    let key = format!("serializers.{name}.pattern");
    let pattern = context.required(&key)?;
    JodaFormat::new(&pattern, TimeZone::system(), present_year)
        .map_err(|error| {
            let message = format!(
                "`{}.{key}` is not a valid date pattern: {error}",
                context.path()
            );
            context.error(
                &key,
                Code::BadValue,
                message,
                "for example `yyyy-MM-dd HH:mm:ss`",
            );
        })
        .ok()
}

/// The year of a time, for the century of years with two digits.
fn year_of(millis: u64) -> i16 {
    let timestamp = i64::try_from(millis)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.unwrap_or_default().to_zoned(TimeZone::UTC).year()
}

impl Interceptor for RegexExtractorInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let mut groups = self.regex.no_groups();
        batch.try_edit(|event| self.extract(event, &mut groups));
        Ok(())
    }
}

impl RegexExtractorInterceptor {
    fn extract(&self, event: &mut Event, groups: &mut Groups) -> Result<(), InterceptorError> {
        let text = String::from_utf8_lossy(&event.body);
        let found = self.regex.find(&text, groups);
        if !found.map_err(|error| error.of(&self.name))? {
            return Ok(());
        }
        for (at, (header, serializer)) in self.headers.iter().enumerate() {
            let Some(group) = groups.text(at + 1, &text) else {
                continue;
            };
            let value = match serializer {
                HeaderSerializer::PassThrough => group.to_owned(),
                HeaderSerializer::Millis(format) => {
                    let millis = format.millis(group);
                    millis
                        .map_err(|message| InterceptorError::never(&self.name, message))?
                        .to_string()
                }
            };
            event.headers.insert(header.clone(), value);
        }
        Ok(())
    }
}
