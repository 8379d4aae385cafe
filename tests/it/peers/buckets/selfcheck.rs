//! Goal: HDFS and the S3 server do what the scenarios of the bucket writer rely on, without our
//! code: they keep what they have accepted, and refuse when they have to. Method: files written and
//! read by Hadoop's shell, and objects by an S3 client, before and after each fault.

use flume_tests::peers::hdfs::BLOCK;
use flume_tests::{Hadoop, S3, Scratch, require};

#[test]
fn hdfs_keeps_and_refuses() {
    let hadoop = require!(Hadoop::enter());
    let scratch = Scratch::new();
    let mut hdfs = hadoop.start(&scratch);
    let line = "žluťoučký 日本\n";
    let text = line.repeat(50_000);
    let file = scratch.file("lines", &text);
    hdfs.make_folder("/it");
    hdfs.put(&file, "/it/one two").expect("a file is taken");
    let listed = hdfs.files("/it");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].path, "/it/one two");
    assert_eq!(listed[0].size, text.len() as u64, "more than a block");
    assert!(hdfs.cat(&["/it/one*"]) == text, "-cat is what was put");

    hdfs.kill_datanode();
    let refused = hdfs.put(&file, "/it/nowhere");
    assert!(refused.is_err(), "no datanode can take it");
    hdfs.restart_datanode();
    assert!(hdfs.cat(&["/it/one*"]) == text, "kept over a kill");
    hdfs.put(&file, "/it/two").expect("the datanode is back");

    hdfs.enter_safe_mode();
    let refused = hdfs.put(&file, "/it/three").expect_err("safe mode");
    assert!(refused.contains("safe mode"), "{refused}");
    hdfs.leave_safe_mode();
    hdfs.put(&file, "/it/three").expect("it takes files again");

    hdfs.set_space_quota("/it", 3 * text.len() as u64 + BLOCK / 2);
    let refused = hdfs.put(&file, "/it/four").expect_err("no room");
    assert!(refused.contains("quota"), "{refused}");
    hdfs.clear_space_quota("/it");
    hdfs.put(&file, "/it/four").expect("there is room");

    hdfs.kill_namenode();
    let refused = hdfs.put(&file, "/it/five");
    assert!(refused.is_err(), "the namenode is down");
    hdfs.restart_namenode();
    assert!(hdfs.cat(&["/it/four"]) == text, "kept over a kill");
}

#[test]
fn the_s3_server_keeps_what_it_accepted() {
    let s3 = require!(S3::resolve());
    let scratch = Scratch::new();
    let mut server = s3.start(&scratch);
    let (small, large) = (vec![7; 10], vec![9; 6 << 20]);
    server.put("it/small", &small);
    server.put("it/folder/large", &large);
    server.begin_upload("it/begun");
    for _ in 0..2 {
        let listed = server.objects("it/");
        let sizes: Vec<(&str, u64)> = listed.iter().map(|(name, size)| (&**name, *size)).collect();
        assert_eq!(sizes, [("it/folder/large", 6 << 20), ("it/small", 10)]);
        assert!(server.object("it/folder/large") == large);
        assert_eq!(server.uploads(), 1, "begun and not finished");
        server.kill();
        server.restart();
    }
}
