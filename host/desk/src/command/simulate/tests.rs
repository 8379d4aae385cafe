//! Goal: the command draws and counts what the engine saw, the same every time.
//! Method: native selectors through the command's own arguments, and policies as text.

use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: SimulateArgs,
}

fn played(line: &str) -> Played {
    let words = std::iter::once("simulate").chain(line.split_whitespace());
    play(
        &Line::try_parse_from(words).unwrap().args,
        &Compiler::in_process(),
    )
    .unwrap()
}

fn terminal() -> Terminal {
    Terminal {
        width: 60,
        unicode: false,
        colour: false,
    }
}

#[test]
fn the_chart_shows_who_gets_what_and_who_fails() {
    let played = played(
        "round_robin -p backoff=true --sinks 3 --fail s2@20s..40s --duration 60s --jitter 0",
    );
    insta::assert_snapshot!(chart::draw(&played.scenario, &played.seen, &terminal()));
    insta::assert_snapshot!(format!(
        "{}{}",
        report::heading(&played),
        report::table(&played)
    ));
}

#[test]
fn lines_keep_to_the_width_with_every_look() {
    let played = played("random --sinks 12 --fail s1=50% --duration 1s");
    for width in [40, 61, 260] {
        for unicode in [false, true] {
            let terminal = Terminal {
                width,
                unicode,
                colour: false,
            };
            let text = chart::draw(&played.scenario, &played.seen, &terminal);
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{width}: {text}"
            );
            assert!(unicode || text.is_ascii(), "{text}");
        }
    }
    let colourful = Terminal {
        width: 80,
        unicode: true,
        colour: true,
    };
    assert!(chart::draw(&played.scenario, &played.seen, &colourful).contains("\x1b[32m"));
}

#[test]
fn nothing_delivered_is_nothing_drawn() {
    let played = played("round_robin --sinks 2 --fail s1 --fail s2 --duration 5s");
    let text = chart::draw(&played.scenario, &played.seen, &terminal());
    assert!(text.contains("|x"), "{text}");
    assert!(!report::table(&played).contains("NaN"));
}

#[test]
fn the_same_arguments_give_the_same_output() {
    let line = "random --sinks 4 --parallel 3 --header k=10 --slow s1@1s..2s=50ms --duration 5s";
    let (first, second) = (played(line), played(line));
    assert_eq!(report::json(&first), report::json(&second));
    assert_eq!(svg::draw(&first), svg::draw(&second));
    let other = played(&format!("{line} --seed 2"));
    assert_ne!(report::json(&first), report::json(&other));
}

#[test]
fn the_picture_is_whole_and_names_what_happened() {
    let mut played = played("round_robin --sinks 2 --fail s2@1s..2s --slow s1=5ms --duration 4s");
    played.title = "a<b & c".to_owned();
    let svg = svg::draw(&played);
    for part in [
        "<svg ",
        "</svg>\n",
        "a&lt;b &amp; c",
        "s2 fails 100 %",
        "s1 takes 5ms",
        "2.0s",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn sinks_of_the_command_line_must_be_there() {
    let parse = |line: &str| {
        let words = std::iter::once("simulate").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args)
    };
    let sinks = parse("random --sinks 2 -s s2:weight=3")
        .unwrap()
        .sinks()
        .unwrap();
    assert_eq!(sinks[1].properties, [("weight".to_owned(), "3".to_owned())]);
    assert!(sinks[0].properties.is_empty());
    assert!(
        parse("random --sinks 2 -s s3:weight=3")
            .unwrap()
            .sinks()
            .is_err()
    );
    for (line, is_good) in [
        ("random --sinks 2", true),
        ("random --sinks 1", false),
        ("random --sinks 256", true),
        ("random --sinks 257", false),
        ("random --rate 0", false),
        ("random --parallel 64", true),
        ("random --parallel 65", false),
        ("random --jitter 100", false),
        ("random --duration 0s", false),
    ] {
        assert_eq!(parse(line).is_ok(), is_good, "{line}");
    }
    let missing = play(
        &parse("random --sinks 2 --fail s3").unwrap(),
        &Compiler::in_process(),
    );
    assert_eq!(missing.err(), Some(ExitCode::from(EXIT_USAGE)));
}
