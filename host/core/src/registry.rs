//! The registry of a kind of component: its types, by the names that files use.
//!
//! There is one for each of the seven kinds: sources, channels, sinks, interceptors, channel
//! selectors, sink processors and sink selectors. A registry is plain source code: a type is a file
//! with its names and its `configure` function, and one line in the table next to its `mod` line.
//!
//! ```
//! use flume_core::registry::{Registry, Type};
//! use flume_core::{Code, Context};
//!
//! type Configure = fn(&mut Context) -> Option<u16>;
//!
//! static TYPES: Registry<Configure> = Registry {
//!     kind: "number",
//!     types: &[Type::new(&["port", "org.apache.flume.Port"], |context| {
//!         context.required_number("value", 0..=u16::MAX)
//!     })],
//!     elsewhere: &["address"],
//!     left_out: &[],
//! };
//!
//! assert!(TYPES.find("Port").is_some());
//! let mut context = Context::of("a1.numbers.n1", &[("type", "prot")]);
//! assert!(TYPES.read(&mut context).known().is_none());
//! let found = context.finish();
//! assert_eq!(found[0].message, "there is no number type `prot`");
//! assert_eq!(found[0].help.as_deref(), Some("did you mean `port`?"));
//! ```

use crate::context::{Context, did_you_mean};
use crate::diagnostic::{Code, Diagnostic};

/// One type of a kind: its names in files, how it is configured, and its abilities.
#[derive(Debug)]
pub struct Type<F, C = ()> {
    /// The name to write, then other names that Flume accepts (class names).
    pub names: &'static [&'static str],
    /// Reads the keys of the component, without touching a socket or a file. On `None`, the context
    /// has at least one error.
    pub configure: F,
    /// What all components of this type can do, regardless of their keys.
    pub can: C,
}

impl<F> Type<F> {
    /// A type with these names.
    pub const fn new(names: &'static [&'static str], configure: F) -> Self {
        Self::able(names, configure, ())
    }
}

impl<F, C> Type<F, C> {
    /// A type with these names and abilities.
    pub const fn able(names: &'static [&'static str], configure: F, can: C) -> Self {
        Self {
            names,
            configure,
            can,
        }
    }

    /// The name to write.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Whether a file means this type by `name`. Case does not matter, as in Flume.
    pub fn is_called(&self, name: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// All types of one kind.
#[derive(Debug)]
pub struct Registry<F: 'static, C: 'static = ()> {
    /// The kind in messages: `sink`, `channel selector`.
    pub kind: &'static str,
    /// The types of this build.
    pub types: &'static [Type<F, C>],
    /// Types that Flume has and this host does not.
    pub elsewhere: &'static [&'static str],
    /// Types that this host has, but not this build.
    pub left_out: &'static [LeftOut],
}

/// A type that needs another build.
#[derive(Debug)]
pub struct LeftOut {
    /// Its names.
    pub names: &'static [&'static str],
    /// The Cargo feature that enables it.
    pub feature: &'static str,
    /// Whether that feature is on unless it is switched off.
    pub is_default: bool,
}

/// The result of reading the key `type` of a component.
#[derive(Debug)]
pub enum Named<F: 'static, C: 'static = ()> {
    /// The key is missing.
    Missing,
    /// The registry does not have it.
    Unknown,
    /// The registry has it.
    Known(&'static Type<F, C>),
}

impl<F, C> Named<F, C> {
    /// The type, if the registry has it.
    pub fn known(&self) -> Option<&'static Type<F, C>> {
        match self {
            Self::Known(kind) => Some(kind),
            Self::Missing | Self::Unknown => None,
        }
    }
}

impl<F, C> Registry<F, C> {
    /// The type of this name.
    pub fn find(&self, name: &str) -> Option<&'static Type<F, C>> {
        self.types.iter().find(|kind| kind.is_called(name))
    }

    /// The names to write.
    pub fn names(&self) -> Vec<&'static str> {
        self.types.iter().map(Type::name).collect()
    }

    /// Reads the key `type`. Unless it is a known type, the context gets an error.
    pub fn read(&self, context: &mut Context) -> Named<F, C> {
        let name = context.required("type");
        let Some(name) = name else {
            return Named::Missing;
        };
        self.read_as(context, &name)
    }

    /// The same for a type with a default: `name` is the value of the key, or the default.
    pub fn read_as(&self, context: &mut Context, name: &str) -> Named<F, C> {
        match self.find(name) {
            Some(known) => Named::Known(known),
            None => {
                self.unknown(context, name);
                Named::Unknown
            }
        }
    }

    /// Adds an error for a `type` that this registry does not have.
    fn unknown(&self, context: &mut Context, name: &str) {
        let kind = self.kind;
        let names = self.names();
        let all = format!("{kind} types are `{}`", names.join("`, `"));
        let same = |known: &&str| known.eq_ignore_ascii_case(name);
        let is_flumes = self.elsewhere.iter().any(same) || name.starts_with("org.apache.flume.");
        let mut left_out = self.left_out.iter();
        let left_out = left_out.find(|left| left.names.iter().any(same));
        let (code, message, help) = if let Some(left) = left_out {
            let message = format!("this program was built without the {kind} type `{name}`");
            let feature = left.feature;
            let help = match left.is_default {
                true => format!("build it with the feature `{feature}`, which is on by default"),
                false => format!("build it with `cargo build --profile dist --features {feature}`"),
            };
            (Code::Unsupported, message, help)
        } else if is_flumes {
            let message = format!("Flume's {kind} type `{name}` is not supported");
            (Code::Unsupported, message, all)
        } else if is_class(name) {
            let message = format!("`{name}` is a class of a plug-in, and classes cannot be loaded");
            let help =
                policy_instead(kind).map_or(all.clone(), |policy| format!("{all}; {policy}"));
            (Code::Unsupported, message, help)
        } else {
            let help = did_you_mean(name, &names).unwrap_or(all);
            let message = format!("there is no {kind} type `{name}`");
            (Code::UnknownType, message, help)
        };
        let found = Diagnostic::new(code, message).help(help);
        let value = context.value("type");
        context.push(match value {
            Some(value) => found.at(&value.span, "unknown type"),
            None => found,
        });
    }
}

/// What takes the place of a class of a plug-in, in words, for the kinds that have policies.
pub fn policy_instead(kind: &str) -> Option<String> {
    let key = match kind {
        "interceptor" => "interceptors.….type",
        "sink selector" => "processor.selector",
        _ => return None,
    };
    let kind = kind.split(' ').next_back().unwrap_or(kind);
    Some(format!(
        "in place of a class there is a policy, a WebAssembly file: `…{key} = mine.wasm`, begun with \
         `flume-host policy new --lang rust --kind {kind} mine`"
    ))
}

/// Whether a name is that of a Java class and not one of ours: `com.example.Mine$Builder`.
pub fn is_class(name: &str) -> bool {
    name.contains(['.', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    static TYPES: Registry<()> = Registry {
        kind: "sink",
        types: &[
            Type::new(&["null", "org.apache.flume.sink.NullSink"], ()),
            Type::new(&["logger"], ()),
        ],
        elsewhere: &["hive"],
        left_out: &[
            LeftOut {
                names: &["hdfs", "org.apache.flume.sink.hdfs.HDFSEventSink"],
                feature: "bucket",
                is_default: true,
            },
            LeftOut {
                names: &["kafka"],
                feature: "kafka",
                is_default: false,
            },
        ],
    };

    /// The code, message and help for a type that does not exist.
    fn unknown(name: &str) -> (Code, String, String) {
        let mut context = Context::of("a1.sinks.k1", &[("type", name)]);
        assert!(matches!(TYPES.read(&mut context), Named::Unknown));
        let found = context.finish().pop().unwrap();
        (found.code, found.message, found.help.unwrap())
    }

    #[test]
    fn a_type_is_found_by_any_name_in_any_case() {
        for name in ["null", "NULL", "org.apache.flume.sink.NullSink"] {
            assert_eq!(TYPES.find(name).unwrap().name(), "null");
        }
        assert!(TYPES.find("nil").is_none());
        let mut context = Context::of("a1.sinks.k1", &[]);
        assert!(matches!(TYPES.read(&mut context), Named::Missing));
    }

    #[test]
    fn an_unknown_type_says_what_to_write() {
        let all = "sink types are `null`, `logger`";
        for (name, code, message, help) in [
            (
                "loger",
                Code::UnknownType,
                "there is no sink type `loger`",
                "did you mean `logger`?",
            ),
            ("x", Code::UnknownType, "there is no sink type `x`", all),
            (
                "Hive",
                Code::Unsupported,
                "Flume's sink type `Hive` is not supported",
                all,
            ),
            (
                "org.apache.flume.sink.X",
                Code::Unsupported,
                "Flume's sink type `org.apache.flume.sink.X` is not supported",
                all,
            ),
            (
                "com.example.X",
                Code::Unsupported,
                "`com.example.X` is a class of a plug-in, and classes cannot be loaded",
                all,
            ),
            (
                "hdfs",
                Code::Unsupported,
                "this program was built without the sink type `hdfs`",
                "build it with the feature `bucket`, which is on by default",
            ),
            (
                "Kafka",
                Code::Unsupported,
                "this program was built without the sink type `Kafka`",
                "build it with `cargo build --profile dist --features kafka`",
            ),
        ] {
            let expected = (code, message.to_owned(), help.to_owned());
            assert_eq!(unknown(name), expected);
        }
    }
}
