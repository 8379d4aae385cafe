//! The files that name what does not exist here, or nowhere: what that is, and what is wrong besides.

use flume_core::Code;

/// A file, the kinds of its other errors, and all that the findings call missing.
pub(super) type Elsewhere = (&'static str, &'static [Code], &'static [&'static str]);

pub(super) const ELSEWHERE: &[Elsewhere] = &[
    ("0000", &[], &["spooldir"]),
    ("0002", &[], &["spooldir"]),
    (
        "0006",
        &[Code::UnknownKey],
        &[
            "org.apache.flume.sink.elasticsearch2.ElasticSearchSink",
            "org.apache.flume.source.http.HTTPSource",
        ],
    ),
    ("0008", &[], &["spooldir"]),
    (
        "0010",
        &[Code::UnknownChannel],
        &["com.example.Plugin1$Builder"],
    ),
    ("0020", &[Code::DuplicateKey, Code::NotListed], &["TAILDIR"]),
    (
        "0024",
        &[Code::UnknownKey],
        &[
            "org.apache.flume.serialization.FlumeEventCSVSerializer$Builder",
            "spooldir",
        ],
    ),
    (
        "0026",
        &[Code::UnknownKey],
        &[
            "org.apache.flume.serialization.FlumeEventCSVSerializer$Builder",
            "spooldir",
        ],
    ),
    (
        "0028",
        &[Code::UnknownKey],
        &[
            "org.apache.flume.serialization.FlumeEventCSVSerializer$Builder",
            "spooldir",
        ],
    ),
    (
        "0030",
        &[],
        &[
            "org.apache.flume.serialization.FlumeEventCSVSerializer$Builder",
            "spooldir",
        ],
    ),
    (
        "0032",
        &[Code::UnknownKey],
        &[
            "org.apache.flume.serialization.FlumeEventCSVSerializer$Builder",
            "spooldir",
        ],
    ),
    ("0034", &[], &["spooldir"]),
    ("0036", &[], &["spooldir"]),
    (
        "0038",
        &[Code::UnknownKey],
        &[
            "org.apache.flume.serialization.FlumeSerializerSand5$Builder",
            "spooldir",
        ],
    ),
    ("0040", &[], &["spooldir"]),
    ("0042", &[], &["spooldir"]),
    ("0044", &[Code::UnknownKey], &["spooldir"]),
    ("0052", &[Code::DuplicateKey], &["thrift"]),
    ("0056", &[], &["spooldir"]),
    ("0058", &[], &["com.example.Plugin1", "multi_static"]),
    ("0060", &[], &["com.example.Plugin1", "multi_static"]),
    ("0062", &[], &["org.apache.flume.sink.hbase.HBaseSink"]),
    ("0064", &[], &["zookeeperConnect"]),
    ("0066", &[Code::UnknownChannel], &["viprfs"]),
    ("0068", &[], &["com.example.Plugin1"]),
    ("0070", &[], &["http"]),
    (
        "0074",
        &[],
        &["org.apache.flume.sink.elasticsearch.ElasticSearchSink"],
    ),
    ("0076", &[Code::UnknownKey], &["spooldir"]),
    (
        "0078",
        &[],
        &["com.example.Plugin1$Builder", "com.example.Plugin2", "http"],
    ),
    (
        "0080",
        &[],
        &[
            "org.apache.flume.sink.rabbitmq.RabbitMQSink",
            "org.apache.flume.source.rabbitmq.RabbitMQSource",
        ],
    ),
    ("0088", &[], &["syslogtcp"]),
    ("0090", &[], &["zookeeperConnect"]),
    ("0094", &[], &["com.example.Plugin1"]),
    (
        "0100",
        &[
            Code::MissingKey,
            Code::UnknownChannel,
            Code::NotDescribed,
            Code::NotListed,
        ],
        &["abc", "bar", "def", "foo", "jdbc", "syslogtcp"],
    ),
    (
        "0102",
        &[Code::MissingKey],
        &[
            "com.example.Plugin1$Builder",
            "disk",
            "schema by URL",
            "zookeeperConnect",
        ],
    ),
    (
        "0104",
        &[Code::MissingKey],
        &[
            "com.example.Plugin1$Builder",
            "schema by URL",
            "zookeeperConnect",
        ],
    ),
    (
        "0106",
        &[],
        &["com.example.Plugin1", "com.example.Plugin2$Builder"],
    ),
    (
        "0108",
        &[Code::MissingKey],
        &["schema by URL", "zookeeperConnect"],
    ),
    (
        "0110",
        &[Code::MissingKey, Code::NotListed, Code::UnknownSink],
        &["schema by URL", "zookeeperConnect"],
    ),
    (
        "0112",
        &[Code::MissingKey, Code::NotListed],
        &["com.example.Plugin1", "com.example.Plugin2"],
    ),
    (
        "0114",
        &[Code::MissingKey, Code::NotListed],
        &["com.example.Plugin1", "s3n"],
    ),
    ("0116", &[], &["com.example.Plugin1"]),
    ("0118", &[], &["com.example.Plugin1"]),
    ("0120", &[], &["com.example.Plugin1"]),
    ("0124", &[], &["spooldir"]),
    (
        "0126",
        &[Code::DuplicateKey],
        &[
            "an address cannot hold a user or keys",
            "com.example.Plugin1",
        ],
    ),
    ("0128", &[], &["syslogtcp"]),
    (
        "0130",
        &[Code::BadValue],
        &["org.apache.flume.sink.elasticsearch.ElasticSearchSink"],
    ),
    (
        "0134",
        &[Code::UnknownKey],
        &["com.example.Plugin1", "com.example.Plugin2"],
    ),
    ("0136", &[], &["com.example.Plugin1$Builder", "http"]),
    ("0138", &[], &["org.apache.flume.sink.hbase.HBaseSink"]),
    ("0148", &[Code::NotDescribed], &["http"]),
    ("0150", &[], &["com.example.Plugin1"]),
    ("0152", &[], &["spooldir"]),
    ("0156", &[], &["com.example.Plugin1$Builder"]),
    ("0158", &[], &["com.example.Plugin1"]),
    ("0164", &[Code::UnknownKey], &["TAILDIR"]),
    ("0168", &[Code::UnknownKey], &["TAILDIR"]),
    ("0170", &[], &["spooldir"]),
    ("0172", &[], &["com.example.Plugin1", "spooldir"]),
    ("0176", &[], &["asynchbase"]),
    (
        "0182",
        &[],
        &[
            "com.example.Plugin10",
            "com.example.Plugin11",
            "com.example.Plugin12",
            "com.example.Plugin3",
            "com.example.Plugin4",
            "com.example.Plugin5",
            "com.example.Plugin6",
            "com.example.Plugin7",
            "com.example.Plugin8",
            "com.example.Plugin9",
            "org.apache.flume.source.http.HTTPSource",
        ],
    ),
    ("0184", &[], &["org.apache.flume.source.http.HTTPSource"]),
    (
        "0186",
        &[],
        &[
            "com.example.Plugin2",
            "org.apache.flume.source.http.HTTPSource",
        ],
    ),
    ("0190", &[], &["http", "thrift"]),
    ("0192", &[], &["org.apache.flume.sink.kite.DatasetSink"]),
    (
        "0196",
        &[Code::DuplicateKey, Code::NotDescribed],
        &["TAILDIR"],
    ),
    (
        "0202",
        &[],
        &[
            "org.apache.flume.sink.elasticsearch.ElasticSearchSink",
            "org.apache.flume.sink.solr.morphline.MorphlineInterceptor$Builder",
            "syslogudp",
        ],
    ),
    ("0204", &[], &["com.example.Plugin1"]),
];
