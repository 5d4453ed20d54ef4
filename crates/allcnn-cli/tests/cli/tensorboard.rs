//! `train --tensorboard`: the event file, read back byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{allcnn, image_folder, train_arguments, workspace};

/// CRC-32C, bit by bit, masked as TFRecord has it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The records of a file, whose lengths and checksums are right.
fn records(file: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut records) = (file, vec![]);
    while !rest.is_empty() {
        let (head, body) = rest.split_at(12);
        let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
        assert_eq!(head[8..], checksum(&head[..8]).to_le_bytes());
        let (message, end) = body.split_at(length);
        assert_eq!(end[..4], checksum(message).to_le_bytes());
        records.push(message);
        rest = &end[4..];
    }
    records
}

/// A field of a protobuf message: a number, or bytes.
enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// The fields of a protobuf message with their tags.
fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = message[0];
            *message = &message[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut fields = vec![];
    while !message.is_empty() {
        let key = varint(&mut message);
        let bytes = match key & 7 {
            0 => {
                fields.push((key >> 3, Field::Number(varint(&mut message))));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (field, rest) = message.split_at(bytes);
        fields.push((key >> 3, Field::Bytes(field)));
        message = rest;
    }
    fields
}

/// The curves of a file: each with its values by step. Panics where a point is there twice.
fn curves(file: &Path) -> BTreeMap<String, BTreeMap<u64, f32>> {
    let bytes = fs::read(file).unwrap();
    let records = records(&bytes);
    assert!(matches!(&fields(records[0])[..], [.., (3, Field::Bytes(b"brain.Event:2"))]));
    let mut curves: BTreeMap<String, BTreeMap<u64, f32>> = BTreeMap::new();
    for record in &records[1..] {
        let mut step = 0;
        for (tag, field) in fields(record) {
            match (tag, field) {
                (2, Field::Number(number)) => step = number,
                (5, Field::Bytes(summary)) => {
                    for (_, value) in fields(summary) {
                        let Field::Bytes(value) = value else { panic!("a value is a message") };
                        let (mut name, mut number) = (String::new(), None);
                        for (tag, field) in fields(value) {
                            match (tag, field) {
                                (1, Field::Bytes(text)) => name = String::from_utf8(text.to_vec()).unwrap(),
                                (2, Field::Bytes(float)) => {
                                    number = Some(f32::from_le_bytes(float.try_into().unwrap()))
                                }
                                _ => panic!("an unknown field"),
                            }
                        }
                        let there = curves
                            .entry(name)
                            .or_default()
                            .insert(step, number.expect("zeros are written too"));
                        assert!(there.is_none(), "step {step} is there twice");
                    }
                }
                _ => {}
            }
        }
    }
    curves
}

/// The event files of a run.
fn event_files(run: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(run).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents."))
        .collect()
}

#[test]
fn the_curves_are_those_of_the_metrics_and_go_on_when_resumed() {
    let folder = workspace();
    image_folder(folder.path(), 40);
    let more = ["--data", "pictures", "--epochs", "3", "--lr", "0.02", "--tensorboard"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    let run = folder.path().join("run");
    let checked = |epochs: u64| {
        let [file] = &event_files(&run)[..] else { panic!("one file") };
        let curves = curves(file);
        let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
        let rows: Vec<Vec<&str>> = metrics.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len() as u64, epochs);
        for (tag, column) in
            [("learning_rate", 1), ("loss/train", 2), ("error/train", 3), ("loss/test", 4), ("error/test", 5)]
        {
            let curve = &curves[tag];
            let steps: Vec<u64> = curve.keys().copied().collect();
            assert_eq!(steps, (1..=epochs).map(|epoch| 3 * epoch).collect::<Vec<_>>(), "{tag}");
            for (value, row) in curve.values().zip(&rows) {
                let expected: f32 = row[column].parse().unwrap();
                assert!(
                    (value - expected).abs() <= 1e-3 * expected.abs().max(1e-3),
                    "{tag}: {value} {expected}"
                );
            }
        }
        assert!(!curves.contains_key("loss/validation"));
    };
    checked(3);
    // A run that has such a file goes on with it, unasked, and mends what a kill cut off.
    let file = event_files(&run).remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();
    allcnn(folder.path(), &["train", "--resume", "run", "--epochs", "5"]).done();
    checked(5);
}

#[test]
fn nothing_is_written_unasked_and_a_resumed_run_can_begin_it() {
    let folder = workspace();
    image_folder(folder.path(), 40);
    let more = ["--data", "pictures", "--epochs", "2", "--lr", "0.02"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    let run = folder.path().join("run");
    assert!(event_files(&run).is_empty());
    allcnn(folder.path(), &["train", "--resume", "run", "--tensorboard"]).done();
    let [file] = &event_files(&run)[..] else { panic!("one file") };
    assert_eq!(curves(file)["loss/train"].len(), 2, "the epochs that were done before");
}
