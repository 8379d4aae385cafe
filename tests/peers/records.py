"""Reads and writes records of Kafka with kafka-python, which shares no code with librdkafka.

records.py read BROKERS TOPIC ISOLATION    each record as a line of JSON, bytes in hexadecimal
records.py write BROKERS TOPIC [END]       such lines from standard input; with END (commit, abort)
                                         in a transaction that ends so
records.py topics BROKERS SETTINGS       the names of topics, for a client with these settings (JSON)
"""

import json
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def hexed(value):
    return None if value is None else value.hex()


def unhexed(value):
    return None if value is None else bytes.fromhex(value)


def read(brokers, topic, isolation):
    consumer = KafkaConsumer(
        bootstrap_servers=brokers,
        group_id=None,
        isolation_level=isolation,
        consumer_timeout_ms=1000,
    )
    numbers = sorted(consumer.partitions_for_topic(topic) or [])
    partitions = [TopicPartition(topic, number) for number in numbers]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    # Up to the last stable offset, if only what was committed is wanted.
    ends = consumer.end_offsets(partitions)
    while any(consumer.position(each) < ends[each] for each in partitions):
        for records in consumer.poll(timeout_ms=1000).values():
            for record in records:
                print(json.dumps({
                    "partition": record.partition,
                    "offset": record.offset,
                    "timestamp": record.timestamp,
                    "key": hexed(record.key),
                    "value": hexed(record.value),
                    "headers": [[name, hexed(value)] for name, value in record.headers],
                }))


def write(brokers, topic, end=None):
    transaction = {"transactional_id": "records.py"} if end else {}
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all", **transaction)
    if end:
        producer.init_transactions()
        producer.begin_transaction()
    sent = []
    for line in sys.stdin:
        record = json.loads(line)
        sent.append(producer.send(
            topic,
            value=unhexed(record["value"]),
            key=unhexed(record.get("key")),
            headers=[(name, unhexed(value)) for name, value in record.get("headers", [])],
            partition=record.get("partition"),
            timestamp_ms=record.get("timestamp"),
        ))
    producer.flush()
    for each in sent:
        each.get(timeout=60)
    if end:
        {"commit": producer.commit_transaction, "abort": producer.abort_transaction}[end]()
    producer.close()


def topics(brokers, settings):
    client = KafkaAdminClient(
        bootstrap_servers=brokers,
        bootstrap_timeout_ms=5000,
        **json.loads(settings),
    )
    print("\n".join(client.list_topics()))


{"read": read, "write": write, "topics": topics}[sys.argv[1]](*sys.argv[2:])
