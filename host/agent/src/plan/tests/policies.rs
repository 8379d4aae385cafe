//! Policies in plans: which file, limits and properties a place has, and when two plans differ.

use flume_policy::{Limits, OnError};

use super::*;
use crate::load::pass;

/// Where the policies of `tests/diagnostics` are.
fn folder() -> String {
    format!("{}/../../tests/diagnostics", env!("CARGO_MANIFEST_DIR"))
}

/// A balanced group of two sinks, with these lines more.
fn text(more: &[&str]) -> String {
    let lines = [
        "a1.sinks = k1 k2",
        "a1.sinks.k2.type = null",
        "a1.sinks.k2.channel = c1",
        "a1.sinkgroups = g1",
        "a1.sinkgroups.g1.sinks = k1 k2",
        "a1.sinkgroups.g1.processor.type = load_balance",
    ];
    edited(SMALL, &["a1.sinks"], &[&lines, more].concat())
}

fn load_in(text: &str, options: &Options) -> Loaded {
    let path = format!("{}/test.properties", folder());
    compile(path, text.into(), options, &services(0), &|_| None)
}

fn plan_in(text: &str) -> AgentPlan {
    let mut loaded = load_in(text, &Options::default());
    assert!(!loaded.has_errors(), "{}", rendered(&loaded));
    loaded.plans.remove(0)
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

const SELECTOR: &str = "a1.sinkgroups.g1.processor.selector = policies/first.wat";

#[test]
fn a_group_has_the_policy_with_its_keys_and_those_of_its_sinks() {
    let plan = plan_in(&text(&[
        SELECTOR,
        "a1.sinkgroups.g1.processor.selector.size = 7",
        "a1.sinkgroups.g1.processor.selector.maxTimeOut = 10",
        "a1.sinkgroups.g1.processor.policy.deadline-ms = 5",
        "a1.sinkgroups.g1.processor.fallback = random",
        "a1.sinkgroups.g1.processor.backoff = true",
        "a1.sinkgroups.g1.processor.parallelism = 2",
        "a1.policies.deadline-ms = 6",
        "a1.policies.memory-kib = 512",
        "a1.sinks.k2.weight = 3",
        "a1.sinks.k2.batchSize = 9",
    ]));
    let group = &plan.groups[0];
    let policy = group.policy.as_ref().unwrap();
    assert_eq!(group.processor.parallelism, 2);
    assert_eq!(policy.file.agent, "a1");
    assert_eq!(
        policy.file.path,
        Path::new(&folder()).join("policies/first.wat")
    );
    assert_eq!(policy.file.directory, None);
    let limits = Limits {
        deadline: Duration::from_millis(5),
        memory: 512 << 10,
        ..Limits::default()
    };
    assert_eq!(policy.file.limits, limits);
    let setup = &policy.setup;
    assert_eq!(
        setup.properties,
        [pair("maxTimeOut", "10"), pair("size", "7")]
    );
    let sinks: Vec<_> = setup
        .sinks
        .iter()
        .map(|s| (s.name.as_str(), s.kind.as_str()))
        .collect();
    assert_eq!(sinks, [("k1", "null"), ("k2", "null")]);
    assert_eq!(setup.sinks[0].properties, []);
    assert_eq!(setup.sinks[1].properties, [pair("weight", "3")]);
}

#[test]
fn plans_differ_when_anything_about_a_policy_does() {
    let lines = [SELECTOR, "a1.sinks.k1.weight = 1"];
    let plan = plan_in(&text(&lines));
    assert_eq!(plan_in(&format!("# A comment.\n{}", text(&lines))), plan);
    for more in [
        "a1.sinks.k2.weight = 1",
        "a1.sinkgroups.g1.processor.selector.size = 7",
        "a1.sinkgroups.g1.processor.policy.deadline-ms = 5",
        "a1.sinkgroups.g1.processor.fallback = random",
        "a1.policies.deadline-ms = 5",
        "a1.policies.directory = .",
    ] {
        let other = plan_in(&text(&[&lines[..], &[more]].concat()));
        assert_ne!(other.groups[0], plan.groups[0], "{more}");
    }
}

#[test]
fn an_agents_policies_are_in_its_folder() {
    let lines = [
        "a1.policies.directory = policies/tenant",
        "a1.sinkgroups.g1.processor.selector = first.wat",
    ];
    let plan = plan_in(&text(&lines));
    let directory = Path::new(&folder()).join("policies/tenant");
    let policy = plan.groups[0].policy.as_ref().unwrap();
    assert_eq!(policy.file.path, directory.join("first.wat"));
    assert_eq!(policy.file.directory, Some(directory));
    let outside = format!(
        "a1.sinkgroups.g1.processor.selector = {}/policies/first.wat",
        folder()
    );
    for file in [
        "a1.sinkgroups.g1.processor.selector = ../first.wat",
        &outside,
    ] {
        let loaded = load_in(&text(&[lines[0], file]), &Options::default());
        assert_eq!(codes(&loaded), [Code::PolicyFile], "{file}");
    }
}

#[test]
fn the_command_line_comes_before_the_file() {
    let file = format!("{}/policies/tenant/first.wat", folder());
    for (choice, is_met) in [
        (file.clone(), true),
        (format!("g1={file}"), true),
        (format!("a1/g1={file}"), true),
        (format!("g2={file}"), false),
        (format!("a2/g1={file}"), false),
    ] {
        let options = Options {
            policies: vec![PolicyChoice::parse(&choice).unwrap()],
            ..Options::default()
        };
        for given in [SELECTOR, "a1.sinkgroups.g1.processor.selector = random"] {
            let loaded = load_in(&text(&[given]), &options);
            if !is_met {
                assert_eq!(codes(&loaded), [Code::UnknownGroup], "{choice}");
                assert_eq!(loaded.plans, [], "{choice}");
                continue;
            }
            let group = &loaded.plans[0].groups[0];
            assert_eq!(group.policy.as_ref().unwrap().file.path, Path::new(&file));
            assert_eq!(group.keys.text("selector"), Some(file.as_str()));
        }
    }
}

/// Flume has no policies: lenient mode cannot say what it would do.
#[test]
fn lenient_mode_refuses_a_policy_that_cannot_be_used() {
    let lines = ["a1.sinkgroups.g1.processor.selector = nowhere.wasm"];
    let lenient = Options {
        mode: Mode::Lenient,
        ..Options::default()
    };
    let loaded = load_in(&text(&lines), &lenient);
    assert_eq!(codes(&loaded), [Code::PolicyFile]);
    assert_eq!(loaded.plans, []);
    let lines = [
        "a1.sources.r1.interceptors = i1",
        "a1.sources.r1.interceptors.i1.type = nowhere.wasm",
    ];
    let loaded = load_in(&text(&lines), &lenient);
    assert_eq!(codes(&loaded), [Code::PolicyFile]);
    assert_eq!(loaded.plans, []);
}

#[test]
fn dead_letters_keep_their_channel_in_the_plan() {
    let plan = plan_in(&edited(
        SMALL,
        &["a1.channels", "a1.sinks"],
        &[
            "a1.channels = c1 c9",
            "a1.channels.c9.type = memory",
            "a1.sinks = k1 k9",
            "a1.sinks.k9.type = null",
            "a1.sinks.k9.channel = c9",
            "a1.sources.r1.interceptors = i1",
            "a1.sources.r1.interceptors.i1.type = policies/keep.wat",
            "a1.sources.r1.interceptors.i1.on-error = dead-letter:c9",
            "a1.sources.r1.interceptors.i1.policy.log-lines = 0",
            "a1.sources.r1.interceptors.i1.pattern = x",
        ],
    ));
    let source = &plan.sources[0];
    assert_eq!(source.channels, ["c1"]);
    assert_eq!(source.targets().collect::<Vec<_>>(), ["c1", "c9"]);
    let InterceptorPlan::Policy(policy) = &source.interceptors[0] else {
        panic!("a policy")
    };
    assert_eq!(policy.on_error, OnError::DeadLetter("c9".to_owned()));
    assert_eq!(policy.setup.properties, [pair("pattern", "x")]);
    assert_eq!(policy.file.limits.log_lines, 0);
    assert_eq!(source.interceptors[0].kind(), "policies/keep.wat");
    assert_eq!(plan.channels.len(), 2);
}

/// The agent as it was read, without its trials.
fn drafted(text: &str) -> (AgentPlan, Trials) {
    let path = format!("{}/test.properties", folder());
    let draft = pass(
        path,
        text.into(),
        &Options::default(),
        &services(0),
        &|_| None,
    );
    assert!(!draft.has_errors(), "{:?}", draft.diagnostics);
    let (_, mut agents) = draft.into_agents();
    agents.remove(0)
}

const GARBAGE: &str = "a1.sinkgroups.g1.processor.selector = nowhere.wat";
const FALLBACK: &str = "a1.policies.at-start = fallback";

/// A bad policy is no mistake of the file: others may run by it.
#[test]
fn an_agent_with_a_bad_policy_starts_on_its_fallback_or_not_at_all() {
    let interceptor = [
        "a1.sources.r1.interceptors = i1",
        "a1.sources.r1.interceptors.i1.type = nowhere.wat",
    ];
    let missing = "a1.policies.directory = nobody";
    let policies = services(0).policies;
    for (lines, places, key) in [
        (vec![SELECTOR], &[][..], ""),
        (
            vec![GARBAGE],
            &["g1"],
            "a1.sinkgroups.g1.processor.selector",
        ),
        (
            vec!["a1.sinkgroups.g1.processor.shadow = nowhere.wat"],
            &["g1/shadow"],
            "a1.sinkgroups.g1.processor.shadow",
        ),
        (
            interceptor.to_vec(),
            &["r1.i1"],
            "a1.sources.r1.interceptors.i1.type",
        ),
        (
            [&[GARBAGE, missing][..], &interceptor].concat(),
            &["g1", "r1.i1"],
            "a1.policies.directory",
        ),
    ] {
        for at_start in ["refuse", "fallback"] {
            let key_of_start = format!("a1.policies.at-start = {at_start}");
            let mut all = lines.clone();
            all.push(&key_of_start);
            for is_start in [true, false] {
                let (plan, trials) = drafted(&text(&all));
                let tried = trials.judge(plan, &policies, is_start);
                let runs = places.is_empty() || (is_start && at_start == "fallback");
                assert_eq!(tried.plan.is_some(), runs, "{all:?} {is_start}");
                assert_eq!(tried.refusals.len(), places.len());
                assert!(tried.refusals.iter().all(|refusal| refusal.key == key));
                if let Some(plan) = tried.plan {
                    let vacant: Vec<&str> = plan.vacant.keys().map(String::as_str).collect();
                    assert_eq!(vacant, places, "{all:?}");
                }
            }
        }
    }
}

/// The folder of policies is part of what a tenant may spoil; an agent without policies needs it, too.
#[test]
fn a_missing_folder_of_policies_concerns_its_agent_alone() {
    let missing = "a1.policies.directory = nobody";
    for (lines, runs) in [(&[missing][..], false), (&[missing, FALLBACK], true)] {
        let (plan, trials) = drafted(&text(lines));
        let tried = trials.judge(plan, &services(0).policies, true);
        assert_eq!((tried.plan.is_some(), tried.refusals.len()), (runs, 1));
    }
}
