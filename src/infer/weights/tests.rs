//! Models with weights in other files, made by hand.

use std::os::unix::fs::symlink;

use super::*;

/// A field of these bytes, by hand: tag, wire type 2, length below 128 x 128.
fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(tag, WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn number(tag: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(tag, WireType::Varint, &mut out);
    prost::encoding::encode_varint(value, &mut out);
    out
}

/// Bytes `name` of shape `[4]`, in a file or in the model.
fn four(name: &str, at: Result<&[(&str, &str)], &[u8; 4]>) -> Vec<u8> {
    let mut out = [number(1, 4), number(2, 2), field(8, name.as_bytes())].concat();
    match at {
        Ok(entries) => {
            for (key, value) in entries {
                let entry = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
                out.extend(field(13, &entry));
            }
            out.extend(number(14, 1));
        }
        Err(values) => out.extend(field(9, values)),
    }
    out
}

/// A model with these five: an initializer, the values of a sparse one, that of a constant,
/// one in a branch and one in a function.
fn model(weights: [Vec<u8>; 5]) -> Vec<u8> {
    let [plain, sparse, constant, branch, function] = weights;
    let of_attribute = field(5, &[field(1, b"value"), field(5, &constant)].concat());
    let branch = field(5, &[field(1, b"then_branch"), field(6, &field(5, &branch))].concat());
    let graph = [
        field(1, &[field(2, b"c"), field(4, b"Constant"), of_attribute].concat()),
        field(1, &[field(2, b"d"), field(4, b"If"), branch].concat()),
        field(5, &plain),
        field(15, &field(1, &sparse)),
        field(12, &field(1, b"d")),
    ];
    let call = field(7, &field(5, &field(5, &function)));
    [number(1, 8), field(2, b"a test"), field(7, &graph.concat()), field(25, &call)].concat()
}

const NAMES: [&str; 5] = ["plain", "sparse", "constant", "branch", "function"];
const VALUES: [&[u8; 4]; 5] = [b"abcd", b"efgh", b"ijkl", b"mnop", b"qrst"];

fn read(path: &Path, model: &[u8]) -> Result<Whole, String> {
    std::fs::write(path, model).unwrap();
    whole(path, model.to_vec()).map_err(|error| {
        assert!(error.hint().is_some());
        error.to_string()
    })
}

#[test]
fn weights_in_one_file_are_put_where_they_belong() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("w"), b"..abcdqrst....mnopefghijkl").unwrap();
    let offsets = ["2", "18", "22", "14", "6"];
    let at = |i: usize| [("location", "w"), ("offset", offsets[i]), ("length", "4")];
    let outside = model([0, 1, 2, 3, 4].map(|i| four(NAMES[i], Ok(&at(i)))));
    let read = read(&dir.path().join("m.onnx"), &outside).unwrap();
    assert_eq!(read.bytes, model([0, 1, 2, 3, 4].map(|i| four(NAMES[i], Err(VALUES[i])))));
    // As `cat m.onnx w | sha256sum` says.
    let all = [outside.as_slice(), b"..abcdqrst....mnopefghijkl"].concat();
    assert_eq!(read.sha256, <[u8; 32]>::from(Sha256::digest(all)));
}

#[test]
fn a_file_a_weight_may_lie_in_a_folder_below() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("parts")).unwrap();
    let named = [0, 1, 2, 3, 4].map(|i| format!("./parts/{i}"));
    for (name, values) in named.iter().zip(VALUES) {
        std::fs::write(dir.path().join(name), values).unwrap();
    }
    let weight = |i: usize| four(NAMES[i], Ok(&[("location", &named[i])]));
    let read = read(&dir.path().join("m.onnx"), &model([0, 1, 2, 3, 4].map(weight))).unwrap();
    assert_eq!(read.bytes, model([0, 1, 2, 3, 4].map(|i| four(NAMES[i], Err(VALUES[i])))));
}

#[test]
fn a_whole_model_stays_as_it_is() {
    let inside = model([0, 1, 2, 3, 4].map(|i| four(NAMES[i], Err(VALUES[i]))));
    let read = whole(Path::new("/nowhere/m.onnx"), inside.clone()).unwrap_or_else(|_| panic!());
    assert_eq!(read.bytes, inside);
    assert_eq!(read.sha256, <[u8; 32]>::from(Sha256::digest(inside)));
}

fn refused(dir: &Path, entries: &[(&str, &str)]) -> String {
    let weight = |i: usize| four(NAMES[i], if i == 0 { Ok(entries) } else { Err(VALUES[i]) });
    let read = read(&dir.join("m.onnx"), &model([0, 1, 2, 3, 4].map(weight)));
    read.map(|_| ()).unwrap_err()
}

#[test]
fn what_is_not_beside_the_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("models");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(dir.path().join("secret"), b"abcd").unwrap();
    std::fs::write(folder.join("short"), b"abc").unwrap();
    symlink("../secret", folder.join("link")).unwrap();
    let secret = dir.path().join("secret");
    for location in ["../secret", secret.to_str().unwrap(), "link", "", "a/../../secret"] {
        let message = refused(&folder, &[("location", location)]);
        assert!(message.contains("not in the model's folder"), "{location}: {message}");
    }
    assert!(refused(&folder, &[("location", "m.onnx.data")]).ends_with("is not there"));
    assert!(refused(&folder, &[("location", "short")]).contains("too short: 3 bytes"));
    let far = [("location", "short"), ("offset", "18446744073709551615")];
    assert!(refused(&folder, &far).contains("too short"));
    let other = [("location", "short"), ("length", "3")];
    assert!(refused(&folder, &other).contains("3 bytes and should have 4"));
    assert!(refused(&folder, &[("location", "short"), ("offset", "-1")]).contains("'-1'"));
    assert!(refused(&folder, &[("location", ".")]).contains("it is no file"));
}

/// As in Hugging Face's cache: `snapshots/N/m.onnx` and `m.onnx.data` are links to `blobs`.
#[test]
fn a_linked_model_has_its_weights_beside_what_it_links_to() {
    let dir = tempfile::tempdir().unwrap();
    let (blobs, snapshot) = (dir.path().join("blobs"), dir.path().join("snapshot"));
    std::fs::create_dir(&blobs).unwrap();
    std::fs::create_dir(&snapshot).unwrap();
    let at = [("location", "m.onnx.data")];
    let weight = |i: usize| four(NAMES[i], if i == 0 { Ok(&at) } else { Err(VALUES[i]) });
    let outside = model([0, 1, 2, 3, 4].map(weight));
    std::fs::write(blobs.join("1"), &outside).unwrap();
    std::fs::write(blobs.join("2"), b"abcd").unwrap();
    symlink("../blobs/1", snapshot.join("m.onnx")).unwrap();
    symlink("../blobs/2", snapshot.join("m.onnx.data")).unwrap();
    let read = whole(&snapshot.join("m.onnx"), outside).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(read.bytes, model([0, 1, 2, 3, 4].map(|i| four(NAMES[i], Err(VALUES[i])))));
}
