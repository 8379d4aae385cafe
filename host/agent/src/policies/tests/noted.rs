//! Every way by which another version comes, or does not, is a line of the audit log.

use super::*;
use crate::audit::tests::lines;

/// The lines since the last look at them: way, action, result, what ran and what was to run.
struct Noted {
    folder: Folder,
    policies: Policies,
    read: usize,
}

impl Noted {
    fn new() -> Self {
        let (folder, policies) = (Folder::new(), policies());
        policies.audit().write_to(&folder.path("log")).unwrap();
        Self {
            folder,
            policies,
            read: 0,
        }
    }

    fn next(&mut self) -> Vec<String> {
        let all = lines(&self.folder.path("log"));
        let new = all.iter().skip(self.read);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let shown = new.map(|line| {
            assert_eq!(line["policy"], "a1/one", "{line}");
            assert_eq!(line["why"].is_null(), line["result"] == "done", "{line}");
            let keys = ["way", "action", "result", "from", "to"];
            keys.map(|key| text(&line[key])).join(" ")
        });
        let shown = shown.collect();
        self.read = all.len();
        shown
    }

    fn last(&self, key: &str) -> String {
        let last = lines(&self.folder.path("log")).pop().unwrap();
        last[key].as_str().unwrap_or_default().to_owned()
    }
}

fn digest(text: &str) -> String {
    Artifact::digest_of(text.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_the_file_is_noted_with_its_owner_and_its_way() {
    let mut noted = Noted::new();
    let texts = [0, 1, 2].map(|sink| always(&[sink]));
    let [zero, one, two] = texts.each_ref().map(|text| digest(text));
    let path = noted.folder.file("one.wat", &texts[0]);
    let policies = noted.policies.clone();
    let _selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let _other = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    assert_eq!(noted.next(), [format!("configuration load done - {zero}")]);
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(noted.last("who"), format!("owner uid {own}"));

    noted.folder.file("one.wat", &texts[1]);
    rounds(&policies, 10).await;
    assert_eq!(noted.next(), [format!("file load done {zero} {one}")]);
    noted.folder.file("one.wat", &texts[2]);
    policies.look(true);
    policies.look(true);
    assert_eq!(noted.next(), [format!("sighup load done {one} {two}")]);

    // One that would not start is a line once it is said in the log, and only then.
    let bad = "(module)";
    noted.folder.file("one.wat", bad);
    rounds(&policies, 3).await;
    assert_eq!(noted.next(), [""; 0], "it may be half of a copy");
    rounds(&policies, 20).await;
    let failed = format!("load failed {two} {}", digest(bad));
    assert_eq!(noted.next(), [format!("file {failed}")]);
    assert!(noted.last("why").contains("exports nothing"));
    policies.look(true);
    assert_eq!(noted.next(), [format!("sighup {failed}")]);
    // No version was to run.
    std::fs::remove_file(&path).unwrap();
    rounds(&policies, 20).await;
    assert_eq!(noted.next(), [""; 0]);
    assert_eq!(
        report(&policies).last_error.as_deref(),
        Some("the file is gone")
    );

    // A new place takes what the file has by then.
    noted.folder.file("one.wat", &texts[1]);
    let _late = seat(&policies, &in_a1(&path), "g3", 3).unwrap();
    assert_eq!(
        noted.next(),
        [format!("configuration load done {two} {one}")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_over_the_port_is_noted_with_what_became_of_it() {
    let mut noted = Noted::new();
    let texts = [0, 1].map(|sink| always(&[sink]));
    let [zero, one] = texts.each_ref().map(|text| digest(text));
    let path = noted.folder.file("one.wat", &texts[0]);
    let policies = noted.policies.clone();
    let _selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    noted.next();
    let upload = async |text: &str| {
        let turn = policies.turn("a1/one").unwrap();
        turn.replace(text.into(), &somebody()).await.is_ok()
    };
    assert!(upload(&texts[1]).await);
    assert_eq!(noted.next(), [format!("loopback upload done {zero} {one}")]);
    assert_eq!(noted.last("who"), "127.0.0.1:5");
    assert!(!upload("nonsense").await);
    let failed = format!("loopback upload failed {one} {}", digest("nonsense"));
    assert_eq!(noted.next(), [failed]);
    policies.roll_back("a1/one", &somebody()).await.unwrap();
    let again = policies.roll_back("a1/one", &somebody()).await;
    again.unwrap_err();
    policies.restore("a1/one", &somebody()).await.unwrap();
    assert_eq!(
        noted.next(),
        [
            format!("loopback rollback done {one} {zero}"),
            format!("loopback rollback failed {zero} -"),
            format!("loopback restore done {zero} {zero}"),
        ]
    );
    // Recalled while it was on its way.
    let turn = policies.turn("a1/one").unwrap();
    policies.restore("a1/one", &somebody()).await.unwrap();
    noted.next();
    let late = turn.replace(texts[1].clone().into(), &somebody()).await;
    assert!(matches!(late, Err(ChangeError::Overtaken(_))), "{late:?}");
    assert_eq!(
        noted.next(),
        [format!("loopback upload failed {zero} {one}")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_spends_its_budget_is_noted() {
    let mut noted = Noted::new();
    let (good, bad) = (always(&[1]), turncoat(&[0], &[7]));
    let path = noted.folder.file("one.wat", &good);
    let strict = PolicyUse {
        limits: Limits {
            violations: 1,
            ..in_a1(&path).limits
        },
        ..in_a1(&path)
    };
    let policies = noted.policies.clone();
    let mut selector = seat(&policies, &strict, "g1", 3).unwrap();
    noted.folder.file("one.wat", &bad);
    rounds(&policies, 2).await;
    noted.next();
    attacked(&mut selector);
    rounds(&policies, 2).await;
    let (good, bad) = (digest(&good), digest(&bad));
    assert_eq!(
        noted.next(),
        [format!("error-budget rollback done {bad} {good}")]
    );
}

/// A look that a SIGHUP asked for is told from those that come by themselves.
#[tokio::test(start_paused = true)]
async fn the_watch_knows_what_it_was_asked_by() {
    let mut noted = Noted::new();
    let texts = [0, 1, 2].map(|sink| always(&[sink]));
    let [zero, one, two] = texts.each_ref().map(|text| digest(text));
    let path = noted.folder.file("one.wat", &texts[0]);
    let policies = noted.policies.clone();
    let _selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    noted.next();
    let stop = tokio_util::sync::CancellationToken::new();
    let watching = tokio::spawn(policies.clone().watch(stop.clone()));
    let come = async |noted: &mut Noted| {
        let mut lines = noted.next();
        while lines.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            lines = noted.next();
        }
        lines
    };
    noted.folder.file("one.wat", &texts[1]);
    policies.look_again("a1", Way::Sighup);
    let lines = come(&mut noted).await;
    assert_eq!(lines, [format!("sighup load done {zero} {one}")]);
    noted.folder.file("one.wat", &texts[2]);
    let lines = come(&mut noted).await;
    assert_eq!(lines, [format!("file load done {one} {two}")]);
    stop.cancel();
    watching.await.unwrap();
}
